"""The front hands requests on as they are, streams answers, and says when nobody answers."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from localcloud import forwarding
from localcloud.forwarding import Upstream
from localcloud.process import free_port

RELEASE = threading.Event()
LEFT = threading.Event()


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    headers = {name: value for name, value in request.headers.items() if name.startswith("x-")}
    told = {"method": request.method, "url": request.url.path, "query": request.url.query}
    return JSONResponse({**told, "body": body.decode(), "headers": headers}, 201, {"X-Told": "1"})


async def slow(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.to_thread(RELEASE.wait, 10)
            yield b" last"
        finally:
            LEFT.set()

    return StreamingResponse(parts())


async def broken(request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionAbortedError

    return StreamingResponse(parts(), headers={"content-length": "100"})


UPSTREAM = Starlette(
    routes=[
        Route("/echo/{rest:path}", echo, methods=["GET", "POST", "PUT"]),
        Route("/slow", slow),
        Route("/broken", broken),
    ]
)


class Served:
    """An ASGI app on a port, in a thread."""

    def __init__(self, app, port):
        config = uvicorn.Config(app, port=port, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self):
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()


class Front:
    """An upstream as an app that closes its connections with its loop."""

    def __init__(self, port):
        self.upstream = Upstream("submit", port, [])

    async def __call__(self, scope, receive, send):
        try:
            await self.upstream(scope, receive, send)
        finally:
            await self.upstream.close()
            self.upstream._session = None


@pytest.fixture
def front():
    RELEASE.clear()
    LEFT.clear()
    port = free_port()
    with Served(UPSTREAM, port), Served(Front(port), free_port()) as served:
        yield served.url
        RELEASE.set()


def test_a_request_and_its_answer_go_through_as_they_are(front):
    path = "/echo/a%2Fb?x=1&y=%20"
    answer = httpx.put(front + path, content=b"hello", headers={"X-Mine": "yes"})
    told = answer.json()
    assert (answer.status_code, answer.headers["x-told"]) == (201, "1")
    assert (told["method"], told["body"], told["query"]) == ("PUT", "hello", "x=1&y=%20")
    assert told["headers"]["x-mine"] == "yes"
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"


def test_a_streamed_answer_arrives_before_it_ends(front):
    with httpx.stream("GET", f"{front}/slow", timeout=10) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        RELEASE.set()
        assert b"".join(parts) == b" last"


def test_who_hangs_up_ends_the_work_for_it(front):
    with httpx.stream("GET", f"{front}/slow", timeout=10) as answer:
        assert next(answer.iter_raw()) == b"first"
    assert LEFT.wait(10)


def test_an_answer_that_breaks_off_does_not_look_whole(front):
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{front}/broken", timeout=10)


def test_where_nobody_listens_the_caller_is_told_to_come_again(monkeypatch):
    monkeypatch.setattr(forwarding, "STARTING_S", 0.0)
    with Served(Front(free_port()), free_port()) as front:
        answer = httpx.get(f"{front.url}/echo/x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_request_waits_for_an_instance_that_starts():
    port = free_port()
    with Served(Front(port), free_port()) as front:
        answers = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{front.url}/echo/x", timeout=20))
        )
        asking.start()
        with Served(UPSTREAM, port):
            asking.join()
    assert answers[0].status_code == 201


def test_a_body_beyond_what_cloud_run_takes_is_refused(front, monkeypatch):
    monkeypatch.setattr(forwarding, "LARGEST_BODY", 10)
    answer = httpx.post(f"{front}/echo/x", content=b"x" * 11)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
