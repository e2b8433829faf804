"""The SQL of the SQLite store, made once for each collection."""

from collections.abc import Sequence
from functools import cache

from pydantic_core import to_json

from shared.adapters.sql_statements import (
    Dialect,
    Listing,
    Statements,
    column_values,
    columns_of,
    make_conditions,
    make_listing,
    make_statements,
)
from shared.domain.records import Collection, Filter, Order, R, Scalar

SQLITE = Dialect(
    mark="?",
    equal="{field} IS ?",
    null=None,
    contains="EXISTS (SELECT 1 FROM json_each({field}) WHERE value = ?)",
    keys_first=True,
)


@cache
def statements(collection: Collection[R]) -> Statements:
    """Returns the statements that read and write single records of `collection`."""
    return make_statements(SQLITE, collection)


def row_of(workspace: str, collection: Collection[R], record: R) -> tuple[Scalar, ...]:
    """Returns the parameters that write `record`."""
    doc = record.__pydantic_serializer__.to_json(record).decode()
    if not columns_of(collection):
        return (workspace, record.id, doc)
    values = column_values(collection)(record)
    cells = [to_json(one).decode() if type(one) is list else one for one in values]
    return (workspace, record.id, *cells, doc)


def listing(
    workspace: str,
    collection: Collection[R],
    filters: Sequence[Filter],
    order: Order | None,
    limit: int,
    cursor: str | None,
) -> Listing:
    """Returns the statement for one page, as `make_listing` makes it."""
    return make_listing(SQLITE, workspace, collection, filters, order, limit, cursor)


def conditions(
    workspace: str, collection: Collection[R], filters: Sequence[Filter]
) -> tuple[str, list[Scalar]]:
    """Returns the WHERE clause for `filters` and its parameters, as `make_conditions`."""
    return make_conditions(SQLITE, workspace, collection, filters)
