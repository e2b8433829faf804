"""What a stored record is, and how a collection of them may be asked.

A collection declares the questions that are asked of it (`Query`), because every store must be able
to answer each one from an index: SQLite and PostgreSQL create one index a query, Firestore one
composite index. A question that is not declared is refused by every adapter, so a missing index is
found in a unit test, not in production.
"""

from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SYSTEM_WORKSPACE = "_system"
"""Holds what belongs to no tenant: workspaces, credentials, event deliveries, schedule ticks."""

Unit = Annotated[float, Field(ge=0, le=1)]
"""A number from 0 to 1."""

WorkspaceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class Record(BaseModel):
    """A stored value: immutable; a change is a new value put in its place.

    Unknown fields are ignored on reading, so that the previous version still runs on records of the
    next one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    id: str


R = TypeVar("R", bound=Record)

Scalar = str | int | float | bool | None
Operator = Literal["==", ">=", "contains"]


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one field; `contains` asks whether a list field holds the value."""

    field: str
    operator: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a listing; records that are equal in `field` follow by id."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A question a collection answers from an index: equal on `equal`, ordered by `order`.

    Further filters on columns may narrow it: they walk along the index from the cursor and stop at
    the limit. Fields in `narrow` (equal to a value, or a list that contains it) are asked so often
    that a store which pays for each record it walks over indexes them too.
    """

    equal: tuple[str, ...]
    order: str | None = None
    narrow: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Collection(Generic[R]):
    """A named set of records of one type.

    Args:
        name: the table, and the Firestore collection.
        record: the type of its records.
        queries: every question asked of it beyond "by id".
        columns: further fields that filters may name, or that an operator wants to see as columns.
        expires: the field with the time after which a record may be deleted; None keeps them.
    """

    name: str
    record: type[R]
    queries: tuple[Query, ...] = ()
    columns: tuple[str, ...] = ()
    expires: str | None = None
    all_columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Gathers every field that needs a column, in order of mention."""
        asked = [
            name
            for query in self.queries
            for name in (*query.equal, query.order, *query.narrow)
            if name
        ]
        names = dict.fromkeys([*asked, *self.columns, *([self.expires] if self.expires else [])])
        object.__setattr__(self, "all_columns", tuple(names))
