"""What commands and answers have in common.

A command is strict: unknown fields, wrong types, NaN, NUL bytes and lone surrogates are refused,
and the error names the field. It is also the HTTP body, so that the documentation of the API is the
documentation of the command.
"""

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.times import from_text, to_text

MAX_PAGE = 500


class Command(BaseModel):
    """Something that a caller wants done, validated from JSON."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class QueryParams(BaseModel):
    """Validated query parameters; all are optional or have a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


PageSize = Annotated[
    int, Field(default=50, ge=1, le=MAX_PAGE, description="How many items at most.")
]
"""A list with another default keeps the bounds: `limit: PageSize = 20`."""


class PageParams(QueryParams):
    """Which page of a list."""

    limit: PageSize = 50
    cursor: str | None = Field(
        default=None, max_length=2000, description="`next_cursor` of the page before."
    )


class Answer(BaseModel):
    """What a service returns, sent as JSON."""

    model_config = ConfigDict(frozen=True)


A = TypeVar("A")


class Page(BaseModel, Generic[A]):
    """One page of a list; `next_cursor` is null on the last."""

    model_config = ConfigDict(frozen=True)

    items: list[A]
    next_cursor: str | None = None


def _no_nul(text: str) -> str:
    if "\x00" in text:
        msg = "must not contain NUL characters"
        raise ValueError(msg)
    return text


NO_NUL = AfterValidator(_no_nul)
"""Refuses NUL characters; as `NOT_BLANK`, it stands behind a limit."""

Text = Annotated[str, NO_NUL]
"""A string without NUL characters, which PostgreSQL could not store."""


def _filled(text: str) -> str:
    if not text or text.isspace():
        msg = "must not be empty"
        raise ValueError(msg)
    return _no_nul(text)


NOT_BLANK = AfterValidator(_filled)
"""Asks for a visible character; stands behind `Field(max_length=…)`, which then counts characters.

Before it the limit would be told in items, as of a list.
"""

FilledText = Annotated[str, NOT_BLANK]
"""A string with at least one visible character."""

Name = Annotated[str, Field(max_length=200), NOT_BLANK]
"""A short label: a topic, a tag, the name of an agent, a model or a person."""

Identifier = Annotated[str, Field(max_length=256), NOT_BLANK]
"""An id, ours or the caller's."""

Note = Annotated[str, Field(max_length=4000), NO_NUL]
"""A remark of a person."""


def _moment(text: str) -> str:
    try:
        return to_text(from_text(text))
    except (ValueError, OverflowError):
        msg = "must be a time with a zone, for example 2026-01-31T09:30:00Z"
        raise ValueError(msg) from None


Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]
"""An RFC 3339 time with a zone, kept as a `Timestamp`."""
