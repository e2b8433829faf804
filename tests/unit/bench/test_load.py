"""The load generator, against a server that answers in pieces."""

import asyncio
import contextlib
import itertools
import threading
from functools import partial

import pytest

from bench.load import CONNECTIONS, Load, Measured, post, run

BODY = b'{"n":1}'


class Peer:
    """Answers each request with a status, head and body in two writes."""

    def __init__(self, status=200):
        self.status = status
        self.requests = []
        self._answering = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await self._stop.wait()
            await asyncio.gather(*self._answering)  # the load has ended, so each has an end

    async def _answer(self, reader, writer):
        self._answering.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                writer.write(
                    f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
                )
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(BODY)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def endless(path):
    return (post(path, {"n": number}, "secret") for number in itertools.count())


def test_every_request_is_answered_and_counted_once():
    with Peer() as peer:
        found = run(Load(peer.port, 0.1, partial(endless, "/x"), keep_bodies=True))
    assert len(found.latencies_s) == len(peer.requests) == sum(found.statuses.values())
    assert len(found.latencies_s) >= CONNECTIONS
    assert found.bodies == [BODY] * len(peer.requests)
    assert len(set(peer.requests)) == len(peer.requests)
    assert found.failed == 0


def test_refusals_are_told():
    with Peer(status=429) as peer:
        found = run(Load(peer.port, 0.05, partial(endless, "/x")))
    assert found.failed == len(peer.requests)
    assert found.bodies == []


def test_a_closed_port_is_an_error():
    with Peer() as peer:
        port = peer.port
    with pytest.raises(ConnectionRefusedError):
        run(Load(port, 0.05, partial(endless, "/x")))


def test_requests_are_whole_http():
    head, body = post("/v1/x", {"a": "ü"}, "secret").split(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert b"X-API-Key: secret" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"X-API-Key" not in post("/v1/x", {})


def test_quantiles_are_of_the_ordered_latencies():
    found = Measured(2.0, [0.003, 0.001, 0.002, 0.004])
    assert found.per_second == 2
    assert found.quantile_ms(0.5) == 3
    assert found.quantile_ms(0.99) == 4


def test_where_the_requests_end_the_load_ends():
    three = [post("/x", {"n": number}) for number in range(3)]
    with Peer() as peer:
        found = run(Load(peer.port, 30, partial(iter, three)))
    assert sorted(peer.requests) == sorted(three)
    assert len(found.latencies_s) == 3
