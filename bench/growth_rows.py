"""A workspace of any size as rows: what submitting, approving, publishing and rating leave behind.

One entry is made through the domain's own records, its rows by the store's own statements; the
others are copies of it in which marks are replaced, each with its own id, words, hashes, sketch and
times. Records of the audit chain and of the evidence are made one by one, and linked. Nothing here
reads or writes anything.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain import reviewing
from shared.domain.audit import AuditEntry
from shared.domain.entries import (
    CONTENT_KEYS,
    DECISIONS,
    ENTRIES,
    NEAR_BANDS,
    REVISIONS,
    URGENT_S,
    ContentKey,
    Decision,
    Entry,
    NearBand,
)
from shared.domain.feedback import (
    FEEDBACK,
    ROUTING_DECISIONS,
    Feedback,
    Rating,
    RatingEvidence,
    RoutingDecision,
)
from shared.domain.knowledge import sketch
from shared.domain.knowledge.publication import (
    PUBLICATIONS,
    SHOWN,
    Publication,
    ShownRevision,
    blob_key,
)
from shared.domain.records import Collection, Record
from shared.domain.times import day_number, plus, to_text
from shared.services.submitting import content_hash

WORKSPACE = "growth"
PENDING_EACH = 10
"""Every tenth entry waits, and a rating came with it; the others are approved and published."""

DAYS, SUBMITTERS, TOPICS, RATERS, MODELS, PATTERNS = 89, 20, 100, 100, 11, 4
"""The same in a workspace of any size, so that what grows with these does not count."""

SELDOM = "seldom"
SELDOM_NUMBERS = (80, 170, 260)
"""Entries of a topic that hardly any has; they come late in the queue."""

DECIDED_S = 60.0
CONFIDENCE = 0.8

_RISK = 0.2
_STEP_S = 7
_ID, _HASH, _CONTENT, _TOPIC, _SUBMITTER = "ent_@id", "@hash", "@content", "@topic", "@submitter"
_REQUEST, _FEEDBACK, _USER, _MODEL, _PATTERN = "req_@id", "fb_@id", "@user", "@model", "@pattern"
_BANDS = ("@band0", "@band1")
_AT, _DECIDED_AT = "2001-02-03T04:05:06.000000Z", "2001-02-03T04:06:06.000000Z"
_NUMBER = 777_000_777
_DUE_S = URGENT_S / (CONFIDENCE * _RISK)
_MASK = (1 << 64) - 1
_SPREAD = 0x9E3779B97F4A7C15
"""An odd number near 2**64 divided by the golden ratio: its multiples are spread and all differ."""

Kept = tuple[Collection[Any], Record]
Row = tuple[Any, ...]
RowOf = Callable[[Collection[Any], Record], Row]


def spread(number: int) -> str:
    """Returns 16 hexadecimal digits, different for each number below 2**64, in no order."""
    return f"{number * _SPREAD & _MASK:016x}"


def is_pending(number: int) -> bool:
    """Tells whether an entry waits for its decision."""
    return number % PENDING_EACH == 0


def published(number: int) -> int:
    """Returns how many of the entries up to this one are published."""
    return number - number // PENDING_EACH


def topic(number: int) -> str:
    """Returns an entry's topic."""
    return SELDOM if number in SELDOM_NUMBERS else f"topic{number // PENDING_EACH % TOPICS}"


def submitter(number: int) -> str:
    """Returns who submitted an entry."""
    return f"agent{number // PENDING_EACH % SUBMITTERS}"


def rare_word(number: int) -> str:
    """Returns the word that only this entry has."""
    return f"rare{number}"


def term(number: int) -> str:
    """Returns a word of an entry that one of some 800 entries has."""
    return _terms(number)[0]


def content(number: int) -> str:
    """Returns an entry's words: one that all have, one of its own, five that some have, others."""
    return f"Invoice {rare_word(number)} {' '.join(_terms(number))}."


def _terms(number: int) -> list[str]:
    drawn = hashlib.blake2b(str(number).encode(), digest_size=20).hexdigest()
    pieces = [drawn[at : at + 8] for at in range(0, 40, 8)]
    return [term for one in pieces for term in (f"term{one[:3]}", f"name{one[3:]}")]


