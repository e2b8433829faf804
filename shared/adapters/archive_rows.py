"""Rows of an archive, from what any store has read, and back.

A document is spelled the same whichever store it is from, so that equal content is equal bytes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from shared.adapters.evidence_statements import KINDS
from shared.domain import collections
from shared.domain.backup import OUTCOMES, PROMPTS, RATINGS, place_key
from shared.domain.feedback import Evidence
from shared.domain.records import Collection, Record
from shared.errors import CorruptData
from shared.messages.events import Event
from shared.ports import ArchiveRow, EvidenceKind

EVIDENCE: Mapping[str, EvidenceKind] = {
    RATINGS: "ratings",
    OUTCOMES: "outcomes",
    PROMPTS: "prompts",
}
"""The logs of evidence, by part."""


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """An audit record as it is stored; `data` is text, so that what was tampered with stays so."""

    at: str
    actor: str
    action: str
    subject: str
    data: str
    previous_hash: str
    hash: str


def audit_row(seq: int, facts: AuditFacts) -> ArchiveRow:
    """Returns a link of the audit chain."""
    return ArchiveRow(place_key(seq), _json(facts))


def evidence_row(seq: int, row: Evidence) -> ArchiveRow:
    """Returns a row of a log of evidence."""
    values = {
        one.name: float(getattr(row, one.name)) if one.type is float else getattr(row, one.name)
        for one in fields(row)
    }
    return ArchiveRow(place_key(seq), _json(values))


def counter_rows(rows: Iterable[tuple[str, str, int]]) -> list[ArchiveRow]:
    """Returns counters from (name, field, value), which may come in any order and repeat."""
    sums: dict[str, dict[str, int]] = {}
    for name, field, value in rows:
        counter = sums.setdefault(name, {})
        counter[field] = counter.get(field, 0) + value
    return [ArchiveRow(name, _json(dict(sorted(sums[name].items())))) for name in sorted(sums)]


def event_rows(docs: Iterable[str]) -> list[ArchiveRow]:
    """Returns the events of the outbox, which count from 1 in the order of publication."""
    return [ArchiveRow(place_key(number), doc) for number, doc in enumerate(docs, start=1)]


def collection_of(part: str) -> Collection[Any]:
    """Returns the collection that a part holds the records of."""
    return _collections()[part]


def read_records(part: str, rows: Sequence[ArchiveRow]) -> Iterator[tuple[Record, str]]:
    """Yields each record with its document as it was.

    Raises:
        CorruptData: one is no record of this part, or has another key.
    """
    read = collection_of(part).record.__pydantic_validator__
    for row in rows:
        try:
            record: Record = read.validate_json(row.doc)
        except ValidationError as error:
            raise _unfit(part, row) from error
        if record.id != row.key:
            raise _unfit(part, row)
        yield record, row.doc


def read_counters(rows: Sequence[ArchiveRow]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yields each counter's name and fields."""
    for row in rows:
        yield row.key, _parsed("counters", row)


def read_audit(rows: Sequence[ArchiveRow]) -> Iterator[tuple[int, AuditFacts]]:
    """Yields each link with its place."""
    for row in rows:
        try:
            yield int(row.key), AuditFacts(**_parsed("audit_log", row))
        except (TypeError, ValueError) as error:
            raise _unfit("audit_log", row) from error


def read_evidence(part: str, rows: Sequence[ArchiveRow]) -> Iterator[tuple[int, Evidence]]:
    """Yields each row of evidence with its place."""
    kind = KINDS[EVIDENCE[part]]
    for row in rows:
        try:
            yield int(row.key), kind(**_parsed(part, row))
        except (TypeError, ValueError) as error:
            raise _unfit(part, row) from error


def read_events(rows: Sequence[ArchiveRow]) -> Iterator[tuple[Event, ArchiveRow]]:
    """Yields each event with its row."""
    for row in rows:
        try:
            yield Event.model_validate_json(row.doc), row
        except ValidationError as error:
            raise _unfit("outbox", row) from error


@cache
def _collections() -> Mapping[str, Collection[Any]]:
    return {one.name: one for one in collections.ALL}


def _json(value: object) -> str:
    return to_json(value).decode()


def _parsed(part: str, row: ArchiveRow) -> dict[str, Any]:
    found = from_json(row.doc)
    if not isinstance(found, dict):
        raise _unfit(part, row)
    return found


def _unfit(part: str, row: ArchiveRow) -> CorruptData:
    return CorruptData(f"the row {row.key} of {part} is not what that part holds")
