"""Plays the API in process and records what it answers: the examples of its description.

Everything is real but the time and the random numbers, so that each recording tells the same.

    recording = record(folder)
    recording["operations"]["GET /v1/agents"]["answers"]["application/json"]
    recording["problems"]["404"]
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from shared.adapters.provider_openai import OpenAIProvider
from shared.cli.serve import apps
from shared.domain.learning.config import LearningConfig, ModelId
from shared.services import access
from shared.services.deps import Options
from shared.web.aliases import path_pattern
from shared.web.gateway import Gateway
from tests.fakes.openai_server import OpenAIServer
from tests.support.api_rows import ROWS, Row, const
from tests.support.server import KEY
from tests.support.system import System
from tests.support.world import World

Json = dict[str, Any]

_CASES = (
    "An invoice can be issued again in the currency of the contract until its month is closed",
    "A refund above 500 euros needs a second signature before it is paid out",
    "A customer who pays late twice in a year is asked for a deposit",
    "A discount of 10 % is given for a contract of two years",
)

LONGEST_LIST = 2
"""Items of a list that an example shows, at most."""

MEASURED = {"latency_ms": 1.25, "p50_ms": 1.25, "p95_ms": 3.5, "p99_ms": 6.75}
"""What stands for times, since no two recordings measure the same."""

_METRICS = re.compile(r"# (HELP|TYPE) whetstone_requests |whetstone_requests_total|# EOF")


class _InLoop(httpx.BaseTransport):
    """Asks every function of this process, from a thread beside its event loop."""

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self._functions = httpx.ASGITransport(Gateway(apps()))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._ask, request)

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        answer = await self._functions.handle_async_request(request)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


class RecordedWorld(World):
    """A world in this process, whose clock goes on a little at each step.

    Args:
        http: to its gateway.
        system: behind it.
        portal: to the event loop in which it lives.
    """

    def __init__(self, http: httpx.Client, system: System, portal: BlockingPortal) -> None:
        self.http = http
        self.system = system
        self._portal = portal
        self._numbers = iter(range(1, 100_000))

    def entry(self) -> Json:
        """Returns the body of an entry that reads like one."""
        number = next(self._numbers)
        content = f"{_CASES[number % len(_CASES)]}; seen in case {number}."
        return {**super().entry(), "content": content}

    def approved(self) -> str:
        """Submits and approves an entry, and lets it be published."""
        entry_id = super().approved()
        self.settle()
        return entry_id

    def job(self, name: str) -> Json:
        """Does what the schedule does, a minute later."""
        self.settle()
        answer = self.http.post(f"/jobs/{name}", headers=self.ourselves())
        assert answer.is_success, answer.text
        return dict(answer.json())

    def ourselves(self) -> dict[str, str]:
        """Returns the credential of the schedule and the bus."""
        return {"Authorization": f"Bearer {self.system.token('schedule', 'system')}"}

    def settle(self) -> None:
        """Lets a minute pass and every event arrive."""
        self.system.clock.advance(60)
        self._portal.call(self.system.drain)

    def lived_in(self) -> None:
        """Lets enough happen that there is something to read everywhere."""
        for _ in range(4):
            self.approved()
        for _ in range(40):
            self.post("/v1/feedback", self.rating())
            self.post("/v1/outcomes", self.outcome())
        self.settle()
        self.run()
        self.settle()
        self.alert()
        self.settle()


def delivery(function: str, event_type: str) -> Row:
    """Returns the row that delivers the newest event of a type to a function once more."""

    def newest(world: World) -> Json:
        assert isinstance(world, RecordedWorld)
        found = [one for one in world.system.published if one.type == event_type]
        return found[-1].model_dump(mode="json")

    return Row("POST", f"/events/{function}", 200, "event_id", newest)


MORE_ROWS = (
    Row("GET", "/v1/agents?format=csv", 200, ""),
    Row("GET", "/v1/agents/{}?format=csv", 200, "", makes=World.agent),
    Row("GET", "/v1/patterns?format=csv", 200, ""),
    Row("GET", "/v1/insights?format=csv", 200, ""),
    Row("POST", "/v1/complete", 200, "", const(prompt="Name the capital of France.", stream=True)),
    Row("POST", "/jobs/sweep", 200, ""),
    Row("POST", "/jobs/backup", 200, ""),
    Row("POST", "/jobs/check", 200, ""),
    Row("POST", "/jobs/retrain", 200, ""),
    delivery("publish", "entry.approved"),
    delivery("notify", "entry.submitted"),
    delivery("monitor", "learning.completed"),
    delivery("retrain", "feedback.recorded"),
    delivery("dead-letters/notify", "entry.submitted"),
    Row("GET", "/metrics", 200, ""),
    Row("GET", "/openapi.json", 200, ""),
    Row("GET", "/docs", 200, ""),
    Row("GET", "/docs/assets/docs.js", 200, ""),
)
"""What the API's tables leave out: other media, and what only ourselves may ask for."""


