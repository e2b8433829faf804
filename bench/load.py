"""A lean load generator: raw HTTP/1.1 over a few connections, one request in flight on each.

Run in a process of its own, so that it takes nothing from the server's event loop. It reads as
little of an answer as it can: the status, the length, and where asked the whole body.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

CONNECTIONS = 16
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "

Source = Callable[[], Iterator[bytes]]
"""Makes the requests, in the load generator's process and before its clock starts."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send and for how long.

    Args:
        port: of this machine.
        seconds: how long, at most.
        source: requests; where they end, so does the load.
        keep_bodies: hand back the answers' bodies.
    """

    port: int
    seconds: float
    source: Source
    keep_bodies: bool = False


@dataclass(slots=True)
class Measured:
    """What came of it; latencies in seconds, in order of the answers."""

    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answered requests per second."""
        return len(self.latencies_s) / self.elapsed_s

    def quantile_ms(self, share: float) -> float:
        """Returns a quantile of the latencies in milliseconds."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def failed(self) -> int:
        """Answers that were not 2xx."""
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, requests: Iterator[bytes], load: Load, found: Measured) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._stop_at = time.perf_counter() + load.seconds
        self._found = found
        self._keep = load.keep_bodies
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed a connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        body_start = head_end + len(_HEAD_END)
        length = _length(self._received[:head_end])
        if len(self._received) < body_start + length:
            return
        self._found.latencies_s.append(time.perf_counter() - self._sent_at)
        self._found.statuses[int(self._received[9:12])] += 1
        if self._keep:
            self._found.bodies.append(self._received[body_start:])
        self._received = b""
        if time.perf_counter() < self._stop_at:
            self._send()
        else:
            self._end()

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _end(self) -> None:
        self.done.set_result(None)
        self._transport.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(_LENGTH) + len(_LENGTH)
    return int(lowered[start:].split(b"\r\n", 1)[0])


def post(path: str, body: object, key: str = "") -> bytes:
    """Returns a POST as it goes over the wire; `key` is an API key."""
    content = json.dumps(body).encode()
    credential = f"X-API-Key: {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{credential}Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def run(load: Load) -> Measured:
    """Returns what the server made of a load."""
    return uvloop.run(_run(load))


async def _run(load: Load) -> Measured:
    requests, found = load.source(), Measured()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    make = partial(_Connection, requests, load, found)
    opened = [
        await loop.create_connection(make, "127.0.0.1", load.port) for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    found.elapsed_s = time.perf_counter() - started
    return found
