"""The SQL of the store, made once for each collection from its declaration.

Every statement names the workspace first: there is no statement that reads two of them, but for the
outbox and the purge.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from pydantic_core import to_json

from shared.adapters.declared_queries import Asked, check_column, declared_order, open_cursor
from shared.domain.records import Collection, Filter, Order, R, Scalar

_COMPARE = {
    "==": "{field} IS ?",
    ">=": "{field} >= ?",
    "contains": "EXISTS (SELECT 1 FROM json_each({field}) WHERE value = ?)",
}


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one collection; parameters: workspace, id, the columns, doc."""

    create: str
    put: str
    delete: str
    get: str


@cache
def statements(collection: Collection[R]) -> Statements:
    """Returns the statements that read and write single records of `collection`."""
    names = ("workspace", "id", *columns_of(collection), "doc")
    table = collection.name
    insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    changed = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
    return Statements(
        create=insert,
        put=f"{insert} ON CONFLICT (workspace, id) DO UPDATE SET {changed}",
        delete=f"DELETE FROM {table} WHERE workspace = ? AND id = ?",
        get=f"SELECT doc FROM {table} WHERE workspace = ? AND id = ?",
    )


@cache
def columns_of(collection: Collection[R]) -> tuple[str, ...]:
    """Returns the fields that have a column beside `workspace`, `id` and `doc`."""
    return tuple(name for name in collection.all_columns if name != "id")


def row_of(workspace: str, collection: Collection[R], record: R) -> tuple[Scalar, ...]:
    """Returns the parameters that write `record`."""
    doc = record.__pydantic_serializer__.to_json(record).decode()
    if not columns_of(collection):
        return (workspace, record.id, doc)
    values = _columns(collection)(record)
    cells = [to_json(one).decode() if type(one) is list else one for one in values]
    return (workspace, record.id, *cells, doc)


@cache
def _columns(collection: Collection[R]) -> Callable[[R], tuple[Any, ...]]:
    names = columns_of(collection)
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda record: (read(record),)


@dataclass(frozen=True, slots=True)
class Listing:
    """A SELECT of (order value, id, doc) with its parameters.

    `asked` is what its cursors belong to.
    """

    sql: str
    parameters: tuple[Scalar, ...]
    asked: Asked


def listing(
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
    where, parameters = conditions(workspace, collection, filters)
    direction, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    if cursor is not None:
        value, record_id = open_cursor(cursor, asked)
        if order.field == "id":
            where += f" AND id {beyond} ?"
            parameters.append(record_id)
        else:
            where += f" AND ({order.field}, id) {beyond} (?, ?)"
            parameters += [value, record_id]
    keys = "" if order.field == "id" else f"{order.field} {direction}, "
    sql = (
        f"SELECT {order.field}, id, doc FROM {collection.name} WHERE {where}"
        f" ORDER BY {keys}id {direction} LIMIT ?"
    )
    return Listing(sql, (*parameters, limit + 1), asked)


def conditions(
    workspace: str, collection: Collection[R], filters: Sequence[Filter]
) -> tuple[str, list[Scalar]]:
    """Returns the WHERE clause for `filters` and its parameters.

    Raises:
        ValueError: a filter names a field that has no column.
    """
    clauses, parameters = ["workspace = ?"], [workspace]
    for one in filters:
        check_column(collection, one)
        clauses.append(_COMPARE[one.operator].format(field=one.field))
        parameters.append(one.value)  # type: ignore[arg-type]
    return " AND ".join(clauses), list(parameters)
