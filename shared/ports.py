"""The edges of the system: what the services need from the world, as protocols.

Each port has one contract suite under tests/contract, which runs unchanged against every adapter.
Adapters raise the errors of `shared.errors`, never those of their driver.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from pydantic import JsonValue

from shared.domain.audit import AuditEntry, AuditRecord
from shared.domain.feedback import OutcomeEvidence, RatingEvidence
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.records import Collection, Filter, Order, R
from shared.domain.secrets import SecretReference
from shared.messages.base import Page
from shared.messages.events import Event

T = TypeVar("T")


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

    def append(self, *rows: RatingEvidence | OutcomeEvidence) -> None:
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

        Raises:
            InvalidInput: `cursor` is not one that this workspace, collection and order gave out.
        """

    async def count(
        self, workspace: str, collection: Collection[R], *filters: Filter, at_most: int
    ) -> int:
        """Returns how many records fit, counting no further than `at_most`."""

    async def counters(self, workspace: str, prefix: str) -> dict[str, dict[str, int]]:
        """Returns every counter whose name starts with `prefix`, by name, in order of name."""

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


class Analytics(Protocol):
    """Sums over the evidence log. Positions count from 0 (nothing read) and only grow."""

    async def head(self, workspace: str) -> tuple[int, int]:
        """Returns the settled ends of the ratings and the outcomes log.

        No row will appear at or below them later.
        """

    async def rating_sums(self, workspace: str, after: int, upto: int) -> list[RatingSums]:
        """Returns the sums of the ratings in (after, upto].

        By pattern, provider, model and day, in that order.
        """

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """Returns the sums of the outcomes in (after, upto].

        By agent, type, agreed, confident and day, in that order.
        """

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """Returns the sums of the ratings in (after, upto] by the snapshot that routed them."""


EvidenceKind = Literal["ratings", "outcomes"]
"""The two logs of evidence."""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A row of a log of evidence at its place, which counts from 1."""

    workspace: str
    seq: int
    evidence: RatingEvidence | OutcomeEvidence


class EvidenceLog(Protocol):
    """The logs of evidence as rows, for those who keep a copy."""

    async def rows(
        self, workspace: str, kind: EvidenceKind, after: int, limit: int
    ) -> list[EvidenceRow]:
        """Returns up to `limit` rows with places above `after`, in order and without gaps.

        Fewer than `limit` means that there are no more now. What was appended without a place
        (see `Store.number_pending`) gets one first.

        Raises:
            Unavailable: the store does not answer.
        """


class EvidenceFeed(Protocol):
    """Carries rows of evidence to where another system sums them up, at least once."""

    async def publish(self, rows: Sequence[EvidenceRow]) -> None:
        """Returns once every row is durably on its way. Rows may arrive twice and in any order.

        Raises:
            Unavailable: some are not; all may be published again.
        """

    async def close(self) -> None:
        """Lets go of connections."""


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes and its generation, which changes with each write."""

    data: bytes
    generation: int


class Blobs(Protocol):
    """Objects by key (`a/b/c`; letters, digits, `._-:/`)."""

    async def put(self, key: str, data: bytes, *, if_generation: int | None = 0) -> int:
        """Writes an object durably and returns its new generation.

        Args:
            key: where.
            data: what; visible whole or not at all.
            if_generation: 0 writes only where nothing is, N only over generation N, None over
                anything.

        Raises:
            AlreadyExists: `if_generation` is 0 and there is an object.
            Conflict: the object has another generation.
        """

    async def get(self, key: str) -> Blob:
        """Returns an object.

        Raises:
            NotFound: there is none.
            CorruptData: it does not match the checksum that it was written with.
        """

    async def delete(self, key: str) -> None:
        """Removes an object; nothing happens where there is none."""

    async def list(self, prefix: str, *, limit: int = 500, after: str = "") -> list[str]:
        """Returns up to `limit` keys that start with `prefix` and follow `after`, in order."""

    async def ping(self) -> None:
        """Returns when the store of objects answers."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a consumer could not handle in all its tries."""

    id: str
    consumer: str
    event: Event
    attempts: int
    last_error: str
    since: str


