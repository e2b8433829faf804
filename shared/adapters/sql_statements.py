"""The SQL that the stores on relational databases share, made from a collection's declaration.

Every statement names the workspace first: there is none that reads two of them, but for the outbox
and the purge. What differs between databases is in a `Dialect`; statements are made once and kept
by the module of each database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any

from shared.adapters.declared_queries import (
    Asked,
    check_column,
    declared_order,
    declared_query,
    open_cursor,
)
from shared.domain.feedback import Evidence, OutcomeEvidence, PromptEvidence, RatingEvidence
from shared.domain.records import Collection, Filter, Order, R, Scalar

EVIDENCE_TABLES: Mapping[type[Evidence], str] = {
    RatingEvidence: "evidence_ratings",
    OutcomeEvidence: "evidence_outcomes",
    PromptEvidence: "evidence_prompts",
}
AUDIT_COLUMNS = "workspace, seq, at, actor, action, subject, data, previous_hash, hash"


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What differs between databases.

    Args:
        mark: stands for a parameter.
        equal: the condition that a field has a value, which may be NULL where `null` is None.
        null: the condition that a field has none, where that needs another form.
        contains: the condition that a list field holds a value.
        keys_first: a listing that is narrowed by further filters finds the keys in an index and
            opens only the rows it returns; for a database that else opens each row it walks over.
    """

    mark: str
    equal: str
    null: str | None
    contains: str
    keys_first: bool = False

    def marks(self, count: int) -> str:
        """Returns the marks of `count` parameters."""
        return ", ".join([self.mark] * count)


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one collection; parameters: workspace, id, the columns, doc."""

    create: str
    put: str
    delete: str
    get: str


def make_statements(dialect: Dialect, collection: Collection[R]) -> Statements:
    """Returns the statements that read and write single records of `collection`."""
    names = ("workspace", "id", *columns_of(collection), "doc")
    table, mark = collection.name, dialect.mark
    insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({dialect.marks(len(names))})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
    return Statements(
        create=insert,
        put=f"{insert} ON CONFLICT (workspace, id) DO UPDATE SET {changed}",
        delete=f"DELETE FROM {table} WHERE workspace = {mark} AND id = {mark}",
        get=f"SELECT doc FROM {table} WHERE workspace = {mark} AND id = {mark}",
    )


@cache
def columns_of(collection: Collection[R]) -> tuple[str, ...]:
    """Returns the fields that have a column beside `workspace`, `id` and `doc`."""
    return tuple(name for name in collection.all_columns if name != "id")


@cache
def column_values(collection: Collection[R]) -> Callable[[R], tuple[Any, ...]]:
    """Returns what reads the values of those fields from a record."""
    names = columns_of(collection)
    if not names:
        return lambda _: ()
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda record: (read(record),)


def make_appends(dialect: Dialect) -> dict[type[Evidence], str]:
    """Returns the statement that appends a row of each log; parameters as in `evidence_row`."""
    names = {kind: ", ".join(one.name for one in fields(kind)) for kind in EVIDENCE_TABLES}
    return {
        kind: f"INSERT INTO {table} (workspace, seq, {names[kind]})"
        f" VALUES ({dialect.marks(2 + len(fields(kind)))})"
        for kind, table in EVIDENCE_TABLES.items()
    }


_EVIDENCE_VALUES = {
    kind: attrgetter(*(one.name for one in fields(kind))) for kind in EVIDENCE_TABLES
}


def evidence_row(workspace: str, seq: int, row: Evidence) -> tuple[Any, ...]:
    """Returns the parameters that append `row` at a place of its log."""
    return (workspace, seq, *_EVIDENCE_VALUES[type(row)](row))


@dataclass(frozen=True, slots=True)
class Listing:
    """A SELECT of (order value, id, doc) with its parameters.

    `asked` is what its cursors belong to.
    """

    sql: str
    parameters: tuple[Scalar, ...]
    asked: Asked


def make_listing(  # noqa: PLR0917 -- those of `Store.find`, and the dialect
    dialect: Dialect,
    workspace: str,
    collection: Collection[R],
    filters: Sequence[Filter],
    order: Order | None,
    limit: int,
    cursor: str | None,
) -> Listing:
    """Returns the statement for one page, with one row more to tell whether there is another.

    Raises:
        ValueError: the collection does not declare this question.
        InvalidInput: the cursor belongs to another question.
    """
    order = declared_order(collection, filters, order)
    asked = Asked(workspace, collection.name, tuple(filters), order)
    where, parameters = make_conditions(dialect, workspace, collection, filters)
    direction, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    if cursor is not None:
        value, record_id = open_cursor(cursor, asked)
        if order.field == "id":
            where += f" AND id {beyond} {dialect.mark}"
            parameters.append(record_id)
        else:
            where += f" AND ({order.field}, id) {beyond} ({dialect.marks(2)})"
            parameters += [value, record_id]
    keys = "" if order.field == "id" else f"{order.field} {direction}, "
    place = f"WHERE {where} ORDER BY {keys}id {direction} LIMIT {dialect.mark}"
    narrowed = len(filters) > len(declared_query(collection, filters, order).equal)
    if not (dialect.keys_first and narrowed):
        sql = f"SELECT {order.field}, id, doc FROM {collection.name} {place}"
        return Listing(sql, (*parameters, limit + 1), asked)
    doc = f"SELECT doc FROM {collection.name} WHERE workspace = {dialect.mark} AND id = found.id"
    sql = (
        f"SELECT place, id, ({doc}) FROM (SELECT {order.field} AS place, id"
        f" FROM {collection.name} {place}) AS found ORDER BY place {direction}, id {direction}"
    )
    return Listing(sql, (workspace, *parameters, limit + 1), asked)


def make_conditions(
    dialect: Dialect, workspace: str, collection: Collection[R], filters: Sequence[Filter]
) -> tuple[str, list[Scalar]]:
    """Returns the WHERE clause for `filters` and its parameters.

    Raises:
        ValueError: a filter names a field that has no column.
    """
    clauses, parameters = [f"workspace = {dialect.mark}"], [workspace]
    for one in filters:
        check_column(collection, one)
        if one.value is None and dialect.null is not None:
            clauses.append(dialect.null.format(field=one.field))
            continue
        clauses.append(_condition(dialect, one).format(field=one.field))
        parameters.append(one.value)  # type: ignore[arg-type]
    return " AND ".join(clauses), list(parameters)


def _condition(dialect: Dialect, one: Filter) -> str:
    if one.operator == "contains":
        return dialect.contains
    return dialect.equal if one.operator == "==" else "{field} >= " + dialect.mark
