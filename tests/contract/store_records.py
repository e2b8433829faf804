"""Records and steps for the contract of stores."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.audit import AuditEntry
from shared.domain.entries import (
    ContentKey,
    Entry,
)
from shared.domain.feedback import (
    CONVERSATIONS,
    ConversationCount,
    OutcomeEvidence,
    PromptEvidence,
    RatingEvidence,
)
from shared.domain.records import Collection, Filter
from shared.domain.times import to_text
from shared.messages.events import Event
from shared.ports import Analytics, Store

HERE, THERE = "default", "other"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(number: int, **changes: Any) -> Entry:
    """Returns an entry; later numbers were submitted later, three in the same second."""
    at = to_text(NOW.replace(minute=number // 3))
    plain = {
        "id": f"ent_{number:04d}",
        "state": "pending_approval",
        "topic": f"topic {number % 2}",
        "content": f"content {number}",
        "content_hash": f"hash {number}",
        "confidence_score": number % 5 / 4,
        "risk": 0.5,
        "tags": [f"tag{number % 3}", "all"],
        "submitter": "model",
        "submitted_by": "key:a",
        "submitted_at": at,
        "created_at": at,
        "updated_at": at,
    }
    return Entry(**{**plain, **changes})


def key(name: str, value: str = "ent_1") -> ContentKey:
    """Returns a small record."""
    return ContentKey(id=name, entry_id=value)


def audit_entry(subject: str = "ent_1", *, action: str = "entry.submitted", actor: str = "ada"):
    """Returns something to be recorded."""
    return AuditEntry(actor, action, subject, to_text(NOW), {"z": 1, "a": [1.5, None, "é\x00"]})


def event(name: str, workspace: str = HERE) -> Event:
    """Returns an event."""
    return Event(
        event_id=name,
        type="entry.submitted",
        workspace=workspace,
        occurred_at=to_text(NOW),
        subject="ent_1",
        data={"n": 1},
    )


RATING = RatingEvidence(
    at=to_text(NOW),
    day=20_000,
    feedback_id="fb_1",
    request_id="req_1",
    rater="ada",
    pattern="code",
    provider="local",
    model="small",
    snapshot_id="",
    sign=1,
    quality=4,
    correct=1,
    cost_nanousd=5,
    costed=1,
    latency_ms=7,
    timed=1,
    propensity=0.5,
    cell="3",
    weight=512,
    input_tokens=60,
    output_tokens=250,
    tokened=1,
)
OUTCOME = OutcomeEvidence(
    at=to_text(NOW),
    day=20_000,
    second=20_000 * 86_400 + 7,
    recommendation_id="rec_1",
    workflow_id="wf",
    agent_id="agent",
    recommendation_type="price",
    completed=1,
    points=2,
    quality=900,
    timely=1,
    agreed=0,
    confident=1,
    confidence_millis=800,
    evaluator="ann",
    ease_millis=-125,
)


async def write(store: Store, *steps: Callable[[Any], object], workspace: str = HERE) -> None:
    """Runs steps that only write as one transaction."""

    async def work(tx: Any) -> None:
        for step in steps:
            step(tx)

    await store.transact(workspace, work)


def puts(collection: Any, *records: Any) -> Callable[[Any], object]:
    """Returns the step that puts records."""
    return lambda tx: [tx.put(collection, one) for one in records]


def creates(collection: Any, *records: Any) -> Callable[[Any], object]:
    """Returns the step that creates records."""
    return lambda tx: [tx.create(collection, one) for one in records]


PROMPT = PromptEvidence(to_text(NOW), "req_1", "code", "17 8191", "0a1b2c3d")


def everything(tx: Any) -> None:
    """Writes one of everything that a transaction can write besides records."""
    tx.add("review", {"approved": 1})
    tx.append(RATING, OUTCOME, PROMPT)
    tx.audit(audit_entry())
    tx.emit(event("evt_lost"))


async def traces(store: Store, analytics: Analytics, workspace: str = HERE) -> tuple[Any, ...]:
    """Returns what `everything` would have left behind."""
    return (
        await store.counters(workspace, ""),
        await analytics.head(workspace),
        await store.audit_chain(workspace, 0, 10),
        await store.outbox(10),
    )


NOTHING = ({}, (0, 0), [], [])


async def all_pages(store: Store, collection: Any, *filters: Filter, **asked: Any) -> list[str]:
    """Returns the ids of every record, page by page."""
    ids: list[str] = []
    cursor = None
    while True:
        page = await store.find(HERE, collection, *filters, cursor=cursor, **asked)
        ids += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids


async def raise_count(store: Store) -> int:
    """Adds one to a record by reading and writing it, and returns the new value."""

    async def work(tx: Any) -> int:
        known = await tx.get(CONVERSATIONS, "conversations")
        count = (known.completed if known else 0) + 1
        tx.put(CONVERSATIONS, ConversationCount(id="conversations", completed=count))
        return count

    return await store.transact(HERE, work)


async def read_count(tx: Any) -> int:
    """Reads it inside a transaction."""
    known = await tx.get(CONVERSATIONS, "conversations")
    return known.completed if known else 0


class Suite:
    """Runs scenarios; `open_pair` opens a store and its analytics over a folder."""

    open_pair: Callable[..., tuple[Store, Analytics]]

    @pytest.fixture
    def play(self, tmp_path):
        """Runs a scenario over an empty store and its analytics, which are closed behind it."""

        def run(scenario: Callable[[Store, Analytics], Awaitable[Any]]) -> Any:
            async def whole() -> Any:
                store, analytics = self.open_pair(tmp_path)
                try:
                    return await scenario(store, analytics)
                finally:
                    await store.close()

            return asyncio.run(whole())

        return run


def may_be_none(collection: Collection[Any], name: str) -> bool:
    """Tells whether a field of a collection's records may be None."""
    computed = collection.record.model_computed_fields.get(name)
    field = collection.record.model_fields.get(name)
    annotation = computed.return_type if computed else field and field.annotation
    return type(None) in getattr(annotation, "__args__", ())
