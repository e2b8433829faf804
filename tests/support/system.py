"""A whole Whetstone in a test: the real embedded adapters over a folder, with a clock that stands.

    def test_something(tmp_path):
        async def scenario(system):
            http = await system.client(app, scopes=("review",))
            assert (await http.get("/v1/approvals")).status_code == 200
        play(tmp_path, scenario)

Inside `async with System(...)` (what `play` does) `bootstrap.deps()` and the functions' gates are
this system's.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar
from unittest.mock import patch

import httpx

from shared import bootstrap
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.archive_sqlite import SqliteArchive
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.bus_inprocess import InProcessBus, Retries
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.adapters.schedule_store import StoreSchedule
from shared.adapters.store_sqlite import SqliteStore
from shared.config import LimitSettings, Settings
from shared.domain.access import API_KEYS, SETTINGS, ApiKey, Caller, WorkspaceSettings
from shared.domain.models import Catalogue, ModelKey, Price
from shared.domain.records import SYSTEM_WORKSPACE
from shared.messages.events import Event
from shared.ports import CompletionProvider, Notifier
from shared.services.deps import Deps, Options
from shared.web.app import Api
from shared.web.guard import KEY_PREFIX, mint
from tests.fakes.clock import ManualClock
from tests.fakes.ids import SeededIds

T = TypeVar("T")
Consumer = Callable[[Event], Awaitable[None]]

WORKSPACE = "default"
JWT_SECRET = "a secret of the tests, long enough for HS256"

CATALOGUE = Catalogue(
    {
        ModelKey("local", "small"): Price(0.1, 0.4),
        ModelKey("local", "medium"): Price(1.0, 4.0),
        ModelKey("other", "large"): Price(5.0, 20.0),
    }
)


def caller(
    subject: str = "ada",
    *,
    role: str | None = None,
    scopes: tuple[str, ...] = (),
    system: bool = False,
    workspace: str = WORKSPACE,
) -> Caller:
    """Returns a verified caller: a person with a role, or a machine with scopes, or ourselves."""
    return Caller(workspace, subject, frozenset(scopes), role, system)  # type: ignore[arg-type]


class System:
    """Everything that runs, in one test.

    Args:
        root: an empty folder, or that of an earlier System, which goes on from its data.
        clock: a standing clock where left out.
        seed: of the ids; a second System over the same folder needs another one.
        options: of the use cases.
        catalogue: the models.
        providers: by name.
        notifiers: channels to people.
        retries: of the bus.
        limits: of requests; wide where left out.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: ManualClock | None = None,
        seed: int = 0,
        options: Options | None = None,
        catalogue: Catalogue = CATALOGUE,
        providers: Mapping[str, CompletionProvider] | None = None,
        notifiers: tuple[Notifier, ...] = (),
        retries: Retries | None = None,
        limits: LimitSettings | None = None,
    ) -> None:
        self.root = root
        self.clock = clock or ManualClock()
        self.consumers: dict[str, Consumer] = {}
        self.published: list[Event] = []
        self.store = SqliteStore(root / "whetstone.db")
        self.bus = InProcessBus(self.store, self.clock, _Registered(self), retries or Retries())
        self.index = SqliteKnowledgeIndex(root / "index")
        self.deps = Deps(
            store=self.store,
            analytics=SqliteAnalytics(self.store.path),
            evidence_log=SqliteEvidence(self.store.path),
            blobs=FolderBlobs(root / "blobs"),
            bus=self.bus,
            index=self.index,
            clock=self.clock,
            ids=SeededIds(seed),
            catalogue=catalogue,
            providers=dict(providers or {}),
            notifiers=notifiers,
            options=options or Options(),
            archive=SqliteArchive(self.store.path),
            signing_secret=lambda: JWT_SECRET,
            schedule=StoreSchedule(
                self.store,
                self.clock,
                "http://whetstone.test",
                lambda: self.token("schedule", "system"),
            ),
        )
        self._limits = limits or LimitSettings(burst=10**9)
        self._patches = ExitStack()
        self._clients: list[httpx.AsyncClient] = []
        self._keys = 0

    async def __aenter__(self) -> Self:
        settings = Settings(data_dir=self.root, limits=self._limits, schedule_enabled=False)
        for name, value in (
            ("deps", self.deps),
            ("settings", settings),
            ("jwt_secret", JWT_SECRET),
        ):
            self._patches.enter_context(patch.object(bootstrap, name, lambda value=value: value))
        bootstrap.gate.cache_clear()
        bootstrap.desk.cache_clear()
        bootstrap.asks.cache_clear()
        self._patches.callback(bootstrap.gate.cache_clear)
        self._patches.callback(bootstrap.desk.cache_clear)
        self._patches.callback(bootstrap.asks.cache_clear)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._patches.close()
        for client in self._clients:
            await client.aclose()
        await self.index.close()
        await self.store.close()

    # --- events -----------------------------------------------------------------------------------

    def attach(self, *apps: Api) -> None:
        """Lets the consumers of these functions have their events."""
        for app in apps:
            assert app.consume is not None, f"{app.function} consumes nothing"
            self.consumers[app.function] = app.consume

    async def drain(self) -> list[Event]:
        """Publishes the outbox until it is empty, and returns what was published, in order.

        Consumers that were not registered take their events and do nothing.
        """
        events: list[Event] = []
        while items := await self.store.outbox(100):
            batch = [item.event for item in items]
            await self.bus.publish(batch)
            await self.store.outbox_done(items)
            events += batch
        self.published += events
        return events

    # --- people and machines ----------------------------------------------------------------------

    def token(
        self, subject: str = "ada", role: str = "reviewer", *, workspace: str = WORKSPACE
    ) -> str:
        """Returns a person's token (or with the role `system` our own), good for a day."""
        expires_at = self.clock.now().timestamp() + 86_400
        return mint(JWT_SECRET, subject, workspace, role, expires_at)

    async def key(
        self,
        *scopes: str,
        key_id: str | None = None,
        workspace: str = WORKSPACE,
        rate_per_minute: int | None = None,
        **more: Any,
    ) -> str:
        """Stores a new API key with these scopes and returns its secret."""
        self._keys += 1
        secret = f"{KEY_PREFIX}{self._keys:03d}-{workspace}-{'-'.join(scopes)}"
        record = ApiKey(
            id=hashlib.sha256(secret.encode()).hexdigest(),
            key_id=key_id or f"key_{self._keys:03d}",
            tenant=workspace,
            name=secret,
            scopes=list(scopes),
            created_at=self.clock.now_text(),
            rate_per_minute=rate_per_minute,
            **more,
        )

        async def write(tx: Any) -> None:
            tx.create(API_KEYS, record)

        await self.store.transact(SYSTEM_WORKSPACE, write)
        return secret

    async def client(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        scopes: tuple[str, ...] = (),
        role: str | None = None,
        subject: str = "ada",
        workspace: str = WORKSPACE,
    ) -> httpx.AsyncClient:
        """Returns HTTP to an app in this process.

        As a machine with `scopes`, or a person with `role`; with neither it sends no credential.
        `role="system"` is the scheduler and the bus.
        """
        headers = {}
        if scopes:
            headers["X-API-Key"] = await self.key(*scopes, workspace=workspace)
        elif role is not None:
            headers["Authorization"] = f"Bearer {self.token(subject, role, workspace=workspace)}"
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://whetstone.test", headers=headers
        )
        self._clients.append(client)
        return client

    # --- settings ---------------------------------------------------------------------------------

    async def change_settings(self, *, workspace: str = WORKSPACE, **changes: Any) -> None:
        """Changes settings of a workspace, seen at once."""
        current = await self.store.get(workspace, SETTINGS, "settings")
        known = current.model_dump() if current else {"id": "settings"}
        changed = WorkspaceSettings.model_validate({**known, **changes})

        async def write(tx: Any) -> None:
            tx.put(SETTINGS, changed)

        await self.store.transact(workspace, write)
        self.deps.settings_seen.clear()


class _Registered(Mapping[str, Consumer]):
    """The consumers of a system as the bus sees them; one that was not registered does nothing."""

    def __init__(self, system: System) -> None:
        self._system = system

    def __getitem__(self, name: str) -> Consumer:
        return self._system.consumers.get(name, _ignore)

    def __iter__(self) -> Any:
        return iter(self._system.consumers)

    def __len__(self) -> int:
        return len(self._system.consumers)


async def _ignore(event: Event) -> None:
    """Takes an event that this test is not about."""


def play(root: Path, scenario: Callable[[System], Awaitable[T]], **options: Any) -> T:
    """Runs a scenario against a new System over `root` and returns its result."""

    async def run() -> T:
        async with System(root, **options) as system:
            return await scenario(system)

    return asyncio.run(run())
