"""One page, or one action of a page, as an ASGI app: session, role, origin, CSRF, handler, headers.

A page module of the console keeps a `Pages` and registers its handlers there:

    pages = Pages()

    @pages.get("/trust/{agent_id}", role="viewer")
    async def agent(call: PageCall) -> Response: ...

Invariant: nothing of a handler runs before the session is known, its role suffices and, where it
may change something, a page of ours has sent the request with the session's own token.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, get_origin
from urllib.parse import parse_qsl, quote

from pydantic import BaseModel, ValidationError
from starlette.responses import RedirectResponse, Response

from shared.domain.access import ROLES, Caller, Role
from shared.errors import (
    CorruptData,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    UnsupportedMedia,
    WhetstoneError,
)
from shared.messages.base import Command, QueryParams
from shared.web import problems, telemetry
from shared.web.endpoint import Gate, Receive, Scope, Send, collect
from shared.web.paths import asked, whole
from shared.web.session import (
    CSRF_FIELD,
    CSRF_HEADER,
    Session,
    Sessions,
    cookie_in,
    is_secure,
    same_origin,
)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What the pages may load and do: files of ours, and nothing inline."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # `no-referrer` would also hide the origin of our own forms, which is checked.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

SIGN_IN = "/sign-in"

_MACHINES = ("/v1/", "/api/", "/admin/", "/functions/", "/events/", "/jobs/")
"""Beginnings of paths that are for programs, even where a browser opens one."""

_FORM = b"application/x-www-form-urlencoded"

logger = logging.getLogger("whetstone.web")

C = TypeVar("C", bound=Command)
Q = TypeVar("Q", bound=QueryParams)


@dataclass(slots=True)
class PageCall:
    """A request for a page, by somebody who has signed in (`session` is None on public pages).

    Args:
        path: as it was asked for, without the query.
        parts: of the path, by name.
        query_string: raw.
        headers: of the request, lower case.
        secure: whether the browser came over https.
        session: who asks.
        csrf: what forms and scripts of this page send with a change.
        body: of the request.
    """

    path: str
    parts: Mapping[str, str] = field(default_factory=dict)
    query_string: bytes = b""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    secure: bool = False
    session: Session | None = None
    csrf: str = ""
    body: bytes = b""

    @property
    def caller(self) -> Caller:
        """Returns who asks, as the services know it.

        Raises:
            NotAuthenticated: nobody has signed in; only public pages meet this.
        """
        if self.session is None:
            raise NotAuthenticated("sign in first")
        return self.session.caller

    @property
    def partial(self) -> bool:
        """Tells whether a script of the page asks, which wants a fragment and no whole page."""
        return b"hx-request" in self.headers

    def may(self, role: Role) -> bool:
        """Tells whether whoever asks has at least this role: for buttons that others do not see."""
        return self.session is not None and _reaches(self.session.role, role)

    def query(self, model: type[Q]) -> Q:
        """Returns the query; fields that were left empty count as not given.

        Raises:
            InvalidInput: a value is wrong or unknown.
        """
        return _validated(model, self.query_string, query=True)

    def form(self, model: type[C]) -> C:
        """Returns the form that was sent; fields that were left empty count as not given.

        Raises:
            InvalidInput: a value is wrong or unknown.
        """
        return _validated(model, self.body, query=False)


Handler = Callable[[PageCall], Awaitable[Response]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Page:
    """A handler and what it asks of a session: a role, or None where everybody may see it."""

    handler: Handler
    role: Role | None


class Pages:
    """The pages of one area, for the console's main module to serve."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Page] = {}

    def get(self, path: str, *, role: Role | None = "viewer") -> Callable[[H], H]:
        """Registers a page; `role` is the least that sees it, None where everybody does."""
        return self._register("GET", path, role)

    def post(self, path: str, *, role: Role | None = "reviewer") -> Callable[[H], H]:
        """Registers an action; `role` is the least that may do it."""
        return self._register("POST", path, role)

    def _register(self, method: str, path: str, role: Role | None) -> Callable[[H], H]:
        def register(handler: H) -> H:
            self.found[method, path] = Page(handler, role)
            return handler

        return register


class People(Protocol):
    """Another way to know who asks: somebody in front of us has signed them in."""

    async def session(self, headers: Mapping[bytes, bytes]) -> Session | None:
        """Returns who asks, None where the headers do not say.

        Raises:
            NotAuthenticated: what they say does not verify.
            NotAllowed: they have no role here.
        """


class Desk(Protocol):
    """What the pages need of the running system; built at the first request."""

    sessions: Sessions
    people: People | None


Failed = Callable[[PageCall, int, WhetstoneError], Response]
"""Makes the page, or the fragment, that tells an error."""


