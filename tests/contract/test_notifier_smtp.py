"""The mail channel against a real mail server."""

import asyncio
import logging
import socket
import ssl
import subprocess
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from shared.adapters.notifier_smtp import SmtpNotifier
from shared.errors import InvalidInput, Unavailable
from tests.contract.test_notifiers import NOTE, TRICKY, send
from tests.fakes.smtp_server import SmtpServer

FROM, TO = "whetstone@example.org", ["ops@example.org", "team@example.net"]


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes",
         "-keyout", key, "-out", certificate, "-days", "3650", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate[1], certificate[0])
    return context


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[1]))


def make(port: int, **how: object) -> SmtpNotifier:
    options = {"security": "none", "timeout_s": 5.0, **how}
    return SmtpNotifier("127.0.0.1", port, FROM, TO, **options)


def test_a_notification_arrives_as_plain_text_for_all_recipients(server):
    send(make(server.port), replace(NOTE, severity="critical"))
    (message,), (envelope,) = server.messages, server.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (FROM, TO)
    assert message["Subject"] == "[acme] CRITICAL: New entry: cache keys"
    assert message["From"] == FROM
    assert message["To"] == ", ".join(TO)
    assert message["Message-ID"] == "<evt_0123456789@example.org>"
    assert message["Date"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == (
        "New entry: cache keys\n\nSubmitter: agent-7\nConfidence: 0.91\n\n"
        "https://console.example/entries/ent_1\n"
    )


@pytest.mark.parametrize("note", TRICKY, ids=range(len(TRICKY)))
def test_tricky_notifications_arrive_without_new_headers_or_recipients(server, note):
    send(make(server.port), note)
    (message,), (envelope,) = server.messages, server.envelopes
    assert envelope.rcpt_tos == TO
    assert set(message.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Whetstone-Workspace",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version", "X-Peer", "X-MailFrom",
        "X-RcptTo",
    }  # fmt: skip
    assert not message.is_multipart()


def test_letters_of_all_languages_arrive(server):
    send(make(server.port), replace(NOTE, title="Überprüfung 日本 🦊", facts={"Größe": "ß"}))
    (message,) = server.messages
    assert message["Subject"] == "[acme] Überprüfung 日本 🦊"
    assert "Größe: ß" in message.get_content()


def test_a_repeat_has_the_same_message_id(server):
    send(make(server.port), NOTE, NOTE)
    assert len({message["Message-ID"] for message in server.messages}) == 1
    assert len(server.messages) == 2


def test_it_logs_in_after_starttls(server_tls, trust):
    with SmtpServer(("bot", "p4ss"), server_tls) as server:
        how = {"security": "starttls", "username": "bot", "password": "p4ss", "trust": trust}
        send(make(server.port, **how), NOTE)
        assert len(server.messages) == 1


def test_it_logs_in_with_the_password_as_it_is_then(server_tls, trust):
    passwords = iter(["0ld", "p4ss"])
    with SmtpServer(("bot", "p4ss"), server_tls) as server:
        how = {"security": "starttls", "username": "bot", "trust": trust}
        notifier = make(server.port, **how, password=lambda: next(passwords))
        with pytest.raises((InvalidInput, Unavailable)):
            send(notifier, NOTE)
        send(notifier, NOTE)
        assert len(server.messages) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the server knows only of STARTTLS
def test_it_logs_in_over_tls(server_tls, trust):
    with SmtpServer(("bot", "p4ss"), server_tls, implicit_tls=True) as server:
        how = {"security": "tls", "username": "bot", "password": "p4ss", "trust": trust}
        send(make(server.port, **how), NOTE)
        assert len(server.messages) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_unavailable(server_tls, security):
    with SmtpServer(None, server_tls, implicit_tls=security == "tls") as server:
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            send(make(server.port, security=security), NOTE)
        assert server.messages == []


def test_a_server_without_starttls_gets_no_mail(server):
    with pytest.raises(Unavailable):
        send(make(server.port, security="starttls"), NOTE)
    assert server.messages == []


def test_a_wrong_password_is_refused_and_stays_out_of_every_message(server_tls, trust, caplog):
    how = {"security": "starttls", "username": "bot", "password": "s3cr3t", "trust": trust}
    with (
        SmtpServer(("bot", "p4ss"), server_tls) as server,
        caplog.at_level(logging.DEBUG, "whetstone"),
    ):
        notifier = make(server.port, **how)
        with pytest.raises(InvalidInput, match="535") as caught:
            send(notifier, NOTE)
    shown = "".join(traceback.format_exception(caught.value)) + repr(notifier) + caplog.text
    assert "s3cr3t" not in shown


REFUSALS = ["MAIL", "DATA", "all recipients"]


def refuse(server: SmtpServer, what: str, answer: str) -> None:
    commands = [f"RCPT {address}" for address in TO] if what == "all recipients" else [what]
    server.refuse.update(dict.fromkeys(commands, answer))


@pytest.mark.parametrize("what", REFUSALS)
def test_a_temporary_refusal_is_unavailable(server, what):
    refuse(server, what, "451 try later")
    with pytest.raises(Unavailable):
        send(make(server.port), NOTE)


@pytest.mark.parametrize("what", REFUSALS)
def test_a_permanent_refusal_is_invalid(server, what):
    refuse(server, what, "550 ops@example.org is unknown")
    with pytest.raises(InvalidInput, match="550") as caught:
        send(make(server.port), NOTE)
    assert "ops@" not in str(caught.value)


def test_of_recipients_refused_for_different_reasons_the_passing_one_counts(server):
    server.refuse = {f"RCPT {TO[0]}": "550 unknown", f"RCPT {TO[1]}": "452 full"}
    with pytest.raises(Unavailable):
        send(make(server.port), NOTE)


def test_one_refused_recipient_does_not_keep_the_mail_from_the_other(server, caplog):
    server.refuse = {f"RCPT {TO[0]}": "550 unknown"}
    send(make(server.port), NOTE)
    assert server.envelopes[0].rcpt_tos == TO[1:]
    (record,) = [record for record in caplog.records if record.name == "whetstone.notify"]
    assert (record.message, record.refused) == ("mail_refused_for_some", 1)
    ours = [one for one in caplog.records if one.name.startswith("whetstone")]
    assert "ops@" not in str([vars(one) for one in ours])


def test_nobody_listening_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        send(make(port), NOTE)


class Silent:
    """A server that accepts and says `greeting` over and over until the client is gone."""

    def __init__(self, greeting: bytes = b"", *, drop: bool = False) -> None:
        self._greeting, self._drop = greeting, drop
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self.client_left = threading.Event()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            if self._drop:
                return
            connection.settimeout(0.01)
            while not self._left(connection):
                connection.send(self._greeting)
        self.client_left.set()

    def _left(self, connection: socket.socket) -> bool:
        try:
            return connection.recv(1024) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._listener.close()


@pytest.mark.parametrize("greeting", [b"", b"220-wait\r\n", b"2"])
def test_a_server_that_comes_to_no_end_is_unavailable_in_time_and_cut_off(greeting):
    with Silent(greeting) as server:
        with pytest.raises(Unavailable, match="in time"):
            send(make(server.port, timeout_s=0.2), NOTE)
        assert server.client_left.wait(5)


def test_a_dropped_connection_is_unavailable():
    with Silent(drop=True) as server, pytest.raises(Unavailable):
        send(make(server.port), NOTE)


def test_a_server_that_turns_everyone_away_is_unavailable():
    with Silent(b"554 go away\r\n") as server, pytest.raises(Unavailable, match="SMTPConnectError"):
        send(make(server.port), NOTE)


@pytest.mark.parametrize(
    ("sender", "recipients"),
    [
        (FROM, []),
        (FROM, ["nobody"]),
        (FROM, ["a@b\r\nBcc: c@d"]),
        (FROM, ["a@b, c@d"]),
        ("Name <a@b>", TO),
        ("", TO),
        (FROM, ["a@b>\r\nRCPT TO:<c@d"]),
    ],
)
def test_what_is_no_address_is_refused(sender, recipients):
    with pytest.raises(InvalidInput, match="name@domain"):
        SmtpNotifier("127.0.0.1", 25, sender, recipients)


def test_a_login_without_encryption_is_refused():
    with pytest.raises(InvalidInput, match="starttls"):
        make(25, username="bot", password="s3cr3t")


def test_the_loop_runs_on_while_mail_is_sent():
    async def count_meanwhile(port: int) -> int:
        sending = asyncio.create_task(make(port, timeout_s=0.2).notify(NOTE))
        turns = 0
        while not sending.done():
            turns += 1
            await asyncio.sleep(0)
        assert isinstance(sending.exception(), Unavailable)
        return turns

    with Silent() as server:
        assert asyncio.run(count_meanwhile(server.port)) > 100
