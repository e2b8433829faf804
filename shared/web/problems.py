"""Errors as RFC 9457 problem documents: the only place that knows HTTP status codes."""

import json
from math import ceil

from pydantic import ValidationError

from shared.errors import (
    AlreadyExists,
    Conflict,
    CorruptData,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Paused,
    RateLimited,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
    WhetstoneError,
)
from shared.messages.problems import code_of, field_problems

STATUS: dict[type[WhetstoneError], int] = {
    InvalidInput: 422,
    UnsupportedMedia: 415,
    TooLarge: 413,
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    AlreadyExists: 409,
    RateLimited: 429,
    Unavailable: 503,
    Paused: 503,
    CorruptData: 500,
}

TITLES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""The phrases of RFC 9110, which not every version of Python knows."""

MEDIA_TYPE = b"application/problem+json"

Headers = list[tuple[bytes, bytes]]


def problem(error: WhetstoneError) -> tuple[int, bytes, Headers]:
    """Returns the status, the body and the extra headers that tell `error`."""
    status = status_of(error)
    return status, _document(status, code_of(error), error), _headers(error)


def status_of(error: WhetstoneError) -> int:
    """Returns the status that tells `error`."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def method_not_allowed(method: str, path: str) -> bytes:
    """Returns the body of a 405."""
    error = WhetstoneError(f"{method} is not possible at {path}")
    return _document(405, "method_not_allowed", error)


def _document(status: int, code: str, error: WhetstoneError) -> bytes:
    standard = {
        "type": f"urn:whetstone:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": error.detail,
        "errors": [{"pointer": one.pointer, "detail": one.detail} for one in error.problems],
    }
    return json.dumps({**standard, **error.facts, **standard}).encode()


def invalid(error: ValidationError, *, query: bool = False) -> InvalidInput:
    """Returns a failed validation of a body (or of the query) as our own error."""
    problems = field_problems(error)
    if query:
        problems = [type(one)("?" + one.pointer.removeprefix("/"), one.detail) for one in problems]
    first = problems[0]
    where = first.pointer or "the body"
    return InvalidInput(f"{where}: {first.detail}", problems=problems)


def _headers(error: WhetstoneError) -> Headers:
    if isinstance(error, RateLimited):
        return [(b"retry-after", str(max(1, ceil(error.retry_after_s))).encode())]
    if isinstance(error, NotAuthenticated):
        return [(b"www-authenticate", b'Bearer realm="whetstone"')]
    if isinstance(error, Unavailable):
        return [(b"retry-after", b"1")]
    return []
