"""What stands where a function listened, and refuses, as Google's front does for one gone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from localcloud.process import HOST, answers
from tests.support.cloud_server import CloudServer
from tests.support.waiting import until


class Refusing:
    """A server that answers 503 to everything; a context manager.

    Args:
        port: where the function listened.
    """

    def __init__(self, port: int) -> None:
        self.asked = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                owner.asked += 1
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((HOST, port), Handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def down(cloud: CloudServer, name: str) -> Iterator[Refusing]:
    """Takes a function away meanwhile; whoever calls it gets 503."""
    cloud.kill(name)
    port = cloud.cloud.plan.functions[name]
    try:
        until(lambda: not answers(port))  # its workers end a moment after it
        with Refusing(port) as instead:
            yield instead
    finally:
        cloud.restart(name)
