"""Asking another function how it is, over real connections."""

import asyncio
import contextlib

import pytest

from shared.adapters.health_http import MOST_BYTES, FunctionHealth
from shared.adapters.http_client import HttpClient
from shared.errors import InvalidInput, Unavailable
from tests.support.server import free_port

REPORT = b'{"status": "ok"}'


@contextlib.asynccontextmanager
async def answering(status, body, asked=None):
    """Serves one answer to every request, nothing at all where `status` is None."""
    over = asyncio.Event()

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(head.split(b" ")[1].decode())
        if status is None:
            await over.wait()
        else:
            length = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(body)}"
            writer.write(f"{length}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        over.set()
        server.close()


async def ask(url, wait_s=5.0):
    client = HttpClient()
    try:
        return await FunctionHealth("submit", url, client, wait_s)()
    finally:
        await client.close()


@pytest.mark.parametrize("end", ["", "/", "/functions/submit"])
def test_a_function_is_asked_for_its_health(end):
    async def scenario():
        asked = []
        async with answering(200, REPORT, asked) as url:
            assert await ask(url + end) == REPORT
        assert asked == [f"{end.rstrip('/')}/health"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, REPORT, "answered 503"),
        (302, b"", "answered 302"),
        (200, b"x" * (MOST_BYTES + 1), "more than a report"),
        (None, b"", "in time"),
    ],
)
def test_what_is_no_report_counts_as_no_answer(status, body, words):
    async def scenario():
        async with answering(status, body) as url:
            with pytest.raises(Unavailable, match=words):
                await ask(url, 0.2 if status is None else 5.0)

    asyncio.run(scenario())


def test_a_closed_port_counts_as_no_answer_and_the_message_leaves_the_address_out():
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        asyncio.run(ask(url))
    assert url not in str(caught.value)


def test_what_is_no_address_stops_at_once():
    with pytest.raises(InvalidInput, match="submit"):
        FunctionHealth("submit", "submit.internal", HttpClient())
