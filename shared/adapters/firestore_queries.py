"""Questions to a collection as Firestore's structured queries.

Firestore answers from indexes only, so a filter goes into the query where a declared query says
that its field is indexed, and is applied here, to what the declared query returns, where not. A
record's place is (order field, name): names sort as ids do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.cloud.firestore_v1.types import query as queries

from shared.adapters.declared_queries import (
    Asked,
    check_column,
    declared_order,
    declared_query,
    open_cursor,
)
from shared.adapters.firestore_indexes import indexed_columns
from shared.adapters.firestore_values import Pb, Plain, decode, encode
from shared.domain.records import Collection, Filter, Order, Query, R

NAME = "__name__"
CHUNK = 300
"""Documents fetched at a time where filters are applied here."""

StructuredQuery = queries.StructuredQuery.pb()
_Selected = queries.StructuredQuery.CollectionSelector.pb()
_Reference = queries.StructuredQuery.FieldReference.pb()
_Cursor = queries.Cursor.pb()
_Direction = queries.StructuredQuery.Direction
_Operator = queries.StructuredQuery.FieldFilter.Operator
_OPERATORS = {
    "==": _Operator.EQUAL,
    ">=": _Operator.GREATER_THAN_OR_EQUAL,
    ">": _Operator.GREATER_THAN,
    "<": _Operator.LESS_THAN,
    "<=": _Operator.LESS_THAN_OR_EQUAL,
    "contains": _Operator.ARRAY_CONTAINS,
}

Condition = tuple[str, str, Plain]
"""A field, an operator and a value."""


def structured(
    collection: str,
    conditions: Sequence[Condition] = (),
    order: Sequence[tuple[str, bool]] = (),
    *,
    limit: int | None = None,
    everywhere: bool = False,
    fields: Sequence[str] = (),
) -> Pb:
    """Returns a structured query.

    Args:
        collection: whose documents.
        conditions: which of them; all must hold.
        order: fields, and whether they descend.
        limit: how many at most.
        everywhere: of every collection with this name, not only right under the parent.
        fields: what is returned of them; everything where empty.
    """
    selected = _Selected(collection_id=collection, all_descendants=everywhere)
    made = StructuredQuery(from_=[selected])
    for condition in conditions:
        _add(made, len(conditions), *condition)
    for name, descending in order:
        direction = _Direction.DESCENDING if descending else _Direction.ASCENDING
        made.order_by.add(field=_Reference(field_path=name), direction=int(direction))
    if limit is not None:
        made.limit.value = limit
    for name in fields:
        made.select.fields.add(field_path=name)
    return made


def start_behind(query: Pb, values: Sequence[Plain], name: str) -> None:
    """Makes the query go on behind the document with these order values and this name."""
    place = _Cursor(values=[encode(value) for value in values])
    place.values.add(reference_value=name)
    query.start_at.CopyFrom(place)


@dataclass(frozen=True, slots=True)
class Walk:
    """A declared query with the filters that Firestore does not apply."""

    asked: Asked
    query: Pb
    rest: tuple[Filter, ...]

    def fits(self, fields: Pb) -> bool:
        """Tells whether a document passes the filters that are applied here."""
        return all(_holds(one, decode(fields[one.field])) for one in self.rest)

    def chunk(self, wanted: int) -> int:
        """Returns how many documents to fetch where `wanted` are wanted."""
        return max(wanted, CHUNK) if self.rest else wanted

    def after(self, fields: Pb, name: str, limit: int) -> Pb:
        """Returns the query that goes on behind a document."""
        further = StructuredQuery()
        further.CopyFrom(self.query)
        further.limit.value = limit
        start_behind(further, [decode(fields[self.asked.order.field])], name)
        return further

    def first(self, limit: int) -> Pb:
        """Returns the query as it begins."""
        query = StructuredQuery()
        query.CopyFrom(self.query)
        query.limit.value = limit
        return query


def walk(
    workspace: str,
    collection: Collection[R],
    filters: Sequence[Filter],
    order: Order | None,
    *,
    cursor: str | None = None,
    name_of: Callable[[str], str] = str,
) -> Walk:
    """Returns how a listing is walked.

    Args:
        workspace: whose records.
        collection: which of them.
        filters: conditions on columns.
        order: None is that of the declared query.
        cursor: where the listing goes on.
        name_of: the path of a record's document.

    Raises:
        ValueError: the collection does not declare this question.
        InvalidInput: the cursor belongs to another question.
    """
    for one in filters:
        check_column(collection, one)
    order = declared_order(collection, filters, order)
    query = declared_query(collection, filters, order)
    asked = Asked(workspace, collection.name, tuple(filters), order)
    served, rest = _split(query, filters, order)
    made = structured(
        collection.name,
        [(one.field, one.operator, one.value) for one in served],
        [(order.field, order.descending), (NAME, order.descending)],
    )
    if cursor is not None:
        value, record_id = open_cursor(cursor, asked)
        start_behind(made, [value], name_of(record_id))
    return Walk(asked, made, rest)


def counting(collection: Collection[R], filters: Sequence[Filter]) -> Pb | None:
    """Returns the query that counts, None where a filter is on a field that is not indexed.

    Equal conditions on indexed fields need no index of their own; a range needs the one of the
    declared query that is ordered by it.

    Raises:
        ValueError: a filter names a field that has no column.
    """
    for one in filters:
        check_column(collection, one)
    if not all(_countable(collection, one, filters) for one in filters):
        return None
    return structured(collection.name, [(one.field, one.operator, one.value) for one in filters])


def _countable(collection: Collection[R], one: Filter, filters: Sequence[Filter]) -> bool:
    if one.operator == "contains" and len(filters) > 1:
        return False  # indexes of lists are not merged
    if one.operator != ">=":
        return one.field in indexed_columns(collection)
    others = {other.field for other in filters if other is not one and other.operator == "=="}
    return len(filters) == len(others) + 1 and any(
        query.order == one.field and others <= {*query.equal, *query.narrow}
        for query in collection.queries
    )


def _split(
    query: Query, filters: Sequence[Filter], order: Order
) -> tuple[list[Filter], tuple[Filter, ...]]:
    """Returns the filters that the declared query's indexes serve, and the rest.

    With `contains` only the equal fields of the declaration are served beside it.
    """
    lists = [one for one in filters if one.operator == "contains" and one.field in query.narrow]
    equal = query.equal if lists else (*query.equal, *query.narrow)
    served = [
        one
        for one in filters
        if (one.operator == "==" and one.field in equal)
        or (one.operator == ">=" and one.field == order.field)
    ]
    served += lists[:1]
    return served, tuple(one for one in filters if one not in served)


def _holds(one: Filter, value: Pb) -> bool:
    if one.operator == "contains":
        return isinstance(value, list) and one.value in value
    if one.operator == ">=":
        return value is not None and one.value is not None and value >= one.value
    return bool(value == one.value)


def _add(made: Pb, of: int, name: str, operator: str, value: Plain) -> None:
    if of == 1:
        target = made.where
    else:
        made.where.composite_filter.op = int(queries.StructuredQuery.CompositeFilter.Operator.AND)
        target = made.where.composite_filter.filters.add()
    if value is None:
        target.unary_filter.field.field_path = name
        target.unary_filter.op = int(queries.StructuredQuery.UnaryFilter.Operator.IS_NULL)
        return
    target.field_filter.field.field_path = name
    target.field_filter.op = int(_OPERATORS[operator])
    target.field_filter.value.CopyFrom(encode(value))
