"""A local mail server (a real one, aiosmtpd) that keeps what it takes and refuses as it is told."""

import asyncio
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class SmtpServer:
    """The server, on a free port of the loopback interface, with an event loop in a thread.

    `refuse` maps a command (`MAIL`, `RCPT <address>`, `DATA`) to the answer that refuses it.

    Args:
        login: the only name and password that are good; None takes mail without login.
        tls: the context of the server's certificate, for STARTTLS or, with `implicit_tls`, from the
            start.
        implicit_tls: whether connections are encrypted from the start.
    """

    def __init__(
        self, login: tuple[str, str] | None = None, tls: Any = None, *, implicit_tls: bool = False
    ) -> None:
        self.refuse: dict[str, str] = {}
        self.messages: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self._login = login
        self._loop = asyncio.new_event_loop()
        starttls = tls if not implicit_tls else None
        self._controller = UnthreadedController(
            self,
            hostname="127.0.0.1",
            port=0,
            loop=self._loop,
            ssl_context=tls if implicit_tls else None,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=login is not None,
            auth_require_tls=starttls is not None,
            authenticator=self._authenticate,
        )
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._controller.server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        self._controller.begin()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._controller.finalize(), self._loop).result(5)
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _drain(self) -> None:
        """Ends the sessions that clients left open."""
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and self._login == (
            data.login.decode(),
            data.password.decode(),
        )
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.refuse:
            return self.refuse["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if f"RCPT {address}" in self.refuse:
            return self.refuse[f"RCPT {address}"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.envelopes.append(envelope)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"
