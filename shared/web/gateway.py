"""All functions behind one port, as the load balancer puts them: each path goes to its function.

`/functions/<name>/…` reaches one function's own `/health`, `/ready` and `/metrics`; without that
prefix they are the monitor's.
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from shared.errors import NotFound
from shared.messages.events import FunctionName
from shared.web import problems
from shared.web.aliases import ALIASES, path_pattern
from shared.web.pages import wants_page
from shared.web.paths import apart

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FRONT: FunctionName = "monitor"
"""Answers for the whole where every function has the same path."""

PEOPLE: FunctionName = "console"
"""Answers browsers that ask for what nobody has."""

_PREFIX = "/functions/"


class Routed(Protocol):
    """A function behind the gateway: its app in this process, or the way to another process."""

    function: FunctionName
    peers: tuple[FunctionName, ...]

    @property
    def paths(self) -> Collection[tuple[str, str]]:
        """The methods and paths that it serves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""


F = TypeVar("F", bound=Routed)


class Gateway(Generic[F]):
    """Sends each request to the app of its function, and counts them in `requests`.

    Args:
        apps: the functions; a path that two of them serve goes to `FRONT`.
    """

    def __init__(self, apps: Sequence[F]) -> None:
        self.apps = {app.function: app for app in apps}
        self.requests = 0
        for app in apps:
            app.peers = tuple(self.apps)
        in_order = sorted(apps, key=lambda app: app.function == FRONT)
        paths = [(path, app) for app in in_order for _, path in app.paths]
        paths += [
            (row.path, self.apps[row.function]) for row in ALIASES if row.function in self.apps
        ]
        self._exact = {path: app for path, app in paths if "{" not in path}
        self._templates = [(path_pattern(path), app) for path, app in paths if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._refuse_other(scope, receive, send)
            return
        self.requests += 1
        path = scope["path"]
        app = self._exact.get(path)
        if app is None and path.startswith(_PREFIX):
            name, _, rest = path.removeprefix(_PREFIX).partition("/")
            app = self.apps.get(name)
            scope = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        if app is None:
            app = self._by_template(apart(scope))
        if app is None and wants_page(scope):
            app = self.apps.get(PEOPLE)
        if app is None:
            await self._not_found(path, send)
            return
        await app(scope, receive, send)

    def _by_template(self, path: str) -> F | None:
        for pattern, app in self._templates:
            if pattern.fullmatch(path):
                return app
        return None

    async def _not_found(self, path: str, send: Send) -> None:
        status, body, _ = problems.problem(NotFound(f"there is nothing at {path}"))
        headers = [
            (b"content-type", problems.MEDIA_TYPE),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _refuse_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
