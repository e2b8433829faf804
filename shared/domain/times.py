"""Times as text: UTC, fixed width, so that the order of the text is the order in time.

Records carry times as `Timestamp` strings because every store sorts and prints them alike. The
clock is a port; nothing here asks what time it is.
"""

from datetime import UTC, date, datetime, timedelta

Timestamp = str

_EPOCH_DAY = date(1970, 1, 1).toordinal()


def to_text(moment: datetime) -> Timestamp:
    """Returns `moment` as RFC 3339 UTC with microseconds, always 27 characters.

    For example 2026-01-31T09:30:00.000000Z.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        msg = "a time needs a time zone"
        raise ValueError(msg)
    return f"{_in_utc(moment).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def from_text(text: Timestamp) -> datetime:
    """Returns the aware UTC time that `to_text` wrote.

    Raises:
        ValueError: not an RFC 3339 time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"a time needs a time zone: {text!r}"
        raise ValueError(msg)
    return _in_utc(moment)


def _in_utc(moment: datetime) -> datetime:
    """Returns the same time in UTC; most are already, and turning them would cost a microsecond."""
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def plus(text: Timestamp, seconds: float) -> Timestamp:
    """Returns the time `seconds` (negative for earlier) after `text`."""
    return to_text(from_text(text) + timedelta(seconds=seconds))


def seconds_between(start: Timestamp, end: Timestamp) -> float:
    """Returns the seconds from `start` to `end`, negative where `end` is earlier."""
    return (from_text(end) - from_text(start)).total_seconds()


def day_number(text: Timestamp) -> int:
    """Returns whole days since 1970-01-01 UTC."""
    return date.fromisoformat(text[:10]).toordinal() - _EPOCH_DAY


def day_text(day: int) -> str:
    """Returns `YYYY-MM-DD` for a day number."""
    return date.fromordinal(day + _EPOCH_DAY).isoformat()


def second_text(second: int) -> Timestamp:
    """Returns the time `second` whole seconds after 1970-01-01 UTC."""
    return to_text(datetime.fromtimestamp(second, UTC))