@dataclass(frozen=True, slots=True)
class World:
    """Ids and times of the entries, by their numbers from 1.

    Args:
        sorted_ids: ids begin with the time, as the embedded store makes them; else they spread.
        first_day: midnight of the first day.
    """

    sorted_ids: bool
    first_day: datetime

    def id_of(self, number: int) -> str:
        """Returns what follows the prefix in the ids that belong to an entry."""
        return f"{number:020d}" if self.sorted_ids else spread(number) + spread(~number)[:4]

    def entry_id(self, number: int) -> str:
        """Returns the id of an entry."""
        return f"ent_{self.id_of(number)}"

    def day(self, number: int) -> int:
        """Returns the day that an entry came, from 0."""
        return number % DAYS

    def at(self, number: int) -> datetime:
        """Returns when an entry came; the days fill up together."""
        seconds = number // DAYS * _STEP_S
        return self.first_day + timedelta(days=self.day(number), seconds=seconds)

    def marks(self, number: int, version: int) -> dict[str, str]:
        """Returns what takes the place of each mark in the rows of one entry.

        Args:
            number: of the entry.
            version: of its publication; 0 where it waits.
        """
        at, text, id = self.at(number), content(number), self.id_of(number)
        bands = sketch.bands(text)
        rating = number // PENDING_EACH
        return {
            f":{_NUMBER}": f":{version}",  # as JSON writes a number
            f"{_NUMBER:012d}": f"{version:012d}",
            _ID: f"ent_{id}",
            _REQUEST: f"req_{id}",
            _FEEDBACK: f"fb_{id}",
            _HASH: content_hash(topic(number), text),
            _CONTENT: text,
            _TOPIC: topic(number),
            _SUBMITTER: submitter(number),
            _USER: f"user{rating % RATERS}",
            _MODEL: f"model{rating % MODELS}",
            _PATTERN: f"pattern{rating % PATTERNS}",
            **dict(zip(_BANDS, bands, strict=True)),
            _AT: to_text(at),
            _DECIDED_AT: to_text(at + timedelta(seconds=DECIDED_S)),
            plus(_AT, _DUE_S): to_text(at + timedelta(seconds=_DUE_S)),
        }

    def rows(self, first: int, last: int, version: int, row_of: RowOf) -> Iterator[tuple[str, Row]]:
        """Yields (table, row) of the entries with these numbers.

        Args:
            first: from here.
            last: up to and with this one.
            version: of the knowledge before the first of them.
            row_of: gives the parameters that write a record.
        """
        pattern = re.compile(f"({'|'.join(map(re.escape, self.marks(0, 0)))})")
        moulds = {
            pending: [
                (kept.name, [_cell(value, pattern) for value in row_of(kept, record)])
                for kept, record in template(pending=pending)
            ]
            for pending in (False, True)
        }
        for number in range(first, last + 1):
            pending = is_pending(number)
            version += not pending
            texts = self.marks(number, version)
            for table, cells in moulds[pending]:
                yield table, tuple([cell(texts, version) for cell in cells])

    def audited(self, first: int, last: int, version: int) -> Iterator[AuditEntry]:
        """Yields what was recorded of the entries with these numbers; arguments as of `rows`."""
        for number in range(first, last + 1):
            at, id, text = to_text(self.at(number)), self.entry_id(number), content(number)
            digest = content_hash(topic(number), text)
            data: dict[str, Any] = {"content_hash": digest, "submitter": submitter(number)}
            yield AuditEntry("key:bench", "entry.submitted", id, at, data)
            if is_pending(number):
                continue
            version += 1
            at = plus(at, DECIDED_S)
            data = {"revision": 1, "reviewer": "ann", "content_hash": digest, "notes": ""}
            yield AuditEntry("ann", "entry.approved", id, at, data)
            data = {"version": version, "revision": 1}
            yield AuditEntry("system:publish", "knowledge.published", id, at, data)

    def evidence(self, first: int, last: int) -> Iterator[RatingEvidence]:
        """Yields the ratings that came with the entries of these numbers."""
        for number in range(first, last + 1):
            if not is_pending(number):
                continue
            at, id, rating = to_text(self.at(number)), self.id_of(number), number // PENDING_EACH
            yield RatingEvidence(
                at=at,
                day=day_number(at),
                feedback_id=f"fb_{id}",
                request_id=f"req_{id}",
                rater=f"user{rating % RATERS}",
                pattern=f"pattern{rating % PATTERNS}",
                provider="provider",
                model=f"model{rating % MODELS}",
                snapshot_id="",
                sign=1,
                quality=4,
                correct=1,
                cost_nanousd=0,
                costed=0,
                latency_ms=0,
                timed=0,
                propensity=1.0,
            )


