"""The ports of this process, each built when it is first asked for, and then kept.

A function that never asks for a port neither loads its adapter nor needs it in its bundle: what
`bundling` finds by reading is what happens here (docs/decisions/0020).
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

from shared.adapters.clock_system import SystemClock
from shared.adapters.secret_vault import SecretVault
from shared.bootstrap import copies, evidence, people, places
from shared.config import Settings
from shared.domain.models import Catalogue
from shared.ports import (
    Analytics,
    Archive,
    Blobs,
    Bus,
    Clock,
    Committed,
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
from shared.services.deps import Deps, Options

if TYPE_CHECKING:
    from shared.adapters.bus_inprocess import Consumer


class Ports(Deps):
    """What every use case is given, as the settings choose it.

    Args:
        chosen: the settings.
        vault: turns settings into secrets.
        committed: publishes what a transaction of a shared store has put into the outbox.
        consumers: the handlers of this process, where the bus delivers by itself.
        token: gives a fresh credential of the system, to have a job run by the server.
        secret: gives the server's secret as it is now.
    """

    def __init__(
        self,
        chosen: Settings,
        vault: SecretVault,
        committed: Committed,
        consumers: "Mapping[str, Consumer]",
        token: Callable[[], str],
        secret: Callable[[], str],
    ) -> None:
        self.__dict__.update(
            _chosen=chosen,
            _vault=vault,
            _committed=committed,
            _consumers=consumers,
            _token=token,
            _secret=secret,
        )
        for one in fields(Deps):
            if one.default_factory is not MISSING:
                object.__setattr__(self, one.name, one.default_factory())

    _chosen: Settings
    _vault: SecretVault
    _committed: Committed
    _consumers: "Mapping[str, Consumer]"
    _token: Callable[[], str]
    _secret: Callable[[], str]

    @cached_property
    def signing_secret(self) -> Callable[[], str]:
        """What tokens are signed with."""
        return self._secret

    @cached_property
    def _records(self) -> tuple[Store, Analytics]:
        return places.store(self._chosen, self._vault, self._committed)

    @cached_property
    def store(self) -> Store:
        """Records and transactions."""
        return self._records[0]

    @cached_property
    def analytics(self) -> Analytics:
        """Sums of the evidence."""
        return evidence.analytics(self._chosen, lambda: self._records[1])

    @cached_property
    def evidence_log(self) -> EvidenceLog:
        """The rows of the evidence."""
        return evidence.log(self._chosen, self.store)

    @cached_property
    def evidence_feed(self) -> EvidenceFeed | None:
        """Carries those rows there."""
        return evidence.feed(self._chosen)

    @cached_property
    def archive(self) -> Archive | None:
        """Everything in the store, to be copied and brought back."""
        return copies.archive(self._chosen, self.store)

    @cached_property
    def backups(self) -> Blobs | None:
        """Where backups go; None where no place is set."""
        return copies.place(self._chosen.backup.place) if self._chosen.backup.place else None

    @cached_property
    def blobs(self) -> Blobs:
        """Immutable objects."""
        return places.blobs(self._chosen)

    @cached_property
    def bus(self) -> Bus:
        """Carries events."""
        return places.bus(self._chosen, self.store, self.clock, self._consumers)

    @cached_property
    def index(self) -> KnowledgeIndex:
        """What search asks."""
        return places.index(self._chosen, self.blobs)

    @cached_property
    def embedder(self) -> Embedder | None:
        """Turns text into vectors; None where search goes by words alone."""
        return places.embedder(self._chosen)

    @cached_property
    def schedule(self) -> Schedule | None:
        """Calls the jobs."""
        return places.schedule(self._chosen, lambda: self.store, self.clock, self._token)

    @cached_property
    def clock(self) -> Clock:
        """The time."""
        return SystemClock()

    @cached_property
    def ids(self) -> Ids:
        """New ids."""
        return places.ids(self._chosen)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The models that may be chosen."""
        return people.catalogue(self._chosen)

    @cached_property
    def providers(self) -> Mapping[str, CompletionProvider]:
        """Who completes prompts."""
        return people.providers(self._chosen, self._vault)

    @cached_property
    def notifiers(self) -> tuple[Notifier, ...]:
        """Channels to people."""
        return people.notifiers(self._chosen.notify, self.clock, self._vault)

    @cached_property
    def options(self) -> Options:
        """The settings of the use cases."""
        return _options(self._chosen)

    def answers_at(self, url: str) -> None:
        """Has links in notifications lead to `url`, where the settings do not say where."""
        if "console_url" not in self._chosen.notify.model_fields_set:
            self.__dict__["options"] = replace(self.options, console_url=url)

    async def close(self) -> None:
        """Waits for writes that run and lets go of what was built, the store last."""
        built = vars(self)
        for port in (*built.get("notifiers", ()), *built.get("providers", {}).values()):
            await port.close()
        for name in ("embedder", "schedule", "index", "evidence_feed", "bus", "store"):
            if built.get(name) is not None:
                await built[name].close()


def _options(chosen: Settings) -> Options:
    on_firestore = chosen.chosen.store == "firestore"
    return Options(
        learning=chosen.learning,
        idempotency_hours=chosen.idempotency_hours,
        numbering_pace_s=chosen.gcp.document_pace_s if on_firestore else 0.0,
        snapshot_poll_s=chosen.serving.snapshot_poll_s,
        completion_timeout_s=chosen.serving.completion_timeout_s,
        completion_deadline_s=chosen.serving.completion_deadline_s,
        completion_attempts=chosen.serving.completion_attempts,
        expected_output_tokens=chosen.serving.expected_output_tokens,
        embedding_timeout_s=chosen.vertex.query_timeout_s,
        console_url=chosen.notify.console_url,
        revision=chosen.revision,
    )
