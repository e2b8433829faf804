"""Starts every function in one process on one port, with the embedded backend: `make run`.

The functions are the very apps that are deployed alone on Google Cloud; here the gateway does what
the load balancer does there, and the loops below what Pub/Sub and Cloud Scheduler do.
"""

import asyncio
import contextlib
import gc
import getpass
import importlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import click
import uvicorn
import uvloop

from shared import bootstrap
from shared.adapters.schedule_inprocess import JobCaller, latest_tick, next_tick
from shared.cli.welcome import welcome
from shared.domain.access import DEFAULT_WORKSPACE
from shared.messages.events import JOBS, FunctionName
from shared.services import access, relaying, scheduling, signing_in
from shared.services.deps import Deps
from shared.web import telemetry
from shared.web.app import Api
from shared.web.gateway import Gateway

FUNCTIONS: tuple[FunctionName, ...] = (
    "submit",
    "approve",
    "feedback",
    "retrain",
    "serve",
    "publish",
    "notify",
    "monitor",
    "console",
)

BACKLOG = 2048
"""Connections that may wait to be taken."""

KEEP_ALIVE_S = 75
"""Seconds after which an unused connection is closed: later than clients give theirs up, which is
after 5 s in many, so that no request meets one that is just being closed.
"""

RELAY_PAUSE_S = 0.05
RELAY_BATCH = 200
RETRY_PAUSE_S = 0.5
RELAY_SHARE = 4
"""While requests come, the relay rests this many times as long as it worked, for their sake."""

SWITCH_INTERVAL_S = 0.0005
"""How long the committing thread may wait for the interpreter; the default of 5 ms would show."""

YOUNG_OBJECTS = 10_000
"""New objects after which cycles among them are looked for; a group of requests makes thousands."""

_PORTS = click.IntRange(0, 65535)

logger = logging.getLogger("whetstone.server")


def apps() -> list[Api]:
    """Returns the app of every function."""
    return [importlib.import_module(f"functions.{name}.main").app for name in FUNCTIONS]


class _Server(uvicorn.Server):
    """Ends on Ctrl-C and SIGTERM without raising them again, so that what follows is still done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Lets the signals end the server."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, self.handle_exit, one, None)
        try:
            yield
        finally:
            for one in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(one)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=_PORTS, envvar="PORT")
def serve(host: str, port: int) -> None:
    """Start all functions on one port, on the embedded backend."""
    telemetry.configure_logging(bootstrap.settings().log_level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listening = _listen(host, port)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(_serve(listening))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # who comes before the first request is taken waits
    except OSError as error:
        listening.close()
        problem = f"cannot listen on {host}:{port} ({error.strerror}); choose another PORT"
        raise click.ClickException(problem) from None
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return (
        f"http://[{host}]:{port}"
        if listening.family == socket.AF_INET6
        else f"http://{host}:{port}"
    )


async def _serve(listening: socket.socket) -> None:
    deps, _ = bootstrap.deps(), bootstrap.gate()  # what is wrong shows now, not at a request
    given = bootstrap.bootstrap_key()
    shown = await access.bootstrap_access(deps, given)
    gateway = Gateway(apps())
    bootstrap.CONSUMERS.update(
        {name: app.consume for name, app in gateway.apps.items() if app.consume}
    )
    server = _Server(
        uvicorn.Config(
            gateway,
            access_log=False,
            log_config=None,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=10,
        )
    )
    url, data_dir = _url(listening), bootstrap.settings().data_dir
    deps.answers_at(url)
    code = await _sign_in_code(deps)
    click.echo(welcome(url, data_dir, shown, given=given is not None, code=code))
    spare_what_stays()
    stop = asyncio.Event()
    loops = [asyncio.create_task(loop) for loop in _loops(deps, gateway, stop)]
    try:
        await server.serve(sockets=[listening])
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await deps.close()
        click.echo("Stopped; everything that was answered is kept.")


def spare_what_stays() -> None:
    """Keeps the collector of cycles from walking over what was loaded at the start, ever again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def _sign_in_code(deps: Deps) -> str:
    """Returns what signs in whoever started the server, under the name of its account here."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        name = "operator"
    return await signing_in.make_code(deps, name, "admin", DEFAULT_WORKSPACE, "system:start")


def _loops(
    deps: Deps, gateway: Gateway[Api], stop: asyncio.Event
) -> list[Coroutine[Any, Any, None]]:
    async def relay() -> float:
        started, seen = time.perf_counter(), gateway.requests
        if await relaying.relay(deps, RELAY_BATCH) == 0:
            return RELAY_PAUSE_S
        busy = gateway.requests != seen
        return RELAY_SHARE * (time.perf_counter() - started) if busy else 0.0

    async def retry() -> float:
        await deps.bus.retry_due()
        return RETRY_PAUSE_S

    loops = [_forever(relay), _forever(retry)]
    if bootstrap.settings().schedule_enabled:
        call = JobCaller(gateway, bootstrap.system_token)
        loops.append(scheduling.Schedule(deps, JOBS, call, latest_tick, next_tick).run(stop))
    return loops


async def _forever(step: Callable[[], Awaitable[float]]) -> None:
    """Repeats a step, pausing as long as it says; a step that fails is logged and tried again."""
    while True:
        pause_s = RETRY_PAUSE_S
        try:
            pause_s = await step()
        except Exception:
            logger.exception("loop.failed", extra={"step": step.__name__})
        await asyncio.sleep(pause_s)