def template(*, pending: bool) -> list[Kept]:
    """Returns the records of one entry, with marks in them."""
    entry = Entry(
        id=_ID,
        state="pending_approval" if pending else "approved",
        topic=_TOPIC,
        content=_CONTENT,
        content_hash=_HASH,
        confidence_score=CONFIDENCE,
        risk=_RISK,
        tags=["invoice", "refund"],
        metadata={"source": "bench"},
        submitter=_SUBMITTER,
        submitted_by="key:bench",
        submitted_at=_AT,
        created_at=_AT,
        updated_at=_AT if pending else _DECIDED_AT,
        published_revision=None if pending else 1,
        decided_at=None if pending else _DECIDED_AT,
    )
    kept: list[Kept] = [
        (ENTRIES, entry),
        (CONTENT_KEYS, ContentKey(id=_HASH, entry_id=_ID)),
        *((NEAR_BANDS, NearBand(id=band, entry_ids=[_ID])) for band in _BANDS),
    ]
    return kept + (_rated() if pending else _decided(entry))


def _rated() -> list[Kept]:
    told: dict[str, Any] = {"pattern": _PATTERN, "provider": "provider", "model": _MODEL}
    decision = RoutingDecision(
        id=_REQUEST,
        complexity=0.5,
        confidence=0.5,
        explored=False,
        propensity=1.0,
        snapshot_id=None,
        reason="bench",
        decided_by="key:bench",
        decided_at=_AT,
        **told,
    )
    rating = Rating(
        id=_FEEDBACK, feedback_id=_FEEDBACK, quality_score=4, is_correct=True, rated_at=_AT
    )
    feedback = Feedback(
        id=f"{_REQUEST}:{_USER}",
        request_id=_REQUEST,
        user_id=_USER,
        rating=rating,
        updated_at=_AT,
        **told,
    )
    return [(ROUTING_DECISIONS, decision), (FEEDBACK, feedback)]


def _decided(entry: Entry) -> list[Kept]:
    archived = reviewing.archived(entry)
    decision = Decision(
        id=archived.id,
        entry_id=_ID,
        revision=1,
        content_hash=_HASH,
        verdict="approve",
        reviewer="ann",
        reviewers=["ann"],
        seconds_to_decision=DECIDED_S,
        decided_at=_DECIDED_AT,
    )
    publication = Publication(
        id=f"{_NUMBER:012d}",
        version=_NUMBER,
        operation="add",
        entry_id=_ID,
        revision=1,
        blob_key=blob_key(WORKSPACE, _ID, 1),
        published_at=_DECIDED_AT,
    )
    shown = ShownRevision(id=_ID, revision=1, last_revision=1, version=_NUMBER)
    return [
        (REVISIONS, archived),
        (DECISIONS, decision),
        (PUBLICATIONS, publication),
        (SHOWN, shown),
    ]


Cell = Callable[[Mapping[str, str], int], object]
"""Gives a value of a row, from the texts for its marks and the version."""


def _cell(value: object, pattern: re.Pattern[str]) -> Cell:
    """Returns what makes copies of a value; it is cut at its marks once, as there are millions."""
    if value == _NUMBER:
        return lambda _, version: version
    if isinstance(value, str) and pattern.search(value):
        parts = pattern.split(value)
        return lambda texts, _: "".join([texts.get(part, part) for part in parts])
    return lambda *_: value
