"""The way to a function in another process: an ASGI app that hands requests on.

It does what Google Cloud's front does: an answer streams through as it comes, a request waits while
an instance starts, and one whose instance dies in the middle gets 503 with Retry-After.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import aiohttp
from yarl import URL

from localcloud.process import HOST
from shared.messages.events import FunctionName

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes that Cloud Run takes in a request over HTTP/1."""

STARTING_S = 20.0
"""Seconds that a request waits for an instance to listen."""

_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_NOT_OURS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Gone(Exception):
    """The caller hung up before its request was whole."""


class Upstream:
    """Hands requests to the process of one function.

    Args:
        function: its name.
        port: where it listens on this machine.
        paths: the methods and paths that it serves.
    """

    def __init__(
        self, function: FunctionName, port: int, paths: Collection[tuple[str, str]]
    ) -> None:
        self.function = function
        self.paths = paths
        self.peers: tuple[FunctionName, ...] = ()
        self._base = f"http://{HOST}:{port}"
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request with what the function answers."""
        try:
            body = await _body(receive)
        except Gone:
            return
        if body is None:
            await problem(send, 413, "too_large", f"a body may have {LARGEST_BODY} bytes")
            return
        answering = asyncio.ensure_future(self._answer(scope, body, send))
        leaving = asyncio.ensure_future(receive())  # only a caller that hangs up ends this
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)
        if not answering.cancelled() and (error := answering.exception()) is not None:
            raise error

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        started = False
        try:
            response = await self._sent(scope, body)
            async with response:
                await send(_start(response))
                started = True
                async for chunk in response.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except aiohttp.ClientError as error:
            if started:  # an answer that breaks off must not look whole
                raise ConnectionAbortedError(f"{self.function} broke off") from error
            await problem(send, 503, "unavailable", f"{self.function} does not answer; try again")

    async def _sent(self, scope: Scope, body: bytes) -> aiohttp.ClientResponse:
        session = self._connected()
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1")
        url = URL(f"{self._base}{path}{'?' if query else ''}{query}", encoded=True)
        headers = _headers(scope)
        deadline = time.monotonic() + STARTING_S
        while True:
            try:
                return await session.request(
                    scope["method"], url, data=body, headers=headers, allow_redirects=False
                )
            except aiohttp.ClientConnectorError:  # nothing was sent: it may be sent again
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=80, keepalive_timeout=1.0),
                skip_auto_headers=_NOT_OURS,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            )
        return self._session


async def problem(send: Send, status: int, code: str, detail: str) -> None:
    """Answers with a problem document of the front's own."""
    document = {"type": f"urn:whetstone:problem:{code}", "status": status, "detail": detail}
    body = json.dumps({**document, "title": detail, "code": code}).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        *([(b"retry-after", b"1")] if status == 503 else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes | None:
    """Returns a request's whole body, None where it is too large.

    Raises:
        Gone: the caller hung up.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > LARGEST_BODY:
            return None
    return b"".join(parts)


def _headers(scope: Scope) -> list[tuple[str, str]]:
    """Returns the request's own headers, and who asked, as the load balancer adds it."""
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name not in _HOP_BY_HOP and name != b"content-length"
    ]
    client = scope.get("client") or (HOST, 0)
    return [*kept, ("X-Forwarded-For", str(client[0])), ("X-Forwarded-Proto", "http")]


def _start(response: aiohttp.ClientResponse) -> Message:
    headers = [
        (name.lower(), value)
        for name, value in response.raw_headers
        if name.lower() not in _HOP_BY_HOP and name.lower() not in {b"server", b"date"}
    ]
    return {"type": "http.response.start", "status": response.status, "headers": headers}