class Bus(Protocol):
    """Carries events to every consumer that `FLOW` names, at least once."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns once each event is handled or durably kept, for each of its consumers.

        Raises:
            Unavailable: not all of them are; publish them again.
        """

    async def failed(
        self, consumer: str, event: Event, error: Exception, attempt: int | None = None
    ) -> bool:
        """Takes note that a consumer could not handle an event which reached it over HTTP.

        Args:
            consumer: the function.
            event: what it was given.
            error: what it raised.
            attempt: which try this was, from 1; None where nobody counts.

        Returns:
            True where the delivery is kept here (held back, or given up) and whoever brought the
            event is done with it; False where it shall be brought again.
        """

    async def bury(self, consumer: str, event: Event, attempts: int, error: str) -> None:
        """Keeps a dead letter: a delivery that was given up elsewhere."""

    async def retry_due(self, limit: int = 100) -> int:
        """Delivers again what is kept here and whose time has come; returns how many."""

    async def dead_letters(
        self, workspace: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Returns dead letters, oldest first; of all workspaces where `workspace` is None."""

    async def replay(self, ids: Sequence[str]) -> int:
        """Gives dead letters their tries back and returns how many there were."""

    async def close(self) -> None:
        """Lets go of connections."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """Where a text is in the space of a model (`Embedder.model`): a vector of length 1.

    An empty vector says that the model refuses the text for good.
    """

    model: str
    vector: tuple[float, ...]


class Embedder(Protocol):
    """Turns texts into vectors whose cosine says how near their meanings are.

    `model` names the space: the model and its dimensions, in letters, digits and `._-`; vectors of
    different names do not compare. `dims` is the length of a vector.
    """

    model: str
    dims: int

    async def embed(
        self, texts: Sequence[str], *, kind: Literal["document", "query"], timeout_s: float
    ) -> list[Embedding]:
        """Returns an embedding for each text, in their order; of a long text only its beginning.

        Raises:
            Unavailable: no answer in `timeout_s`, or one that cannot be read.
            InvalidInput: the model refuses one of the texts for good.
        """

    async def close(self) -> None:
        """Lets go of files and connections."""


JobSwitch = Literal["enabled", "paused", "missing"]


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job as the schedule has it.

    `next_run_at` is None where it will not run: `paused`, or `missing` from the schedule.
    `last_run_at` is None where it has not run yet; `last_error` is empty where that went well, or
    where the schedule does not know.
    """

    name: str
    cron: str
    state: JobSwitch
    next_run_at: str | None = None
    last_run_at: str | None = None
    last_error: str = ""


class Schedule(Protocol):
    """Calls the jobs of `JOBS` at their ticks, over HTTP. Names are those of `JOBS`."""

    async def jobs(self) -> list[ScheduledJob]:
        """Returns every job of `JOBS`, in that order.

        Raises:
            Unavailable: the schedule does not answer.
        """

    async def pause(self, name: str) -> None:
        """Holds a job back until it is resumed; what it misses meanwhile is not made up for.

        Raises:
            NotFound: the schedule has no such job.
            Unavailable: it does not answer.
        """

    async def resume(self, name: str) -> None:
        """Lets a job run at its next tick again. Raises as `pause`."""

    async def trigger(self, name: str) -> None:
        """Has a job run now, also one that is paused. Raises as `pause`."""

    async def close(self) -> None:
        """Lets go of connections."""


class SigningKeys(Protocol):
    """The public keys of whoever signs the tokens of Google's service accounts."""

    async def get(self, key_id: str) -> Mapping[str, JsonValue] | None:
        """Returns a key as a JWK (RFC 7517), None where the signer has none of that id.

        Raises:
            Unavailable: the signer does not answer, and what it said before is too old.
        """

    async def close(self) -> None:
        """Lets go of connections."""


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """What search knows of a published revision; `embedding` where there is one."""

    entry_id: str
    revision: int
    topic: str
    content: str
    tags: tuple[str, ...]
    embedding: Embedding | None = None


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One step of the index to `version`.

    `document` is the revision added, None where the entry is removed.
    """

    version: int
    entry_id: str
    document: IndexDocument | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One result; `score` is positive, higher is better.

    `highlights` are passages with **matches** marked.
    """

    entry_id: str
    revision: int
    score: float
    highlights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and how they were found.

    `tier` names the parts of the engine that answered: `bm25` by words, `vector` by meaning,
    `bm25+vector` by both.
    """

    hits: tuple[Hit, ...]
    version: int
    tier: str


class KnowledgeIndex(Protocol):
    """Search over the published knowledge of each workspace.

    A fold over publications, so it can be rebuilt at will.
    """

    async def apply(
        self, workspace: str, changes: Sequence[IndexChange], *, after: int | None = None
    ) -> None:
        """Applies changes in order of version.

        Those at or below the index's version have no effect.

        Args:
            workspace: whose index.
            changes: what happened after version `after`.
            after: where given, the index is at this version at least.

        Raises:
            Conflict: the index has fallen below `after` meanwhile (dropped, or loaded anew): ask
                for its version again.
        """

    async def search(
        self,
        workspace: str,
        text: str,
        *,
        limit: int,
        tags: Sequence[str] = (),
        topic: str | None = None,
        embedding: Embedding | None = None,
    ) -> SearchResult:
        """Returns the best matches; with tags, those that carry all of them.

        Any text is a legal query. With the text's `embedding`, documents that have one of the same
        model are found by meaning as well, and both rankings are fused.
        """

    async def version(self, workspace: str) -> int:
        """Returns the newest version applied, 0 for an empty index."""

    async def digest(self, workspace: str) -> str:
        """Returns a hash of the content: equal for equal documents, however the index got there.

        Embeddings do not count: they follow from the document, and may come later.
        """

    async def unembedded(self, workspace: str, model: str, limit: int) -> list[tuple[str, int]]:
        """Returns up to `limit` (entry, revision) without an embedding of `model`, newest first."""

    async def drop(self, workspace: str) -> None:
        """Empties a workspace's index, to be rebuilt, and forgets what was saved of it."""

    async def load(self, workspace: str) -> None:
        """Takes over what another instance has saved, where that is newer by enough to be worth it.

        Does nothing where the index lasts by itself.
        """

    async def save(self, workspace: str) -> None:
        """Saves the index for other instances to load, where enough has changed since the last.

        Does nothing where the index lasts by itself.

        Raises:
            Unavailable: it cannot be saved now; the next call tries again.
        """

    async def close(self) -> None:
        """Lets go of files and connections."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a provider is asked.

    `options` are sampling parameters of the OpenAI protocol (temperature, max_tokens, …).
    """

    model: str
    messages: tuple[ChatMessage, ...]
    options: Mapping[str, float | int | str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """A provider's answer.

    Token counts are the provider's, or estimates (`estimated`) where it gave none.
    """

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """A piece of a streamed answer.

    The last one carries `completion`, with the whole text and the usage.
    """

    text: str
    completion: Completion | None = None


class CompletionProvider(Protocol):
    """A model provider that speaks the OpenAI chat protocol."""

    async def complete(self, request: CompletionRequest, *, timeout_s: float) -> Completion:
        """Returns the answer.

        Raises:
            Unavailable: no connection, a time-out, 429 or 5xx, or an answer that cannot be read:
                try the next model.
            InvalidInput: the provider refuses the request itself (400, 404, 422).
        """

    def stream(
        self, request: CompletionRequest, *, timeout_s: float
    ) -> AsyncIterator[CompletionChunk]:
        """Yields the answer in pieces. Errors as `complete`, also in the middle."""

    async def close(self) -> None:
        """Lets go of files and connections."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A message for people: one line, then a few facts, then where to act."""

    workspace: str
    event_id: str
    kind: str
    title: str
    facts: Mapping[str, str]
    link: str
    severity: Literal["critical", "warning", "info"] = "info"


class Notifier(Protocol):
    """A channel to people."""

    name: str

    async def notify(self, notification: Notification) -> None:
        """Sends a notification.

        Raises:
            Unavailable: it may succeed later.
            InvalidInput: the receiver refuses it for good.
        """

    async def close(self) -> None:
        """Lets go of files and connections."""


class Secrets(Protocol):
    """Where secrets are kept that settings name by reference."""

    def read(self, reference: SecretReference) -> str:
        """Returns a secret as it is now.

        Blocks: settings need it before anything runs, later it is read in a thread.

        Raises:
            InvalidInput: the reference cannot be one.
            NotFound: there is no such secret or version.
            Unavailable: no answer, no permission, or the version is disabled.
            CorruptData: what came does not match its checksum.
        """


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Returns the current time, aware, UTC."""

    def now_text(self) -> str:
        """Returns the current time as a `Timestamp`."""

    def monotonic_s(self) -> float:
        """Returns seconds of a clock that never goes back; only differences mean something."""


class Ids(Protocol):
    """Randomness."""

    def new(self, prefix: str) -> str:
        """Returns `<prefix>_` and 20 random characters (100 bits)."""

    def secret(self) -> str:
        """Returns a URL-safe secret of 256 bits."""

    def uniform(self) -> float:
        """Returns a random number in [0, 1)."""
