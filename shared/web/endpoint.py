"""One route as an ASGI app: guard, limits, body, command, service, answer, in that order.

A plain function describes it; its parameters say what it reads:

    async def approve(call: Call, entry_id: str, body: Approve) -> Decided: ...

`call` is the verified request, `body` a Command from the JSON body, a QueryParams model the query,
and any other `str` a part of the path; `bytes` is the raw body. FastAPI documents the same
function; it does not run it (docs/decisions/0003 says why).
"""

import hashlib
import inspect
import logging
import operator
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import UnionType
from typing import Any, Protocol, get_args
from urllib.parse import parse_qsl

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response

from shared.domain.access import Caller, IdempotencyKey
from shared.errors import (
    CorruptData,
    FieldProblem,
    InvalidInput,
    NotFound,
    TooLarge,
    UnsupportedMedia,
    WhetstoneError,
)
from shared.messages.base import Command, QueryParams
from shared.ports import Bus
from shared.web import problems, telemetry
from shared.web.guard import Guard, Needs, authorize
from shared.web.health import Check
from shared.web.limits import RateLimits
from shared.web.paths import whole

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

MAX_KEY = 255
"""Characters of an Idempotency-Key, at most."""

_LENGTH_DIGITS = 18

logger = logging.getLogger("whetstone.web")


class Gate(Protocol):
    """What the web needs of the running system; built at the first request.

    `checks` try each dependency, by name; see `shared.web.health`. `bus` is told of events that a
    consumer could not handle.
    """

    guard: Guard
    limits: RateLimits
    body_bytes: int
    version: str
    checks: Mapping[str, Check]

    @property
    def bus(self) -> Bus:
        """Where failures of consumers are kept."""


@dataclass(slots=True)
class Call:
    """A verified request. `headers` are extra headers of the answer, for the handler to fill."""

    caller: Caller
    key: IdempotencyKey | None = None
    headers: dict[str, str] = field(default_factory=dict)
    request_headers: Mapping[bytes, bytes] = field(default_factory=dict)
    raw_body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Parameters:
    """Which parameter of the handler takes what."""

    call: str | None
    body: tuple[str, type[BaseModel], bool] | None
    raw: str | None
    query: tuple[str, type[QueryParams]] | None
    path: tuple[str, ...]


class Endpoint:
    """Serves one handler.

    Args:
        function: the name of the Cloud Function, for metrics.
        gate: gives the guard and the limits.
        method: of HTTP.
        path: template.
        handler: the function described above; returns a model, a list or a Starlette response.
        needs: what the guard asks.
        status: of a good answer.
    """

    def __init__(  # noqa: PLR0917 -- a route has this many properties
        self,
        function: str,
        gate: Callable[[], Gate],
        method: str,
        path: str,
        handler: Callable[..., Awaitable[Any]],
        needs: Needs,
        status: int,
    ) -> None:
        self.needs = needs
        self._gate = gate
        self._handler = handler
        self._route = f"{method} {path}"
        self._status = status
        self._parameters = _parameters(handler)
        # Probes and caches add to public paths, and a push brings what its subscription was told.
        self._takes_no_query = not needs.public and self._parameters.raw is None
        self._adapter: TypeAdapter[Any] = TypeAdapter(answer_type(handler))
        self._meter = telemetry.RouteMeter(function, method, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        started = time.perf_counter()
        status = 500
        try:
            try:
                answer, headers = await self._answer(scope, receive)
            except Exception as error:  # noqa: BLE001 -- the entry point: whatever it is, it is told
                status, body, more = self._problem(error)
                await _send(send, status, body, problems.MEDIA_TYPE, more)
                return
            if isinstance(answer, Response):
                status = answer.status_code
                answer.headers.update(headers)
                await answer(scope, receive, send)
                return
            status = self._status
            await _send(send, status, answer, b"application/json", _encode(headers))
        finally:
            self._meter.observe(status, time.perf_counter() - started)

    def _problem(self, error: Exception) -> tuple[int, bytes, problems.Headers]:
        """Returns the answer that tells an error; one that nobody raised on purpose is logged."""
        if not isinstance(error, WhetstoneError):
            logger.error("request.crashed", extra={"route": self._route}, exc_info=error)
            error = CorruptData("something went wrong on our side; it was logged")
            return problems.problem(error)
        status, body, more = problems.problem(error)
        if status >= 500:
            logger.error("request.failed", extra={"route": self._route, "detail": error.detail})
        return status, body, more

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Any, Mapping[str, str]]:
        headers = dict(scope["headers"])
        call = await self._admit(headers)
        arguments = _path_arguments(scope, self._parameters.path)
        parameters = self._parameters
        if parameters.body is not None:
            arguments[parameters.body[0]] = await self._read_body(
                parameters.body, call, headers, receive
            )
        if parameters.raw is not None:
            call.raw_body = await collect(receive, headers, self._gate().body_bytes)
            arguments[parameters.raw] = call.raw_body
        if parameters.query is not None:
            arguments[parameters.query[0]] = _read_query(parameters.query[1], scope["query_string"])
        elif scope["query_string"] and self._takes_no_query:
            _read_query(QueryParams, scope["query_string"])
        if parameters.call is not None:
            call.key = self._idempotency_key(call, scope, headers, arguments)
            arguments[parameters.call] = call
        result = await self._handler(**arguments)
        if call.key is not None and call.key.replayed:
            call.headers["idempotent-replayed"] = "true"
        if isinstance(result, Response):
            return result, call.headers
        return self._adapter.dump_json(result), call.headers

    async def _admit(self, headers: Mapping[bytes, bytes]) -> Call:
        if self.needs.public:
            return Call(Caller("_public", "anyone"), request_headers=headers)
        gate = self._gate()
        caller = await gate.guard.authenticate(headers)
        authorize(caller, self.needs)
        gate.limits.check(caller)
        return Call(caller, request_headers=headers)

    async def _read_body(
        self,
        parameter: tuple[str, type[BaseModel], bool],
        call: Call,
        headers: Mapping[bytes, bytes],
        receive: Receive,
    ) -> BaseModel | None:
        _, model, optional = parameter
        call.raw_body = await collect(receive, headers, self._gate().body_bytes)
        if not call.raw_body and optional:
            return model()
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"application/json":
            msg = "send the body as application/json"
            raise UnsupportedMedia(msg)
        try:
            return model.model_validate_json(call.raw_body)
        except ValidationError as error:
            raise problems.invalid(error) from None

    def _idempotency_key(
        self,
        call: Call,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        arguments: Mapping[str, Any],
    ) -> IdempotencyKey | None:
        key = headers.get(b"idempotency-key")
        if key is None:
            return None
        if not 1 <= len(key) <= MAX_KEY:
            detail = f"must have 1 to {MAX_KEY} characters"
            raise InvalidInput(
                f"Idempotency-Key: {detail}", problems=[FieldProblem("Idempotency-Key", detail)]
            )
        where = "\n".join([self._route, *(str(arguments[name]) for name in self._parameters.path)])
        who = f"{call.caller.subject}\n{where}\n".encode()
        request = call.raw_body
        if scope["query_string"]:
            request += b"?" + scope["query_string"]
        return IdempotencyKey(
            hashlib.sha256(who + key).hexdigest(), hashlib.sha256(request).hexdigest()
        )


