"""The SQL of the store, made once for each collection from its declaration.

Every statement names the workspace first: there is no statement that reads two of them, but for the
outbox and the purge.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from pydantic_core import from_json, to_json

from shared.domain.records import Collection, Filter, Order, Query, R, Scalar
from shared.errors import InvalidInput

_COMPARE = {
    "==": "{field} IS ?",
    ">=": "{field} >= ?",
    "contains": "EXISTS (SELECT 1 FROM json_each({field}) WHERE value = ?)",
}
_LARGEST = 2**63 - 1


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
    asked: tuple[str, str, Sequence[Filter], Order]


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
    equal = tuple(one.field for one in filters if one.operator == "==")
    order = _declared_order(collection, equal, order)
    asked = (workspace, collection.name, filters, order)
    where, parameters = conditions(workspace, collection, filters)
    direction, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    if cursor is not None:
        value, record_id = _open_cursor(cursor, _fingerprint(*asked))
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
        if one.field not in collection.all_columns:
            raise ValueError(f"{collection.name} has no column {one.field}")
        clauses.append(_COMPARE[one.operator].format(field=one.field))
        parameters.append(one.value)  # type: ignore[arg-type]
    return " AND ".join(clauses), list(parameters)


def make_cursor(found: Listing, value: Scalar, record_id: str) -> str:
    """Returns the cursor that continues behind the row with this order value and id."""
    body = json.dumps([_fingerprint(*found.asked), value, record_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def _open_cursor(cursor: str, fingerprint: str) -> tuple[Scalar, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        body = base64.b64decode(padded, altchars=b"-_", validate=True)
        given, value, record_id = from_json(body, allow_inf_nan=False)
    except (ValueError, TypeError):
        raise foreign_cursor() from None
    scalar = value is None or isinstance(value, str | int | float)
    small = not isinstance(value, int) or -_LARGEST <= value <= _LARGEST
    if given != fingerprint or not isinstance(record_id, str) or not (scalar and small):
        raise foreign_cursor()
    return value, record_id


def foreign_cursor() -> InvalidInput:
    """Returns the error for a cursor that this list has not given out."""
    detail = "is not a cursor of this list; ask for the first page without it"
    return InvalidInput.field("?cursor", detail)


def _fingerprint(workspace: str, collection: str, filters: Sequence[Filter], order: Order) -> str:
    asked = [workspace, collection, order.field, order.descending]
    asked += sorted(f"{one.field}{one.operator}{one.value!r}" for one in filters)
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


@cache
def _declared_order(
    collection: Collection[R], equal: tuple[str, ...], order: Order | None
) -> Order:
    declared = (*collection.queries, Query((), "id"))
    fits = [query for query in declared if set(query.equal) <= set(equal)]
    fits = [query for query in fits if order is None or query.order == order.field]
    if not fits:
        raise ValueError(f"{collection.name} declares no query on {sorted(equal)} by {order}")
    best = max(fits, key=lambda query: len(query.equal))
    return order or Order(best.order or "id")
