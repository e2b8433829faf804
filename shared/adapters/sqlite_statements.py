"""The SQL of the store, made once for each collection from its declaration. Shared by the adapters that speak SQL.

Every statement names the workspace first: there is no statement that reads two of them, but for the outbox and the purge.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from pydantic_core import to_json

from shared.domain.records import Collection, Filter, Order, Query, R, Scalar
from shared.errors import InvalidInput

_COMPARE = {"==": "{field} IS ?", ">=": "{field} >= ?", "contains": "EXISTS (SELECT 1 FROM json_each({field}) WHERE value = ?)"}


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one collection; parameters are workspace, id, the columns, doc, in that order."""

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
    return (workspace, record.id, *[to_json(one).decode() if type(one) is list else one for one in values], doc)


@cache
def _columns(collection: Collection[R]) -> Callable[[R], tuple[Any, ...]]:
    names = columns_of(collection)
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda record: (read(record),)


@dataclass(frozen=True, slots=True)
class Listing:
    """A SELECT of (order value, id, doc) with its parameters; `asked` is what its cursors belong to."""

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
    """Returns the statement for one page, with one row more than `limit` to tell whether there is another.

    Raises:
        ValueError: the collection does not declare this question.
        InvalidInput: the cursor belongs to another question.
    """
    order = _declared_order(collection, tuple(one.field for one in filters if one.operator == "=="), order)
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
    keys = f"id {direction}" if order.field == "id" else f"{order.field} {direction}, id {direction}"
    sql = f"SELECT {order.field}, id, doc FROM {collection.name} WHERE {where} ORDER BY {keys} LIMIT ?"
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
            msg = f"{collection.name} has no column {one.field}"
            raise ValueError(msg)
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
        given, value, record_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, RecursionError):
        given, value, record_id = None, None, None
    scalar = value is None or isinstance(value, str | int | float)
    if given != fingerprint or not isinstance(record_id, str) or not scalar:
        raise InvalidInput.field("?cursor", "is not a cursor of this list; ask for the first page without it")
    return value, record_id


def _fingerprint(workspace: str, collection: str, filters: Sequence[Filter], order: Order) -> str:
    asked = [workspace, collection, order.field, order.descending]
    asked += sorted(f"{one.field}{one.operator}{one.value!r}" for one in filters)
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


@cache
def _declared_order(collection: Collection[R], equal: tuple[str, ...], order: Order | None) -> Order:
    fits = [query for query in (*collection.queries, Query((), "id")) if set(query.equal) <= set(equal)]
    fits = [query for query in fits if order is None or query.order == order.field]
    if not fits:
        msg = f"{collection.name} declares no query on {sorted(equal)} ordered by {order}"
        raise ValueError(msg)
    best = max(fits, key=lambda query: len(query.equal))
    return order or Order(best.order or "id")
