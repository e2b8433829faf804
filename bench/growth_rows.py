"""A workspace of any size as rows: what submitting, approving and publishing leave behind.

One entry is made through the domain's own records, its rows by the store's own statements; the
others are copies of it in which marks are replaced, each with its own id, hash, time and words.
Nothing here reads or writes anything.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain import reviewing
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
from shared.domain.knowledge.publication import (
    PUBLICATIONS,
    SHOWN,
    Publication,
    ShownRevision,
    blob_key,
)
from shared.domain.records import Collection, Record
from shared.domain.times import plus, to_text

WORKSPACE = "growth"
PENDING_EACH = 10
"""Every tenth entry waits; the others are approved and published."""

TOPICS = 1_000

_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
_ID, _HASH, _WORD, _TOPIC, _BAND = "ent_@id", "@hash", "@word", "@topic", "@band"
_AT = "2001-02-03T04:05:06.000000Z"
_NUMBER = 777_000_777
_CONFIDENCE, _RISK = 0.8, 0.2
_DUE_S = URGENT_S / (_CONFIDENCE * _RISK)
_MASK = (1 << 64) - 1
_SPREAD = 0x9E3779B97F4A7C15
"""An odd number near 2**64 divided by the golden ratio: its multiples are spread and all differ."""

Kept = tuple[Collection[Any], Record]
Row = tuple[Any, ...]


def spread(number: int) -> str:
    """Returns 16 hexadecimal digits, different for each number below 2**64, in no order."""
    return f"{number * _SPREAD & _MASK:016x}"


def entry_id(number: int) -> str:
    """Returns the id of an entry, by its number from 1."""
    return f"ent_{spread(number)}"


def is_pending(number: int) -> bool:
    """Tells whether an entry waits for its decision."""
    return number % PENDING_EACH == 0


def words(number: int) -> str:
    """Returns the word that only this entry has."""
    return f"rare{number}"


def template(*, pending: bool) -> list[Kept]:
    """Returns the records of one entry, with marks in them."""
    entry = Entry(
        id=_ID,
        state="pending_approval" if pending else "approved",
        topic=_TOPIC,
        content=f"An invoice that names {_WORD} is paid within thirty days of its arrival.",
        content_hash=_HASH,
        confidence_score=_CONFIDENCE,
        risk=_RISK,
        tags=["invoice", "refund"],
        metadata={"source": "bench"},
        submitter="agent",
        submitted_by="key:bench",
        submitted_at=_AT,
        created_at=_AT,
        updated_at=_AT,
        published_revision=None if pending else 1,
        decided_at=None if pending else _AT,
    )
    kept: list[Kept] = [
        (ENTRIES, entry),
        (CONTENT_KEYS, ContentKey(id=_HASH, entry_id=_ID)),
        *((NEAR_BANDS, NearBand(id=f"{n}:{_BAND}", entry_ids=[_ID])) for n in range(2)),
    ]
    return kept if pending else kept + _decided(entry)


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
        seconds_to_decision=60.0,
        decided_at=_AT,
    )
    publication = Publication(
        id=f"{_NUMBER:012d}",
        version=_NUMBER,
        operation="add",
        entry_id=_ID,
        revision=1,
        blob_key=blob_key(WORKSPACE, _ID, 1),
        published_at=_AT,
    )
    shown = ShownRevision(id=_ID, revision=1, last_revision=1, version=_NUMBER)
    return [
        (REVISIONS, archived),
        (DECISIONS, decision),
        (PUBLICATIONS, publication),
        (SHOWN, shown),
    ]


def marks(number: int, version: int) -> dict[str, str]:
    """Returns what takes the place of each mark in the rows of one entry.

    Args:
        number: of the entry, from 1.
        version: of its publication, from 1 without gaps; 0 where it waits.
    """
    at = _FIRST + timedelta(seconds=number)
    return {
        f":{_NUMBER}": f":{version}",  # as JSON writes a number
        f"{_NUMBER:012d}": f"{version:012d}",
        _ID: entry_id(number),
        _HASH: spread(number) * 4,
        _WORD: words(number),
        _TOPIC: f"topic{number % TOPICS}",
        _BAND: f"{number}.{number}",
        _AT: to_text(at),
        plus(_AT, _DUE_S): to_text(at + timedelta(seconds=_DUE_S)),
    }


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


RowOf = Callable[[Collection[Any], Record], Row]


def rows(first: int, last: int, row_of: RowOf) -> Iterator[tuple[str, Row]]:
    """Yields (table, row) of the entries with these numbers.

    Args:
        first: from here.
        last: up to and with this one.
        row_of: gives the parameters that write a record.
    """
    pattern = re.compile(f"({'|'.join(map(re.escape, marks(0, 0)))})")
    moulds = {
        pending: [
            (kept.name, [_cell(value, pattern) for value in row_of(kept, record)])
            for kept, record in template(pending=pending)
        ]
        for pending in (False, True)
    }
    for number in range(first, last + 1):
        pending = is_pending(number)
        version = 0 if pending else published(number)
        texts = marks(number, version)
        for table, cells in moulds[pending]:
            yield table, tuple([cell(texts, version) for cell in cells])


def published(number: int) -> int:
    """Returns how many of the entries up to this one are published."""
    return number - number // PENDING_EACH
