"""The one tree of errors that Whetstone raises on purpose.

Everything below raises these and nothing else across a module's border; `web/problems.py` is the
only place that knows their HTTP status. A message says what happened, to which id, and what to do
next; it never carries a secret or a request body.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One bad field.

    `pointer` is an RFC 6901 JSON pointer into the body, or `?name` for a query parameter.
    """

    pointer: str
    detail: str


class WhetstoneError(Exception):
    """Base of every error that a caller may act on.

    Args:
        detail: one sentence for the caller.
        problems: the bad fields, most useful first; empty where no field is to blame.
        facts: extra members for the problem document (for example the decision that won a race).
    """

    def __init__(
        self,
        detail: str,
        *,
        problems: Sequence[FieldProblem] = (),
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = tuple(problems)
        self.facts = dict(facts or {})


class InvalidInput(WhetstoneError):
    """The request can never succeed as it stands; `problems` names the fields."""

    @classmethod
    def field(cls, pointer: str, detail: str) -> "InvalidInput":
        """Returns the error for one bad field."""
        return cls(f"{pointer}: {detail}", problems=[FieldProblem(pointer, detail)])


class UnsupportedMedia(WhetstoneError):
    """The body is not of a media type that this route reads."""


class TooLarge(WhetstoneError):
    """The body or the batch is over its limit."""


class NotAuthenticated(WhetstoneError):
    """No credential, or one that does not verify."""


class NotAllowed(WhetstoneError):
    """A good credential that may not do this."""


class NotFound(WhetstoneError):
    """No such record in the caller's workspace (also where it exists in another)."""


class Conflict(WhetstoneError):
    """The state has moved on: another decision, revision, claim or run came first."""


class AlreadyExists(Conflict):
    """A create-only write met an existing record."""


class RateLimited(WhetstoneError):
    """Too many requests; try again after `retry_after_s` seconds."""

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(WhetstoneError):
    """A dependency does not answer, or a kill switch is on; the same request may succeed later."""


class Paused(Unavailable):
    """An operator holds this back; it goes on by itself when released, however long that takes."""


class CorruptData(WhetstoneError):
    """Stored data does not match its checksum or its schema; someone must look."""


PERMANENT = (InvalidInput, UnsupportedMedia, TooLarge, NotFound, CorruptData)
"""Errors that doing the same again cannot mend: an event that meets one is not tried again."""
