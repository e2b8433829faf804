"""A small app with one route of each kind, to see what the web layer does around a handler."""

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
import throttled.utils
from pydantic import Field
from starlette.responses import StreamingResponse

from shared.messages.base import Answer, Command, Name, PageParams
from shared.messages.training import RunParams
from shared.web.app import Api
from shared.web.endpoint import Call
from shared.web.guard import PUBLIC, SYSTEM, Guard, needs
from shared.web.limits import RateLimits
from tests.support.system import JWT_SECRET, System


class Thing(Command):
    """A body."""

    name: Name
    size: float = Field(default=1, ge=0)
    flag: bool = False
    labels: dict[str, str] = Field(default_factory=dict)
    parts: list[Name] = Field(default_factory=list, max_length=3)


class Options(Command):
    """A body that may be left out."""

    count: int = 1


class Seen(Answer):
    """What the handler saw."""

    subject: str
    name: str = ""
    count: int = 0
    key: str | None = None


class Rates(RateLimits):
    """Limits whose library reads a clock that stands."""

    def __init__(self, burst, clock):
        super().__init__(burst)
        self._clock = clock

    def check(self, caller):
        with patch.object(throttled.utils, "now_mono_f", self._clock.monotonic_s):
            super().check(caller)


def make_app(  # noqa: C901 -- one small handler after the other
    system: System, *, body_bytes: int = 2000, burst: int = 20
) -> Api:
    """Returns the probe over a system's store and clock."""
    gate = SimpleNamespace(
        guard=Guard(system.store, system.clock, JWT_SECRET),
        limits=Rates(burst, system.clock),
        body_bytes=body_bytes,
        version="1",
        checks={},
    )
    app = Api("submit", lambda: gate)

    @app.endpoint("POST", "/things", needs=needs("submit", role="reviewer"), status=201)
    async def make(call: Call, body: Thing) -> Seen:
        key = None if call.key is None else f"{call.key.id}:{call.key.fingerprint}"
        return Seen(subject=call.caller.subject, name=body.name, key=key)

    @app.endpoint("PUT", "/things/{thing_id}", needs=needs("submit"))
    async def change(call: Call, thing_id: str, body: Thing) -> Seen:
        key = None if call.key is None else call.key.id
        return Seen(subject=call.caller.subject, name=thing_id, key=key)

    @app.endpoint("POST", "/runs", needs=needs("admin", role="admin"))
    async def run(call: Call, query: RunParams, body: Options) -> Seen:
        key = None if call.key is None else call.key.fingerprint
        return Seen(subject=call.caller.subject, count=body.count, key=key)

    @app.endpoint("GET", "/things", needs=needs("submit", "review", role="viewer"))
    async def list_things(call: Call, query: PageParams) -> Seen:
        return Seen(subject=call.caller.subject, count=query.limit)

    @app.endpoint("GET", "/machines", needs=needs("submit"))
    async def machines(call: Call) -> Seen:
        call.headers["X-Extra"] = "ü"
        return Seen(subject=call.caller.subject)

    @app.endpoint("POST", "/ours", needs=SYSTEM)
    async def ours(call: Call, raw: bytes) -> Seen:
        return Seen(subject=call.caller.subject, count=len(raw))

    @app.endpoint("GET", "/open", needs=PUBLIC)
    async def open_to_all(call: Call) -> Seen:
        return Seen(subject=call.caller.subject)

    @app.endpoint("GET", "/broken", needs=PUBLIC)
    async def broken(call: Call) -> Seen:
        raise ZeroDivisionError("a secret that nobody may read")

    @app.endpoint("GET", "/unprintable", needs=PUBLIC)
    async def unprintable(call: Call) -> Seen:
        return Seen(subject="\ud800")

    @app.endpoint("GET", "/stream", needs=PUBLIC)
    async def stream(call: Call) -> StreamingResponse:
        async def parts():
            for part in ("one", "two"):
                yield part

        call.headers["X-Extra"] = "streamed"
        return StreamingResponse(parts(), media_type="text/plain")

    return app


def client(app: Any, **headers: str) -> httpx.AsyncClient:
    """Returns HTTP to the app, with these headers."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://probe.test", headers=headers
    )


async def raw_request(app: Any, method: str, path: str, messages: list[Any], **headers: str) -> Any:
    """Sends ASGI messages as they are, and returns what came back: (status, headers, body)."""
    queue = list(messages)
    sent: list[Any] = []

    async def receive() -> Any:
        return queue.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": pairs,
    }
    await app(scope, receive, send)
    body = b"".join(one.get("body", b"") for one in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body, len(queue)


def check_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Holds a response against RFC 9457 and returns the document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = json.loads(response.content)
    assert document["status"] == status
    assert document["type"].startswith("urn:whetstone:problem:")
    assert document["title"]
    assert document["detail"]
    for one in document["errors"]:
        assert set(one) == {"pointer", "detail"}
    return document
