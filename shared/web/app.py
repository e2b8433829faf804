"""Makes a function's app: a FastAPI app whose routes are Endpoints.

Invariant: a route cannot be added without saying what it needs of its caller.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import FastAPI, Query
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.errors import NotFound, WhetstoneError
from shared.messages.base import Answer, QueryParams
from shared.messages.events import Event, FunctionName
from shared.web import events, health, problems, telemetry
from shared.web.aliases import AliasTable
from shared.web.endpoint import Call, Endpoint, Gate, Receive, Scope, Send, answer_type
from shared.web.guard import PUBLIC, SYSTEM, Needs, needs
from shared.web.health import HealthReport
from shared.web.pages import Desk, Failed, Page, PageRoute, Pages, no_page, wants_page
from shared.web.paths import apart

H = TypeVar("H", bound=Callable[..., Awaitable[Any]])
Consumer = Callable[[Event], Awaitable[None]]

logger = logging.getLogger("whetstone.web")

_PROBLEM = {
    "description": "A problem document (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class _EndpointRoute(APIRoute):
    """A FastAPI route that documents a handler and hands requests to its Endpoint."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 -- FastAPI's
        super().__init__(path, endpoint, **options)
        self.app = endpoint.endpoint_app  # type: ignore[attr-defined]


class Handled(Answer):
    """Says that an event was taken, and need not be delivered again.

    `kept` where it was not handled but is kept, to be tried later or replayed; `for_another` where
    it was sent again for another consumer.
    """

    event_id: str
    status: Literal["handled", "kept", "for_another"] = "handled"