def _path_arguments(scope: Scope, names: Sequence[str]) -> dict[str, Any]:
    """Returns the parts of the path that the handler takes.

    Others may be there: what stands in front of this app matches paths for itself.
    """
    if not names:
        return {}
    if "\x00" in scope["path"]:
        raise NotFound("there is nothing at a path with a NUL character")
    return {name: whole(scope["path_params"][name]) for name in names}


async def collect(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """Returns the body of a request.

    Raises:
        TooLarge: it has more than `limit` bytes.
        InvalidInput: it was cut short.
    """
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and (len(length) > _LENGTH_DIGITS or int(length) > limit):
        raise TooLarge(f"the body may have at most {limit} bytes")
    message = await receive()
    body = bytes(message.get("body", b""))
    while message.get("more_body") and len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
    if len(body) > limit:
        raise TooLarge(f"the body may have at most {limit} bytes")
    if message["type"] == "http.disconnect":
        raise InvalidInput("the request was cut short")
    return body


def _read_query(model: type[QueryParams], query: bytes) -> QueryParams:
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        msg = "the query is not UTF-8"
        raise InvalidInput(msg) from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise InvalidInput.field(f"?{name}", "must not contain NUL characters")
    try:
        return model.model_validate_strings(dict(pairs))
    except ValidationError as error:
        raise problems.invalid(error, query=True) from None


async def _send(send: Send, status: int, body: bytes, media: bytes, more: problems.Headers) -> None:
    headers = [
        (b"content-type", media),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _encode(headers: Mapping[str, str]) -> problems.Headers:
    return [
        (name.lower().encode(), value.encode("latin-1", "replace"))
        for name, value in headers.items()
    ]


def _parameters(handler: Callable[..., Any]) -> _Parameters:
    call = body = raw = query = None
    path = []
    for parameter in inspect.signature(handler, eval_str=True).parameters.values():
        kind = parameter.annotation
        if kind is Call:
            call = parameter.name
        elif isinstance(kind, type) and issubclass(kind, Command):
            body = (
                parameter.name,
                kind,
                not any(f.is_required() for f in kind.model_fields.values()),
            )
        elif isinstance(kind, type) and issubclass(kind, QueryParams):
            query = (parameter.name, kind)
        elif kind is bytes:
            raw = parameter.name
        elif kind is str:
            path.append(parameter.name)
        else:
            msg = f"{handler.__name__}: cannot read a parameter of type {kind}"
            raise TypeError(msg)
    return _Parameters(call, body, raw, query, tuple(path))


def answer_type(handler: Callable[..., Any]) -> Any:  # noqa: ANN401 -- it may be any type form
    """Returns what a handler answers as JSON; Any where it always makes its own response."""
    annotation = inspect.signature(handler, eval_str=True).return_annotation
    if isinstance(annotation, UnionType):
        kept = [one for one in get_args(annotation) if not _is_response(one)]
        return reduce(operator.or_, kept) if kept else Any
    return Any if _is_response(annotation) else annotation


def _is_response(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Response)
