"""Rows of older systems as what they are here: which column means what, and which rows are good.

An older row is read leniently, since it was written by many hands; but what cannot be read as what
it should be is rejected with a reason, never guessed.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.times import Timestamp, to_text

Kind = Literal["requests", "routing_metrics", "response_feedback", "response_cache"]

KINDS: tuple[Kind, ...] = ("requests", "routing_metrics", "response_feedback", "response_cache")

_AT = ("created_at", "timestamp", "at", "requested_at", "recorded_at", "time", "date")
_ROUTED: Mapping[str, tuple[str, ...]] = {
    "provider": ("provider", "selected_provider", "provider_name", "llm_provider"),
    "model": ("model", "selected_model", "model_name", "model_used", "model_id"),
    "pattern": ("pattern", "detected_pattern", "pattern_type", "prompt_pattern", "task_type"),
    "complexity": ("complexity", "complexity_score"),
    "confidence": ("confidence", "routing_confidence", "confidence_score"),
    "latency_ms": ("latency_ms", "response_time_ms", "duration_ms", "latency"),
    "latency_s": ("latency_s", "latency_seconds", "response_time_s", "response_time"),
    "cost_usd": ("cost_usd", "cost", "total_cost", "actual_cost", "estimated_cost"),
    "input_tokens": ("input_tokens", "tokens_in", "prompt_tokens"),
    "output_tokens": ("output_tokens", "tokens_out", "completion_tokens"),
    "reason": ("reason", "routing_reason"),
    "session_id": ("session_id", "conversation_id"),
    "at": _AT,
}

FIELDS: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "requests": {
        "id": ("request_id", "id", "uuid"),
        "prompt": ("prompt", "query", "input", "question", "text"),
        **_ROUTED,
    },
    "routing_metrics": {"id": ("request_id", "req_id", "id"), **_ROUTED},
    "response_feedback": {
        "id": ("feedback_id", "id", "uuid"),
        "request_id": ("request_id", "req_id", "response_id"),
        "quality_score": ("quality_score", "rating", "score", "stars"),
        "is_correct": ("is_correct", "correct"),
        "is_helpful": ("is_helpful", "helpful"),
        "comment": ("comment", "feedback_text", "comments", "feedback", "notes"),
        "user_id": ("user_id", "rater", "user"),
        "session_id": ("session_id", "conversation_id"),
        "at": _AT,
    },
    "response_cache": {
        "id": ("cache_key", "key", "prompt_hash", "id"),
        "prompt": ("prompt", "query", "input", "question"),
        "response": ("response", "answer", "content", "output", "completion"),
        "provider": _ROUTED["provider"],
        "model": _ROUTED["model"],
        "at": _AT,
    },
}
"""What is read of each table, and the columns that it is taken from: the first that is there."""

WORDS_OF_COMPLEXITY = {
    "low": 0.2,
    "simple": 0.2,
    "easy": 0.2,
    "medium": 0.5,
    "moderate": 0.5,
    "high": 0.8,
    "complex": 0.8,
    "hard": 0.8,
}
_TRUE = frozenset(("1", "t", "true", "y", "yes"))
_FALSE = frozenset(("0", "f", "false", "n", "no"))
_MILLISECONDS_FROM = 10_000_000_000
"""Numbers from here on (the year 2286 in seconds) are milliseconds."""


class Rejected(Exception):
    """A row that cannot be imported, and why."""


class TableMapping(BaseModel):
    """How one table is read.

    `table` is its name there; `columns` the column of a field, `defaults` the value of a field
    where the row has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, str | int | float | bool] = Field(default_factory=dict)


class OlderMapping(BaseModel):
    """How an older database is read, where its names are others than those that are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: TableMapping = TableMapping()
    routing_metrics: TableMapping = TableMapping()
    response_feedback: TableMapping = TableMapping()
    response_cache: TableMapping = TableMapping()

    def of(self, kind: Kind) -> TableMapping:
        """Returns how a table is read."""
        found: TableMapping = getattr(self, kind)
        return found


class Reader:
    """Reads the rows of one table.

    Args:
        kind: what table it is.
        mapping: names other than those that are known.
        there: the columns that the table has.

    Raises:
        ValueError: the mapping names a field or a column that does not exist.
    """

    def __init__(self, kind: Kind, mapping: TableMapping, there: Iterable[str]) -> None:
        known = FIELDS[kind]
        self.columns: dict[str, str] = {}
        by_name = {name.lower(): name for name in there}
        for name in (*mapping.columns, *mapping.defaults):
            if name not in known:
                raise ValueError(f"{kind} has no field {name}; there are {', '.join(known)}")
        for field, names in known.items():
            asked = mapping.columns.get(field)
            if asked is not None and asked.lower() not in by_name:
                raise ValueError(f"the table of {kind} has no column {asked}")
            found = [asked] if asked else [name for name in names if name in by_name]
            if found:
                self.columns[field] = by_name[found[0].lower()]
        self.unused = sorted(set(there) - set(self.columns.values()))
        self._defaults = mapping.defaults

    def value(self, row: Mapping[str, object], field: str) -> object:
        """Returns what a row says of a field; None where it says nothing."""
        value = row.get(self.columns[field]) if field in self.columns else None
        if value is None or value == "":
            return self._defaults.get(field)
        return value

    def text(self, row: Mapping[str, object], field: str, longest: int) -> str | None:
        """Returns a text of at most `longest` characters; None where there is none.

        Raises:
            Rejected: it is too long, or holds what no text may.
        """
        value = self.value(row, field)
        if value is None:
            return None
        text = str(value).strip()
        if len(text) > longest:
            raise Rejected(f"{field} is longer than {longest} characters")
        if "\x00" in text or "�" in text or any("\ud800" <= one <= "\udfff" for one in text):
            raise Rejected(f"{field} is no readable text")
        return text or None

    def number(
        self, row: Mapping[str, object], field: str, least: float = 0.0, most: float = 1e15
    ) -> float | None:
        """Returns a number in [least, most]; None where there is none.

        Raises:
            Rejected: it is none, or out of range.
        """
        value = self.value(row, field)
        if value is None:
            return None
        try:
            number = float(str(value))
        except ValueError:
            raise Rejected(f"{field} is no number") from None
        if not math.isfinite(number) or not least <= number <= most:
            raise Rejected(f"{field} is not within {least:g} and {most:g}")
        return number

    def flag(self, row: Mapping[str, object], field: str) -> bool | None:
        """Returns yes or no; None where there is neither.

        Raises:
            Rejected: it is something else.
        """
        value = self.value(row, field)
        if value is None:
            return None
        word = str(value).strip().lower().removesuffix(".0")
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise Rejected(f"{field} is neither yes nor no")

    def moment(self, row: Mapping[str, object], field: str = "at") -> Timestamp:
        """Returns a time; one without a zone is UTC, a number counts (milli)seconds since 1970.

        Raises:
            Rejected: there is none, or it is no time.
        """
        value = self.value(row, field)
        if value is None:
            raise Rejected("it has no time")
        try:
            return to_text(_moment(value))
        except (ValueError, OverflowError):
            raise Rejected(f"{field} is no time") from None


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not math.isfinite(number):
        raise ValueError(text)
    return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