class Api(FastAPI):
    """A function's app.

    Every function serves /health, /ready and /metrics; `peers` are the functions of the same
    process that its /health also tells about.

    Args:
        function: its name.
        gate: gives the guard and the limits at the first request; nothing is built before.
    """

    def __init__(self, function: FunctionName, gate: Callable[[], Gate]) -> None:
        super().__init__(
            title=f"Whetstone {function}",
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self.function = function
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self.pages: dict[tuple[str, str], PageRoute] = {}
        self._exact: dict[tuple[str, str], Endpoint | PageRoute] = {}
        self.consume: Consumer | None = None
        self.router.route_class = _EndpointRoute
        self.add_exception_handler(HTTPException, _http_problem)  # type: ignore[arg-type]
        self.peers: tuple[FunctionName, ...] = ()
        self._gate = gate
        self._aliases = AliasTable(function)
        self._serve_health()

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        needs: Needs,
        status: int = 200,
        answers: Sequence[int] = (),
        media: Mapping[str, Any] | None = None,
    ) -> Callable[[H], H]:
        """Registers a handler for a method and a path; see `shared.web.endpoint`.

        Args:
            method: GET, POST, PUT.
            path: with `{name}` for its parts.
            needs: what the caller must show.
            status: of a good answer.
            answers: further statuses that this route has problems for, beyond the usual ones.
            media: OpenAPI content of the good answer, where it is not only JSON.
        """

        def register(handler: H) -> H:
            app = Endpoint(self.function, self._gate, method, path, handler, needs, status)
            answered = answer_type(handler)
            shim = _documented(handler, app)
            extra: dict[str, Any] = (
                {} if needs.public else {"security": [{"ApiKey": []}, {"Bearer": []}]}
            )
            usual = [422] if needs.public else [401, 403, 422, 429]
            if method != "GET":
                usual += [413, 415, 503]
            responses: dict[int | str, dict[str, Any]] = dict.fromkeys(
                sorted({*usual, *answers, *([404] if "{" in path else [])}), _PROBLEM
            )
            if media is not None:
                responses[status] = {"description": "Successful Response", "content": dict(media)}
            self.router.add_api_route(
                path,
                shim,
                methods=[method],
                status_code=status,
                tags=[self.function],
                summary=handler.__name__.replace("_", " ").capitalize(),
                description=inspect.getdoc(handler),
                operation_id=handler.__name__,
                responses=responses,
                openapi_extra=extra,
                response_model=None if answered is Any else answered,
            )
            self.endpoints[method, path] = app
            if "{" not in path:
                self._exact[method, path] = app
            return handler

        return register

    @property
    def paths(self) -> list[tuple[str, str]]:
        """Returns every method and path that this function serves."""
        return [*self.endpoints, *self.pages]

    def serve_pages(self, pages: Pages, desk: Callable[[], Desk], failed: Failed) -> None:
        """Serves pages; see `shared.web.pages`. Browsers get a page also where there is none.

        Args:
            pages: of one area.
            desk: gives what signs people in, at the first request.
            failed: makes the page that tells an error.
        """
        for (method, path), page in pages.found.items():
            route = PageRoute(method, path, page, self._gate, desk, failed)
            self.pages[method, path] = route
            if "{" in path:
                self.router.routes.append(Route(path, route, methods=[method]))
            else:
                self._exact[method, path] = route
        missing = PageRoute("GET", "(no page)", Page(no_page, None), self._gate, desk, failed)

        async def told(request: Request, error: HTTPException) -> Response:
            if wants_page(request.scope):
                return cast("Response", missing)  # an ASGI app, which is all that is asked of it
            return await _http_problem(request, error)

        self.add_exception_handler(HTTPException, told)  # type: ignore[arg-type]

    def consumer(self, handler: Consumer) -> Consumer:
        """Registers the handler of this function's events.

        It serves POST /events/<function>, and the embedded bus. What can never succeed, or waits
        for an operator, is kept by the bus and acknowledged; any other failure is answered as an
        error, so that the event is delivered again.
        """

        async def handle_event(call: Call, body: bytes) -> Handled:
            """Take one event: a raw Pub/Sub push body, or a CloudEvent."""
            got = events.receive(call.request_headers, body)
            if got.consumer not in {None, self.function}:
                return Handled(event_id=got.event.event_id, status="for_another")
            try:
                await handler(got.event)
            except Exception as error:
                extra = {"consumer": self.function, "event_id": got.event.event_id}
                logger.warning("event.failed", extra=extra, exc_info=_bug(error))
                bus = self._gate().bus
                if not await bus.failed(self.function, got.event, error, got.attempt):
                    raise
                return Handled(event_id=got.event.event_id, status="kept")
            return Handled(event_id=got.event.event_id)

        handle_event.__name__ = f"handle_{self.function}_event"
        self.endpoint("POST", f"/events/{self.function}", needs=SYSTEM)(handle_event)
        self.consume = handler
        return handler

    def _serve_health(self) -> None:
        gate = self._gate

        async def health_report(call: Call) -> HealthReport:  # noqa: ARG001 -- public
            """Tell how this function and what it needs are: `ok` or `degraded`, with latencies."""
            return await health.report(self.function, gate().version, gate().checks, self.peers)

        async def readiness(call: Call) -> HealthReport:  # noqa: ARG001 -- public
            """Answer 200 where this function can work, 503 where what it needs does not answer."""
            return await health.ready(self.function, gate().version, gate().checks)

        async def metrics(call: Call) -> Response:  # noqa: ARG001 -- the guard has looked
            """Read every metric of this process as OpenMetrics text."""
            body, media = telemetry.openmetrics()
            return Response(body, headers={"content-type": media, "cache-control": "no-store"})

        text = {"application/openmetrics-text": {"schema": {"type": "string"}}}
        self.endpoint("GET", "/health", needs=PUBLIC)(health_report)
        self.endpoint("GET", "/ready", needs=PUBLIC, answers=[503])(readiness)
        self.endpoint("GET", "/metrics", needs=needs("monitor", role="viewer"), media=text)(metrics)

    def as_answer(self) -> Response:
        """Returns this app as what a Cloud Function may return.

        The framework runs whatever a function returns as an ASGI app, and so hands the request on.
        """
        return cast("Response", self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request: exact paths at once, the others through the router."""
        if scope["type"] == "http":
            endpoint = self._exact.get((scope["method"], scope["path"]))
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
            if self._aliases.serves(scope):
                await self._aliases.answer(self, scope, receive, send)
                return
            scope = {**scope, "path": apart(scope)}
        await super().__call__(scope, receive, send)


def _bug(error: Exception) -> Exception | None:
    """Returns an error that nobody raised on purpose: its traceback is worth a log line."""
    return None if isinstance(error, WhetstoneError) else error


def _documented(handler: Callable[..., Any], app: Endpoint) -> Callable[..., Any]:
    """Returns a stand-in with the handler's signature as FastAPI reads it.

    Without the call, query models marked.
    """

    async def shim() -> None:
        """Never runs: the Endpoint answers."""

    signature = inspect.signature(handler, eval_str=True)
    parameters = [
        one.replace(annotation=Annotated[one.annotation, Query()])
        if _is_query(one.annotation)
        else one
        for one in signature.parameters.values()
        if one.annotation not in (Call, bytes)
    ]
    shim.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    shim.__name__ = handler.__name__
    shim.endpoint_app = app  # type: ignore[attr-defined]
    return shim


def _is_query(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, QueryParams)


async def _http_problem(request: Request, error: HTTPException) -> Response:
    path = request.url.path
    if error.status_code == 405:
        body = problems.method_not_allowed(request.method, path)
    else:
        _, body, _ = problems.problem(NotFound(f"there is nothing at {path}"))
    return Response(
        body, error.status_code, dict(error.headers or {}), problems.MEDIA_TYPE.decode()
    )
