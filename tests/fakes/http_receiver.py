"""A local HTTP receiver that keeps what is posted to it and answers as it is told."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self

Behaviour = Literal["answer", "hang", "drop", "drip"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class HttpReceiver:
    """The receiver, on a free port of the loopback interface.

    `status` is what it answers, `behaviour` how: `hang` never does, `drop` resets the connection,
    `drip` sends one byte of a header at a time and never comes to the end.
    """

    def __init__(self) -> None:
        self.status = 200
        self.behaviour: Behaviour = "answer"
        self.location = ""
        self.deliveries: list[Delivery] = []
        self._stopped = threading.Event()
        receiver = self

        class Handler(_Handler):
            pass

        Handler.receiver = receiver
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """The address of its root, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_until_stopped(self, seconds: float | None = None) -> bool:
        """Returns whether the receiver is being stopped, at the latest after `seconds`."""
        return self._stopped.wait(seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: HttpReceiver

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.receiver.deliveries.append(Delivery(self.path, dict(self.headers), body))
        if self.receiver.behaviour == "answer":
            self._answer()
            return
        self.close_connection = True
        if self.receiver.behaviour == "hang":
            self.receiver.wait_until_stopped()
        if self.receiver.behaviour == "drip":
            self._drip()
        with suppress(OSError):
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self) -> None:
        self.send_response(self.receiver.status)
        if self.receiver.location:
            self.send_header("Location", self.receiver.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.receiver.wait_until_stopped(0.01):
            self.wfile.write(b"x")
            self.wfile.flush()
