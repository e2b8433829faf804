"""Notifications as plain-text mail over SMTP."""

import asyncio
import logging
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

from shared.adapters.notifier_text import one_line, plain_text, subject
from shared.domain.secrets import Secret, value_of
from shared.errors import InvalidInput, Unavailable
from shared.ports import Notification

_LOGGER = logging.getLogger("whetstone.notify")
_ADDRESS = re.compile(r"[^\s<>,;:\"()\[\]\\@]{1,64}@[A-Za-z0-9.-]{1,255}")
_READY = 220
_FIRST_PERMANENT_CODE = 500
_REFUSALS = (smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPAuthenticationError)


class SmtpNotifier:
    """`Notifier` by mail: one message to all recipients, its id made of the event's.

    Args:
        host: the mail server.
        port: its port.
        sender: the address that the mail is from.
        recipients: the addresses that it goes to, one at least.
        security: `starttls` upgrades the connection before anything else, `tls` starts it
            encrypted, `none` never encrypts it (for a server on the same machine).
        username: who logs in; None to send without login.
        password: a secret, as it is at each message.
        timeout_s: seconds for the whole exchange.
        name: the channel's name.
        trust: which certificates of the server are good; None for the machine's list.

    Raises:
        InvalidInput: an address that is none, or a login without encryption.
    """

    def __init__(  # noqa: PLR0913 - what a mail account needs
        self,
        host: str,
        port: int,
        sender: str,
        recipients: Sequence[str],
        *,
        security: Literal["starttls", "tls", "none"] = "starttls",
        username: str | None = None,
        password: str | Secret = "",
        timeout_s: float = 10.0,
        name: str = "smtp",
        trust: ssl.SSLContext | None = None,
    ) -> None:
        if not recipients or not all(_ADDRESS.fullmatch(each) for each in (sender, *recipients)):
            raise InvalidInput(f"{name} needs a sender and recipients of the form name@domain")
        if username is not None and security == "none":
            raise InvalidInput(f"{name} would send its password in the clear: use starttls or tls")
        self.name = name
        self._server = (host, port)
        self._sender = sender
        self._recipients = list(recipients)
        self._security = security
        self._login = None if username is None else (username, password)
        self._timeout_s = timeout_s
        self._trust = trust

    async def notify(self, notification: Notification) -> None:
        message = self._message(notification)
        session = _Session()
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.to_thread(self._send, session, message)
        except TimeoutError:
            session.abort()
            raise Unavailable(f"the mail server of {self.name} did not answer in time") from None
        except smtplib.SMTPException as error:
            raise self._translated(error) from None
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the mail server of {self.name} cannot be reached: {type(error).__name__}"
            ) from None

    async def close(self) -> None:
        """Holds nothing open."""

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["Subject"] = _carried(subject(notification))
        message["Date"] = formatdate()
        domain = self._sender.rpartition("@")[2]
        message["Message-ID"] = (
            f"<{re.sub('[^A-Za-z0-9._-]', '_', notification.event_id)}@{domain}>"
        )
        message["Auto-Submitted"] = "auto-generated"
        message["X-Whetstone-Workspace"] = _carried(one_line(notification.workspace))
        message.set_content(_carried(plain_text(notification)))
        return message

    def _send(self, session: "_Session", message: EmailMessage) -> None:
        encrypted = self._security != "none"
        context = (self._trust or ssl.create_default_context()) if encrypted else None
        with session.connect(
            self._server, self._timeout_s, context if self._security == "tls" else None
        ) as smtp:
            if self._security == "starttls":
                smtp.starttls(context=context)
            if self._login is not None:
                username, password = self._login
                smtp.login(username, value_of(password))
            refused = smtp.send_message(message)
        if refused:
            _LOGGER.warning(
                "mail_refused_for_some", extra={"channel": self.name, "refused": len(refused)}
            )

    def _translated(self, error: smtplib.SMTPException) -> Unavailable | InvalidInput:
        """Returns the port's error; the server's text may quote addresses, and stays out."""
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            codes = [code for code, _ in error.recipients.values()]
        elif isinstance(error, _REFUSALS):
            codes = [error.smtp_code]
        else:
            codes = []
        if codes and min(codes) >= _FIRST_PERMANENT_CODE:
            return InvalidInput(
                f"the mail server of {self.name} refused the message with {codes[0]}"
            )
        return Unavailable(f"the mail server of {self.name} failed: {type(error).__name__}")


class _Session:
    """The connection of one sending, which another thread can cut off."""

    def __init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None

    def connect(
        self, server: tuple[str, int], timeout_s: float, tls: ssl.SSLContext | None
    ) -> smtplib.SMTP:
        """Returns the open connection, encrypted from the start where `tls` is given."""
        if tls is None:
            self._smtp = smtplib.SMTP(timeout=timeout_s)
        else:
            self._smtp = smtplib.SMTP_SSL(timeout=timeout_s, context=tls)
        # The constructor sets the name that certificates are held against only where it connects
        # itself, and then nobody could cut it off while it waits for the greeting.
        self._smtp._host = server[0]  # type: ignore[attr-defined]  # noqa: SLF001
        code, greeting = self._smtp.connect(*server)
        if code != _READY:
            self._smtp.close()
            raise smtplib.SMTPConnectError(code, greeting)
        return self._smtp

    def abort(self) -> None:
        """Ends the connection under the thread that waits on it."""
        sock = self._smtp.sock if self._smtp is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _carried(text: str) -> str:
    """Returns `text` with what UTF-8 cannot carry (a lone surrogate) replaced."""
    return text.encode(errors="replace").decode()
