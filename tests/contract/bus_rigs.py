"""Each bus with consumers that a test may break, over a folder that outlives it."""

import asyncio
import dataclasses
import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import uvicorn

from functions.monitor.main import app as monitor
from localcloud.process import free_port
from shared import bootstrap
from shared.adapters.bus_inprocess import InProcessBus, Retries
from shared.adapters.bus_pubsub import PubSubBus
from shared.adapters.pubsub_clients import subscriber_client
from shared.adapters.pubsub_setup import ensure_topology
from shared.adapters.pubsub_topology import Subscription, consumers, topology
from shared.messages.events import Event
from shared.web.app import Api
from tests.support.pubsub_fixture import new_project
from tests.support.system import System

RETRIES = Retries(attempts=5, first_backoff_s=1.0, longest_backoff_s=60.0)

DEADLINE_S = 45.0
"""Until something has happened; the emulator tries again each second, a dead letter takes 5."""


class Rig:
    """The embedded bus."""

    def __init__(self, root: Path) -> None:
        self.system = System(root, retries=RETRIES)
        self.clock = self.system.clock
        self.store = self.system.store
        self.handled: dict[str, list[str]] = defaultdict(list)
        self.failures: dict[str, list[Exception]] = defaultdict(list)
        self.broken: dict[str, Exception] = {}
        self.bus: Any = self.make_bus()
        self.system.deps = dataclasses.replace(self.system.deps, bus=self.bus)

    def make_bus(self) -> Any:
        handlers = {name: self.consumer(name) for name in consumers()}
        return InProcessBus(self.store, self.clock, handlers, RETRIES)

    def consumer(self, name: str) -> Callable[[Event], Awaitable[None]]:
        async def handle(event: Event) -> None:
            if name in self.broken:
                raise self.broken[name]
            if self.failures[name]:
                raise self.failures[name].pop(0)
            self.handled[name].append(event.event_id)

        return handle

    async def start(self) -> None:
        await self.system.__aenter__()

    async def stop(self) -> None:
        await self.bus.close()
        await self.system.__aexit__(None, None, None)

    async def pass_time(self, seconds: float) -> None:
        """Lets time pass, and the sweeper look at what is due."""
        self.clock.advance(seconds)
        await self.bus.retry_due()

    async def until(self, found: Callable[[], Any]) -> Any:
        """Returns what `found` returns once it is true."""
        for _ in range(20):
            if result := await _of(found()):
                return result
            await self.pass_time(100)
        raise AssertionError("it did not happen")


class PubSubRig(Rig):
    """Pub/Sub, pushed to the functions' own routes.

    As the emulator sends no token with its pushes, the front adds one, as `make run-cloud` does.
    """

    places: ClassVar[dict[Path, tuple[str, int]]] = {}

    def __init__(self, root: Path) -> None:
        self.project, self.port = self.places.setdefault(root, (new_project(), free_port()))
        super().__init__(root)
        self.requests: list[tuple[str, bytes]] = []
        self.apps = {name: self._app(name) for name in consumers()}

    def make_bus(self) -> PubSubBus:
        return PubSubBus(self.project, self.store, self.clock, attempts=RETRIES.attempts)

    def _app(self, name: Any) -> Api:
        app = Api(name, bootstrap.gate)
        app.consumer(self.consumer(name))
        return app

    async def start(self) -> None:
        await super().start()
        self._token = self.system.token("pubsub", "system").encode()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._front,
                port=self.port,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
            )
        )
        self._serving = asyncio.create_task(self._server.serve())
        await ensure_topology(self.project, self.topology(), dict.fromkeys(consumers(), self.url))
        await self.until(lambda: self._server.started)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def topology(self) -> Any:
        return topology(attempts=RETRIES.attempts, first_backoff_s=None)

    async def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        await self._serving
        await super().stop()

    async def until(self, found: Callable[[], Any]) -> Any:
        async with asyncio.timeout(DEADLINE_S):
            while not (result := await _of(found())):  # noqa: ASYNC110 -- another process does it
                await asyncio.sleep(0.02)
        return result

    async def _front(self, scope: Any, receive: Any, send: Any) -> None:
        scope["headers"].append((b"authorization", b"Bearer " + self._token))
        path = scope["path"]
        app = self.apps.get(path.removeprefix("/events/"), monitor)
        await app(scope, receive, send)

    def subscription(self, name: str) -> Subscription:
        return next(one for one in self.topology().subscriptions if one.name == name)


async def _of(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def approved(number: int = 1, workspace: str = "default", **changes: Any) -> Event:
    fields = {
        "event_id": f"evt_{number}",
        "type": "entry.approved",
        "workspace": workspace,
        "occurred_at": "2026-01-01T00:00:00.000000Z",
        "subject": f"ent_{number}",
        "data": {"revision": 1},
    }
    return Event.model_validate({**fields, **changes})


def play(
    root: Path, make: Callable[[Path], Rig], scenario: Callable[[Any], Awaitable[Any]]
) -> None:
    async def run() -> None:
        rig = make(root)
        await rig.start()
        try:
            await scenario(rig)
        finally:
            await rig.stop()

    asyncio.run(run())


async def pulled(rig: PubSubRig, subscription: str, wanted: int) -> list[Any]:
    """Returns messages of a subscription that waits to be pulled, in the order they came."""
    client = subscriber_client()
    path = f"projects/{rig.project}/subscriptions/{subscription}"
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < wanted:
            got = await client.pull(subscription=path, max_messages=100)
            found += [one.message for one in got.received_messages]
            ids = [one.ack_id for one in got.received_messages]
            if ids:
                await client.acknowledge(subscription=path, ack_ids=ids)
    await client.transport.close()
    return found
