"""The SQL that the archives on relational databases share: how a part is read, and written back."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.archive_rows import (
    EVIDENCE,
    AuditFacts,
    audit_row,
    collection_of,
    counter_rows,
    event_rows,
    evidence_row,
    read_audit,
    read_counters,
    read_events,
    read_evidence,
    read_records,
)
from shared.adapters.evidence_statements import KINDS
from shared.adapters.evidence_statements import select as select_evidence
from shared.adapters.sql_statements import (
    AUDIT_COLUMNS,
    EVIDENCE_TABLES,
    Dialect,
    make_appends,
    make_statements,
)
from shared.adapters.sql_statements import evidence_row as evidence_parameters
from shared.domain.backup import AUDIT, COUNTERS, LOGS, OUTBOX
from shared.domain.records import Collection, Record
from shared.ports import ArchiveRow

Row = tuple[Any, ...]
RowOf = Callable[[str, Collection[Any], Record], Row]
"""Gives the parameters that write a record; the last one is its document."""

_AUDIT_FIELDS = AUDIT_COLUMNS.removeprefix("workspace, seq, ")


@dataclass(frozen=True, slots=True)
class Select:
    """A statement that reads a page of a part, its parameters, and what makes rows of its rows."""

    sql: str
    parameters: Row
    made: Callable[[Iterable[Row]], list[ArchiveRow]]


def ends_sql(mark: str) -> str:
    """Returns what reads the ends of the logs and the last hash; each asks the workspace."""
    ends = [f"(SELECT COALESCE(MAX(seq), 0) FROM {log} WHERE workspace = {mark})" for log in LOGS]
    last = f"(SELECT hash FROM audit_log WHERE workspace = {mark} ORDER BY seq DESC LIMIT 1)"
    return f"SELECT {', '.join(ends)}, {last}"


def exists_sql(part: str, mark: str) -> str:
    """Returns the statement that finds a row where the workspace has any in a part."""
    return f"SELECT 1 FROM {part} WHERE workspace = {mark} LIMIT 1"


def select(part: str, mark: str, workspace: str, after: str, limit: int) -> Select:
    """Returns how a page of a part is read."""
    where = f"WHERE workspace = {mark}"
    if part == COUNTERS:
        names = f"SELECT DISTINCT name FROM counters {where} AND name > {mark} ORDER BY name"
        sql = f"SELECT name, field, value FROM counters {where} AND name IN ({names} LIMIT {mark})"
        return Select(sql, (workspace, workspace, after, limit), counter_rows)
    if part == OUTBOX:
        sql = f"SELECT doc FROM outbox {where} AND {mark} = '' ORDER BY position"
        return Select(sql, (workspace, after), _events)
    if part == AUDIT:
        sql = f"SELECT seq, {_AUDIT_FIELDS} FROM audit_log {where} AND seq > {mark}"
        return Select(f"{sql} ORDER BY seq LIMIT {mark}", (workspace, _place(after), limit), _links)
    if part in EVIDENCE:
        kind = EVIDENCE[part]
        return Select(
            select_evidence(kind, mark),
            (workspace, _place(after), limit),
            lambda rows: [evidence_row(seq, KINDS[kind](*values)) for seq, *values in rows],
        )
    sql = f"SELECT id, doc FROM {part} {where} AND id > {mark} ORDER BY id LIMIT {mark}"
    return Select(sql, (workspace, after, limit), _documents)


def insert(
    dialect: Dialect, row_of: RowOf, workspace: str, part: str, rows: Sequence[ArchiveRow]
) -> tuple[str, list[Row]]:
    """Returns the statement that writes rows of a part as they were, and its parameters for each.

    Raises:
        CorruptData: a row is not what this part holds.
    """
    if part == COUNTERS:
        values = [
            (workspace, name, field, value)
            for name, counter in read_counters(rows)
            for field, value in counter.items()
        ]
        sql = f"INSERT INTO counters (workspace, name, field, value) VALUES ({dialect.marks(4)})"
        return f"{sql} {_over('workspace, name, field', 'value')}", values
    if part == OUTBOX:
        sql = f"INSERT INTO outbox (event_id, type, workspace, doc) SELECT {dialect.marks(4)}"
        sql += f" WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE event_id = {dialect.mark})"
        found = [(event, row.doc) for event, row in read_events(rows)]
        return sql, [(e.event_id, e.type, workspace, doc, e.event_id) for e, doc in found]
    if part == AUDIT:
        sql = f"INSERT INTO audit_log ({AUDIT_COLUMNS}) VALUES ({dialect.marks(9)})"
        links = [(workspace, seq, *_values(facts)) for seq, facts in read_audit(rows)]
        return f"{sql} {_over('workspace, seq', *_AUDIT_FIELDS.split(', '))}", links
    if part in EVIDENCE:
        return _evidence(dialect, workspace, part, rows)
    records = [
        (*row_of(workspace, collection_of(part), one)[:-1], doc)
        for one, doc in read_records(part, rows)
    ]
    return make_statements(dialect, collection_of(part)).put, records


def _evidence(
    dialect: Dialect, workspace: str, part: str, rows: Sequence[ArchiveRow]
) -> tuple[str, list[Row]]:
    kind = next(kind for kind, table in EVIDENCE_TABLES.items() if table == part)
    places = [evidence_parameters(workspace, seq, row) for seq, row in read_evidence(part, rows)]
    changed = _over("workspace, seq", *kind.__dataclass_fields__)
    return f"{make_appends(dialect)[kind]} {changed}", places


def _over(keys: str, *names: str) -> str:
    """Returns what makes an insert bear being done again."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"ON CONFLICT ({keys}) DO UPDATE SET {changed}"


def _documents(rows: Iterable[Row]) -> list[ArchiveRow]:
    return [ArchiveRow(key, doc) for key, doc in rows]


def _events(rows: Iterable[Row]) -> list[ArchiveRow]:
    return event_rows(doc for (doc,) in rows)


def _links(rows: Iterable[Row]) -> list[ArchiveRow]:
    return [audit_row(seq, AuditFacts(*facts)) for seq, *facts in rows]


def _values(facts: AuditFacts) -> Row:
    return tuple(getattr(facts, name) for name in _AUDIT_FIELDS.split(", "))


def _place(after: str) -> int:
    return int(after or 0)
