"""Holds queries against `firestore.indexes.json`, as Firestore does and its emulator does not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from google.cloud.firestore_v1.types import query as queries

from shared.adapters.firestore_client import FirestoreClient

FILE = Path(__file__).resolve().parents[2] / "firestore.indexes.json"

_OPERATOR = queries.StructuredQuery.FieldFilter.Operator
_EQUAL, _CONTAINS = int(_OPERATOR.EQUAL), int(_OPERATOR.ARRAY_CONTAINS)
_ASCENDING, _DESCENDING = "ASCENDING", "DESCENDING"


@dataclass
class Shape:
    """What of a query decides which index it needs."""

    collection: str
    everywhere: bool
    equal: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    ranges: set[str] = field(default_factory=set)
    orders: list[tuple[str, str]] = field(default_factory=list)


class Indexes:
    """The indexes of a file.

    Args:
        file: in the form of the Firebase tools.
    """

    def __init__(self, file: Path = FILE) -> None:
        listed = json.loads(file.read_text("utf-8"))
        self._composite: dict[str, list[list[tuple[str, str]]]] = {}
        for one in listed["indexes"]:
            fields = [
                (part["fieldPath"], part.get("order") or part["arrayConfig"])
                for part in one["fields"]
            ]
            self._composite.setdefault(one["collectionGroup"], []).append(fields)
        self._rules = {
            (one["collectionGroup"], one["fieldPath"]): {
                (kept["queryScope"], kept["order"]) for kept in one["indexes"]
            }
            for one in listed["fieldOverrides"]
        }

    def misses(self, query: Any) -> str | None:
        """Returns what index a query wants that is not there, None where it has what it needs."""
        shape = shape_of(query)
        if self._covers(shape):
            return None
        return f"{shape}"

    def _covers(self, shape: Shape) -> bool:
        named = {*shape.equal, *shape.lists}
        orders = [one for one in shape.orders if one[0] != "__name__"]
        if not orders and shape.ranges:
            orders = [(name, _ASCENDING) for name in shape.ranges]
        if len({way for _, way in shape.orders}) > 1 or len(orders) > 1:
            return False
        if shape.ranges - {name for name, _ in orders}:
            return False
        if not orders:
            alone = not shape.lists or len(named) == 1
            return alone and all(self._single(shape, name, _ASCENDING) for name in named)
        if not named:
            return self._single(shape, *orders[0])
        if shape.everywhere:
            return False
        return self._composed(shape, orders[0])

    def _composed(self, shape: Shape, order: tuple[str, str]) -> bool:
        """Indexes with this order merge where together they name all equal fields."""
        fitting = [
            fields[:-1]
            for fields in self._composite.get(shape.collection, [])
            if fields[-1] == order
        ]
        if shape.lists:
            wanted = {*((name, _ASCENDING) for name in shape.equal)}
            wanted |= {(name, "CONTAINS") for name in shape.lists}
            return any(set(fields) == wanted for fields in fitting)
        merged = [{name for name, _ in fields} for fields in fitting]
        usable = [names for names in merged if names <= shape.equal]
        return set().union(*usable) == shape.equal

    def _single(self, shape: Shape, name: str, way: str) -> bool:
        kept = self._rules.get((shape.collection, name))
        if shape.everywhere:
            return kept is not None and ("COLLECTION_GROUP", way) in kept
        return kept is None or ("COLLECTION", way) in kept


def shape_of(query: Any) -> Shape:
    """Returns the shape of a structured query."""
    selected = query.from_[0]
    shape = Shape(selected.collection_id, selected.all_descendants)
    for one in _filters(query.where):
        if one.WhichOneof("filter_type") == "unary_filter":
            shape.equal.add(one.unary_filter.field.field_path)
            continue
        name, operator = one.field_filter.field.field_path, one.field_filter.op
        kinds = {_EQUAL: shape.equal, _CONTAINS: shape.lists}
        kinds.get(operator, shape.ranges).add(name)
    for one in query.order_by:
        descending = one.direction == int(queries.StructuredQuery.Direction.DESCENDING)
        way = _DESCENDING if descending else _ASCENDING
        shape.orders.append((one.field.field_path, way))
    return shape


def _filters(where: Any) -> Iterator[Any]:
    kind = where.WhichOneof("filter_type")
    if kind == "composite_filter":
        yield from where.composite_filter.filters
    elif kind is not None:
        yield where


@contextmanager
def recorded() -> Iterator[list[Any]]:
    """Collects every query that any client sends."""
    sent: list[Any] = []
    run, count = FirestoreClient.query, FirestoreClient.count

    async def query(self: FirestoreClient, parent: str, query: Any, **more: Any) -> Any:
        sent.append(query)
        return await run(self, parent, query, **more)

    async def counting(self: FirestoreClient, parent: str, query: Any, up_to: int) -> int:
        sent.append(query)
        return await count(self, parent, query, up_to)

    with (
        patch.object(FirestoreClient, "query", query),
        patch.object(FirestoreClient, "count", counting),
    ):
        yield sent