class PageRoute:
    """Serves one page; see the module."""

    def __init__(
        self,
        method: str,
        path: str,
        page: Page,
        gate: Callable[[], Gate],
        desk: Callable[[], Desk],
        failed: Failed,
    ) -> None:
        self.page = page
        self._unsafe = method != "GET"
        self._path = path
        self._gate = gate
        self._desk = desk
        self._failed = failed
        self._meter = telemetry.RouteMeter("console", method, path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        call = PageCall(
            scope["path"],
            {name: whole(part) for name, part in scope.get("path_params", {}).items()},
            scope["query_string"],
            headers,
            is_secure(scope, headers),
        )
        answer = await self._answered(call, receive)
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.headers.setdefault("cache-control", "no-store")
        try:
            await answer(scope, receive, send)
        finally:
            self._meter.observe(answer.status_code, time.perf_counter() - started)

    async def _answered(self, call: PageCall, receive: Receive) -> Response:
        try:
            await self._admit(call, receive)
            return await self.page.handler(call)
        except NotAuthenticated as error:
            return self._to_sign_in(call, error)
        except WhetstoneError as error:
            return self._failed(call, problems.status_of(error), error)
        except Exception as error:  # the entry point: whatever it is, it is told
            logger.exception("request.crashed", extra={"route": self._path})
            told = CorruptData("something went wrong on our side; it was logged")
            told.__cause__ = error
            return self._failed(call, 500, told)

    async def _admit(self, call: PageCall, receive: Receive) -> None:
        desk, role = self._desk(), self.page.role
        call.session = await _who(desk, call)
        if call.session is not None:
            call.csrf = desk.sessions.csrf(call.session)
        if role is not None:
            if call.session is None:
                raise NotAuthenticated("sign in first")
            if not _reaches(call.session.role, role):
                raise NotAllowed(f"this needs the role {role}; yours is {call.session.role}")
            self._gate().limits.check(call.caller)
        if self._unsafe:
            await self._check_change(desk, call, receive)

    async def _check_change(self, desk: Desk, call: PageCall, receive: Receive) -> None:
        if not same_origin(call.headers):
            raise NotAllowed("the request did not come from a page of this console")
        media = call.headers.get(b"content-type", _FORM).partition(b";")[0].strip().lower()
        if media != _FORM:
            raise UnsupportedMedia("send a form")
        call.body = await collect(receive, call.headers, self._gate().body_bytes)
        if self.page.role is None or call.session is None:
            return  # signing in: there is no session yet that somebody could abuse
        sent = call.headers.get(CSRF_HEADER, b"").decode("latin-1") or _field(call.body, CSRF_FIELD)
        if not desk.sessions.holds(call.session, sent):
            raise NotAllowed("the page is out of date; load it again")

    def _to_sign_in(self, call: PageCall, error: NotAuthenticated) -> Response:
        query = f"?{call.query_string.decode('latin-1')}" if call.query_string else ""
        where = SIGN_IN if self._unsafe else f"{SIGN_IN}?next={quote(asked(call.path) + query)}"
        if call.partial:
            return Response(error.detail, 401, {"hx-redirect": SIGN_IN})
        return RedirectResponse(where, 303)


async def no_page(call: PageCall) -> Response:
    """Serves every address that has no page.

    Raises:
        NotFound: always; it is told as any other error of a page is.
    """
    raise NotFound(f"there is no page at {call.path}")


def wants_page(scope: Scope) -> bool:
    """Tells whether a person's browser asks, which is better told in a page than in JSON."""
    accepted = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in accepted and not scope["path"].startswith(_MACHINES)


async def _who(desk: Desk, call: PageCall) -> Session | None:
    if desk.people is not None:
        return await desk.people.session(call.headers)
    cookie = cookie_in(call.headers, secure=call.secure)
    return None if cookie is None else desk.sessions.read(cookie)


def _reaches(role: Role, least: Role) -> bool:
    return ROLES.index(role) >= ROLES.index(least)


def _field(body: bytes, name: str) -> str:
    return dict(_pairs(body)).get(name, "")


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidInput("what was sent is not UTF-8") from None
    if any("\x00" in text for pair in pairs for text in pair):
        raise InvalidInput("what was sent has NUL characters")
    return pairs


M = TypeVar("M", bound=BaseModel)


def _validated(model: type[M], raw: bytes, *, query: bool) -> M:
    given: dict[str, Any] = {}
    for name, value in _pairs(raw):
        known = model.model_fields.get(name)
        if not value or name == CSRF_FIELD:
            continue
        if known is not None and get_origin(known.annotation) is list:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    try:
        return model.model_validate(given, strict=False)  # text becomes numbers
    except ValidationError as error:
        raise problems.invalid(error, query=query) from None
