"""Records, transactions, counters, the audit log and the outbox."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from shared.domain.audit import AuditEntry, AuditRecord
from shared.domain.feedback import Evidence
from shared.domain.records import Collection, Filter, Order, R
from shared.messages.base import Page
from shared.messages.events import Event

T = TypeVar("T")

MOST_LOOKED_THROUGH = 3_000
"""Records that one page may cost where a filter that no index serves leaves most of them out."""


class Transaction(Protocol):
    """One atomic change within one workspace.

    The rules are Firestore's, and every adapter enforces them: all reads come before the first
    write; the function may be run again from its start, so it must have no other effect; at most
    500 writes.
    """

    async def get(self, collection: Collection[R], id: str) -> R | None:
        """Returns the record, None where there is none."""

    async def get_many(self, collection: Collection[R], ids: Sequence[str]) -> list[R | None]:
        """Returns the records in the order of `ids`, None where there is none."""

    async def find(
        self,
        collection: Collection[R],
        *filters: Filter,
        order: Order | None = None,
        limit: int = 50,
    ) -> list[R]:
        """Returns up to `limit` records that fit a declared query of the collection."""

    def create(self, collection: Collection[R], record: R) -> None:
        """Writes a new record; the transaction fails with AlreadyExists where the id is taken."""

    def put(self, collection: Collection[R], record: R) -> None:
        """Writes a record, new or in place of the one with its id."""

    def delete(self, collection: Collection[R], id: str) -> None:
        """Removes a record; nothing happens where there is none."""

    def add(self, counter: str, amounts: Mapping[str, int]) -> None:
        """Adds to the fields of a counter; no read, so that many may add at once."""

    def append(self, *rows: Evidence) -> None:
        """Appends rows to the evidence log."""

    def audit(self, entry: AuditEntry) -> None:
        """Records who did this."""

    def emit(self, event: Event) -> None:
        """Puts an event into the outbox; it is published once the transaction has committed."""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """An event that waits to be published; `position` orders the outbox."""

    position: int | str
    event: Event


Committed = Callable[[Sequence[OutboxItem]], Awaitable[None]]
"""Is given the events of a transaction right after its commit and before `transact` returns.

Where nothing runs between requests (Cloud Functions) this is what publishes them; it must not fail
the transaction, which stands: what it could not publish stays in the outbox for the sweeper.
"""


class Store(Protocol):
    """Records, counters, the audit log and the outbox, each within a workspace.

    Returned work is durable: what a method that writes has returned survives a crash.
    """

    async def transact(self, workspace: str, run: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs `run` in a transaction, commits it and returns its result.

        Raises:
            AlreadyExists: a `create` met an existing record.
            Unavailable: the store does not answer, or contention did not end.
        """

    async def get(self, workspace: str, collection: Collection[R], id: str) -> R | None:
        """Returns the committed record, None where there is none."""

    async def get_many(
        self, workspace: str, collection: Collection[R], ids: Sequence[str]
    ) -> list[R | None]:
        """Returns the committed records in the order of `ids`."""

    async def find(
        self,
        workspace: str,
        collection: Collection[R],
        *filters: Filter,
        order: Order | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[R]:
        """Returns one page of the records that fit a declared query.

        A page is full, or the last, or names a cursor after `MOST_LOOKED_THROUGH` records of which
        a filter that no index serves has left out too many to fill it; it may then be empty.

        Raises:
            InvalidInput: `cursor` is not one that this workspace, collection and order gave out.
        """

    async def count(
        self, workspace: str, collection: Collection[R], *filters: Filter, at_most: int
    ) -> int:
        """Returns how many records fit, counting no further than `at_most`."""

    async def counters(self, workspace: str, prefix: str) -> dict[str, dict[str, int]]:
        """Returns every counter whose name starts with `prefix`, by name, in order of name."""

    async def counter(self, workspace: str, name: str) -> dict[str, int]:
        """Returns the fields of one counter, none where nothing was added to it."""

    async def audit_page(
        self,
        workspace: str,
        *,
        action: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AuditRecord]:
        """Returns audit records, newest first."""

    async def audit_chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        """Returns up to `limit` links in order of seq, from `after_seq` (exclusive)."""

    async def outbox(self, limit: int) -> list[OutboxItem]:
        """Returns the oldest unpublished events of all workspaces."""

    async def outbox_done(self, items: Sequence[OutboxItem]) -> None:
        """Takes published events out of the outbox."""

    async def number_pending(self, limit: int) -> int:
        """Gives places in their logs to what was appended without one; returns how many.

        For a sweeper, of all workspaces. Returns 0 where a commit numbers at once (SQLite,
        PostgreSQL); where that would make one hot record of a log's end (Firestore), audit records
        and evidence are numbered in batches: by this, and before anything reads a log in order.
        """

    async def purge_expired(self, now: datetime, limit: int) -> int:
        """Deletes up to `limit` expired records and returns how many."""

    async def ping(self) -> None:
        """Returns when the store answers.

        Raises:
            Unavailable: it does not.
        """

    async def close(self) -> None:
        """Waits for running work and lets go of files and connections."""