@contextmanager
def recorded_world(root: Path) -> Iterator[RecordedWorld]:
    """Gives a world in this process over an empty folder."""
    learning = LearningConfig(default_model=ModelId("other", "large"), exploration_rate=0.5)
    with ExitStack() as stack:
        server = stack.enter_context(OpenAIServer(lambda _, __: "Paris is the capital."))
        system = System(root, options=Options(learning=learning))
        portal = stack.enter_context(start_blocking_portal())
        call = portal.call
        call(system.__aenter__)
        stack.callback(call, system.__aexit__)
        for name in ("local", "other"):
            provider = OpenAIProvider(name, server.base_url, "key")
            system.deps.providers[name] = provider  # type: ignore[index]
            stack.callback(call, provider.close)
        system.attach(*(app for app in apps() if app.consume is not None))
        call(access.bootstrap_access, system.deps, KEY)
        headers = {"Authorization": f"Bearer {KEY}"}
        transport = _InLoop(portal)
        http = httpx.Client(transport=transport, base_url="http://whetstone.test", headers=headers)
        yield RecordedWorld(stack.enter_context(http), system, portal)


def record(root: Path) -> Json:
    """Returns the first answer of each media type of each operation, by `METHOD /path`.

    Each is under `operations`, with the `parameters` of its request; under `problems` there is one
    problem document for each status.
    """
    operations: dict[str, Json] = {}
    with recorded_world(root) as world:
        world.lived_in()
        for row in (*ROWS, *MORE_ROWS):
            _keep(operations, _play(world, row))
        problems = {str(answer.status_code): answer.json() for answer in _refused(world)}
    found = {"operations": dict(sorted(operations.items())), "problems": problems}
    return dict(json.loads(json.dumps(found).replace(str(root), "data")))


def _play(world: RecordedWorld, row: Row) -> httpx.Response:
    made = str(row.makes(world)) if row.makes else ""
    world.settle()
    answer = world.http.request(
        row.method,
        row.path.replace("{}", made),
        json=row.body(world) if row.body else None,
        headers=world.ourselves() if row.path.startswith(("/jobs/", "/events/")) else None,
    )
    assert answer.status_code == row.status, (str(row), answer.text)
    world.settle()
    return answer


def _refused(world: RecordedWorld) -> Iterator[httpx.Response]:
    """Asks for one problem of each status, in order."""
    http, entry = world.http, world.entry()
    yield http.get("/v1/agents", headers={"Authorization": ""})
    viewer = f"Bearer {world.system.token('grace', 'viewer')}"
    yield http.post("/v1/entries", json=entry, headers={"Authorization": viewer})
    yield http.get("/v1/entries/ent_2ssn5vt3n0hsr3tyx8c1")
    entry_id = world.approved()
    body = {"reviewer": "grace", "reason": "Out of date."}
    yield http.post(f"/v1/approvals/{entry_id}/reject", json=body)
    yield http.post("/v1/entries", json={**entry, "content": "x" * 2**20})
    yield http.post("/v1/entries", content="topic=billing", headers={"Content-Type": "text/plain"})
    yield http.post("/v1/entries", json={**entry, "confidence_score": 80})
    secret = world.post("/v1/keys", {"name": "n", "scopes": ["serve"], "rate_per_minute": 1})
    once = {"Authorization": f"Bearer {secret['secret']}"}
    assert http.get("/v1/routing/policy", headers=once).is_success
    yield http.get("/v1/routing/policy", headers=once)
    assert http.put("/v1/settings", json={"read_only": True}).is_success
    yield http.post("/v1/entries", json=entry)


def _keep(operations: dict[str, Json], answer: httpx.Response) -> None:
    method, url = answer.request.method, answer.request.url
    template, named = _operation(method, url.path)
    known = operations.setdefault(f"{method} {template}", {"parameters": {}, "answers": {}})
    media = answer.headers["content-type"].partition(";")[0]
    known["answers"].setdefault(media, _shown(template, media, answer))
    for name, value in {**named, **dict(parse_qsl(url.query.decode()))}.items():
        known["parameters"].setdefault(name, value)


def _shown(template: str, media: str, answer: httpx.Response) -> object:
    if template == "/openapi.json":
        return {**answer.json(), "tags": [], "paths": {}, "components": {}}
    if media == "application/json":
        return shortened(answer.json())
    if template == "/metrics":
        lines = [one for one in answer.text.splitlines(keepends=True) if _METRICS.match(one)]
        return "".join([*lines[:3], lines[-1]])
    return answer.text


def shortened(value: object) -> object:
    """Returns an answer with its lists cut short and its measured times replaced."""
    if isinstance(value, list):
        return [shortened(one) for one in value[:LONGEST_LIST]]
    if isinstance(value, dict):
        return {name: _steady(name, shortened(one)) for name, one in value.items()}
    return value


def _steady(name: str, value: object) -> object:
    if name not in MEASURED or not isinstance(value, int | float):
        return value
    return type(value)(MEASURED[name])


def _operation(method: str, path: str) -> tuple[str, dict[str, str]]:
    templates = {one for app in apps() for verb, one in app.endpoints if verb == method}
    if path in templates:
        return path, {}
    for template in sorted(templates):
        match = path_pattern(template).fullmatch(path)
        if match:
            return template, match.groupdict()
    raise LookupError(path)
