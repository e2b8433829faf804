"""What every store does the same way with questions: are they declared, and where do they go on.

A cursor carries a fingerprint of the question that it was given out for, so that it opens no other
list: not another workspace's, and not another order's.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json

from shared.domain.records import Collection, Filter, Order, Query, R, Scalar
from shared.errors import InvalidInput

_LARGEST = 2**63 - 1
_AUDIT_DIGITS = 18
_BEYOND_AUDIT = 10**18


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: the records of a workspace's collection that fit the filters, in an order."""

    workspace: str
    collection: str
    filters: tuple[Filter, ...]
    order: Order

    @property
    def fingerprint(self) -> str:
        """Returns what tells this question from others; the order of the filters is no matter."""
        asked = [self.workspace, self.collection, self.order.field, self.order.descending]
        asked += sorted(f"{one.field}{one.operator}{one.value!r}" for one in self.filters)
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def declared_query(
    collection: Collection[R], filters: Sequence[Filter], order: Order | None
) -> Query:
    """Returns the declared query that answers the question, the one with the most equal fields.

    Raises:
        ValueError: the collection declares none that does.
    """
    equal = tuple(one.field for one in filters if one.operator == "==")
    return _declared(collection, equal, None if order is None else order.field)


def declared_order(
    collection: Collection[R], filters: Sequence[Filter], order: Order | None
) -> Order:
    """Returns the order of the listing; where none was asked for that of the declared query.

    Raises:
        ValueError: the collection does not declare this question.
    """
    best = declared_query(collection, filters, order)
    return order or Order(best.order or "id")


def check_column(collection: Collection[R], condition: Filter) -> None:
    """Returns where the condition is on a column.

    Raises:
        ValueError: it is not.
    """
    if condition.field not in collection.all_columns:
        raise ValueError(f"{collection.name} has no column {condition.field}")


def make_cursor(asked: Asked, value: Scalar, record_id: str) -> str:
    """Returns the cursor that continues behind the record with this order value and id."""
    body = json.dumps([asked.fingerprint, value, record_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def open_cursor(cursor: str, asked: Asked) -> tuple[Scalar, str]:
    """Returns the order value and the id behind which the list goes on.

    Raises:
        InvalidInput: the cursor belongs to another question, or to none.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        body = base64.b64decode(padded, altchars=b"-_", validate=True)
        given, value, record_id = from_json(body, allow_inf_nan=False)
    except (ValueError, TypeError):
        raise foreign_cursor() from None
    scalar = value is None or isinstance(value, str | int | float)
    small = not isinstance(value, int) or -_LARGEST <= value <= _LARGEST
    if given != asked.fingerprint or not isinstance(record_id, str) or not (scalar and small):
        raise foreign_cursor()
    return value, record_id


def foreign_cursor() -> InvalidInput:
    """Returns the error for a cursor that this list has not given out."""
    detail = "is not a cursor of this list; ask for the first page without it"
    return InvalidInput.field("?cursor", detail)


def open_audit_cursor(cursor: str | None) -> int:
    """Returns the seq below which a page of audit records begins; beyond all where None.

    Raises:
        InvalidInput: it is no whole number of up to 18 digits.
    """
    if cursor is None:
        return _BEYOND_AUDIT
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _AUDIT_DIGITS):
        raise foreign_cursor()
    return int(cursor)


def audit_data(text: str) -> dict[str, JsonValue]:
    """Returns a record's data; what cannot be read was tampered with, and breaks the chain."""
    try:
        data: Any = from_json(text, allow_inf_nan=False)
    except ValueError:
        return {"unreadable": text}
    return data if isinstance(data, dict) else {"unreadable": text}


@cache
def _declared(collection: Collection[R], equal: tuple[str, ...], order: str | None) -> Query:
    declared = (*collection.queries, Query((), "id"))
    fits = [query for query in declared if set(query.equal) <= set(equal)]
    fits = [query for query in fits if order is None or query.order == order]
    if not fits:
        raise ValueError(f"{collection.name} declares no query on {sorted(equal)} by {order}")
    return max(fits, key=lambda query: len(query.equal))
