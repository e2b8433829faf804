"""What every use case is given: the ports, and the settings that concern it as plain values."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.domain.access import WorkspaceSettings
from shared.domain.learning.config import LearningConfig
from shared.domain.models import Catalogue
from shared.domain.review_stats import Verdicts
from shared.errors import Unavailable
from shared.ports import (
    Analytics,
    Archive,
    Blobs,
    Bus,
    Clock,
    CompletionProvider,
    Embedder,
    EvidenceFeed,
    EvidenceLog,
    Ids,
    KnowledgeIndex,
    Notifier,
    Schedule,
    Store,
)

if TYPE_CHECKING:
    from shared.services.serving.current import Seen


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the use cases; see shared/config.py for what each one means."""

    learning: LearningConfig = field(default_factory=LearningConfig)
    idempotency_hours: int = 48
    numbering_pace_s: float = 0.0
    snapshot_poll_s: float = 1.0
    completion_timeout_s: float = 60.0
    completion_deadline_s: float = 120.0
    completion_attempts: int = 3
    expected_output_tokens: int = 256
    embedding_timeout_s: float = 1.0
    console_url: str = "http://127.0.0.1:8080"
    revision: str = ""


def _unsigned() -> str:
    raise Unavailable("there is no secret here to sign rating tokens with")


@dataclass(frozen=True, slots=True)
class Deps:
    """The ports of one running system, and what this process remembers of each workspace.

    `embedder` is None where search goes by words alone; `evidence_feed` is None where evidence is
    summed up in the store. `archive` reads whole workspaces, `backups` is where
    their copies go (None where no place is set). `signing_secret` gives the server's secret.

    `settings_seen` has its settings and when they were read, `snapshots_seen` what is current (see
    serving/current), `caught_up_at` when the knowledge index was last brought up to date (and
    `catching_up` the lock under which that is done first), `embedder_failed_at` when a model's
    embedder last left a search without an answer, `evidence_seen` when the evidence that waits was
    last counted, and how much was missing for a run, `records_seen` what had become of the entries
    of a submitter when that was last read; times are the monotonic clock's.
    """

    store: Store
    analytics: Analytics
    evidence_log: EvidenceLog
    blobs: Blobs
    bus: Bus
    index: KnowledgeIndex
    clock: Clock
    ids: Ids
    catalogue: Catalogue
    providers: Mapping[str, CompletionProvider]
    notifiers: tuple[Notifier, ...]
    options: Options
    embedder: Embedder | None = None
    schedule: Schedule | None = None
    evidence_feed: EvidenceFeed | None = None
    archive: Archive | None = None
    backups: Blobs | None = None
    signing_secret: Callable[[], str] = _unsigned
    settings_seen: dict[str, tuple[float, WorkspaceSettings]] = field(default_factory=dict)
    snapshots_seen: "OrderedDict[str, Seen]" = field(default_factory=OrderedDict)
    caught_up_at: dict[str, float] = field(default_factory=dict)
    catching_up: dict[str, asyncio.Lock] = field(default_factory=dict)
    embedder_failed_at: dict[str, float] = field(default_factory=dict)
    evidence_seen: dict[str, tuple[float, int]] = field(default_factory=dict)
    records_seen: dict[tuple[str, str], tuple[float, list[Verdicts]]] = field(default_factory=dict)

    async def close(self) -> None:
        """Waits for writes that run and lets go of every file and connection."""
        for notifier in self.notifiers:
            await notifier.close()
        for provider in self.providers.values():
            await provider.close()
        if self.embedder is not None:
            await self.embedder.close()
        await self.index.close()
        if self.evidence_feed is not None:
            await self.evidence_feed.close()
        await self.bus.close()
        if self.schedule is not None:
            await self.schedule.close()
        await self.store.close()
