"""An HTTP proxy in front of one server, which spoils chosen exchanges.

    with FaultyProxy(port) as proxy:
        proxy.spoil("POST", [Fault.LOSE_ANSWER])

The next POST reaches the server and its answer is thrown away; those after it go through.
"""

import http.client
import threading
from collections import defaultdict
from collections.abc import Sequence
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Fault(Enum):
    """What goes wrong."""

    REFUSE = "answers 503 and asks nobody"
    FORBID = "answers 403 and asks nobody"
    LOSE_ANSWER = "passes the request on and drops the connection"
    CUT_REQUEST = "passes half of the request on and drops both connections"
    CUT_ANSWER = "sends half of the answer's body and drops the connection"
    CORRUPT_ANSWER = "changes a byte of the answer's body"
    HIDE_CHECKSUM = "leaves the checksum out of the answer"
    WRONG_CHECKSUM = "answers an upload with another checksum"


class FaultyProxy:
    """Passes on what it gets, but for the faults it was given.

    `paths` are those that it was asked for, by method.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.paths: dict[str, list[str]] = defaultdict(list)
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spoil(self, method: str, faults: Sequence[Fault]) -> None:
        """Spoils the next requests of a method, one fault each."""
        with self._lock:
            self._faults[method] += faults

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.paths[method].append(path)
            waiting = self._faults[method]
            return waiting.pop(0) if waiting else None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultyProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        fault = self.server.proxy.next_fault(self.command, self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if fault in {Fault.REFUSE, Fault.FORBID}:
            self._answer(503 if fault is Fault.REFUSE else 403, {}, b"{}")
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=10)
        try:
            self._pass_on(upstream, body, fault)
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server names them

    def _pass_on(
        self, upstream: http.client.HTTPConnection, body: bytes, fault: Fault | None
    ) -> None:
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders()
        upstream.send(body[: len(body) // 2] if fault is Fault.CUT_REQUEST else body)
        if fault is Fault.CUT_REQUEST:
            self.close_connection = True
            return
        answer = upstream.getresponse()
        content = answer.read()
        if fault is Fault.LOSE_ANSWER:
            self.close_connection = True
            return
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        self._answer(answer.status, *_spoiled(headers, content, fault), fault=fault)

    def _answer(
        self, status: int, headers: dict[str, str], content: bytes, *, fault: Fault | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault is Fault.CUT_ANSWER:
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _spoiled(
    headers: dict[str, str], content: bytes, fault: Fault | None
) -> tuple[dict[str, str], bytes]:
    if fault is Fault.CORRUPT_ANSWER:
        content = bytes([content[0] ^ 1]) + content[1:]
    if fault is Fault.HIDE_CHECKSUM:
        headers = {name: one for name, one in headers.items() if name.lower() != "x-goog-hash"}
    if fault is Fault.WRONG_CHECKSUM:
        content = content.replace(b'"crc32c":"', b'"crc32c":"A')
    return headers, content
