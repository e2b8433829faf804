"""What lists have in common that are not read by a declared query, or whose items may be long."""

from collections.abc import Sequence

from pydantic_core import to_json

from shared.domain.entries import Entry, Revision
from shared.errors import InvalidInput

MOST_CONTENT = 5_000_000
"""Characters of content, tags and metadata in a page, of up to 6 bytes; Cloud Run sends 32 MiB."""


def fitting(page: Sequence[Entry | Revision]) -> int:
    """Returns how many of the first ones an answer has room for: one at least."""
    total = 0
    for place, one in enumerate(page):
        total += len(one.content) + sum(map(len, one.tags)) + len(to_json(one.metadata))
        if total > MOST_CONTENT:
            return max(1, place)
    return len(page)


def foreign_cursor() -> InvalidInput:
    """Returns the error for a cursor that this list has not given out."""
    return InvalidInput.field("?cursor", "is not a cursor of this list; leave it out")


def number_of(cursor: str, numbers: range) -> int:
    """Returns the number that a cursor is.

    Raises:
        InvalidInput: it is none of `numbers`.
    """
    if not (cursor.isascii() and cursor.isdecimal() and int(cursor) in numbers):
        raise foreign_cursor()
    return int(cursor)
