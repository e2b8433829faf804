"""Starts every function in one process on one port, with the embedded backend: `make run`.

The functions are the very apps that are deployed alone on Google Cloud; here the gateway does what the load balancer does
there, and the loops below what Pub/Sub and Cloud Scheduler do.
"""

import asyncio
import importlib
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable

import click
import uvicorn
import uvloop

from shared import bootstrap
from shared.messages.events import JOBS, FunctionName
from shared.services import access, relaying, scheduling
from shared.services.deps import Deps
from shared.web import guard, telemetry
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
)

RELAY_PAUSE_S = 0.05
RETRY_PAUSE_S = 0.5
SCHEDULE_PAUSE_S = 1.0
RELAY_SHARE = 4
"""The relay rests this many times as long as it worked, so that a burst of requests is not slowed by its own events."""

SWITCH_INTERVAL_S = 0.0005
"""How long the committing thread may wait for the interpreter; the default of 5 ms would show in every answer."""

_SYSTEM_TOKEN_S = 300

logger = logging.getLogger("whetstone.server")


def apps() -> list[Api]:
    """Returns the app of every function."""
    return [importlib.import_module(f"functions.{name}.main").app for name in FUNCTIONS]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), envvar="PORT")
def serve(host: str, port: int) -> None:
    """Start all functions on one port, on the embedded backend."""
    telemetry.configure_logging(bootstrap.settings().log_level)
    listening = _listen(host, port)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(_serve(listening))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port} ({error.strerror}); choose another PORT") from None
    return listening


async def _serve(listening: socket.socket) -> None:
    deps = bootstrap.deps()
    given = bootstrap.settings().bootstrap_api_key
    shown = await access.bootstrap_access(deps, given.get_secret_value() if given else None)
    gateway = Gateway(apps())
    bootstrap.CONSUMERS.update({name: app.consume for name, app in gateway.apps.items() if app.consume})
    server = uvicorn.Server(
        uvicorn.Config(
            gateway,
            access_log=False,
            log_config=None,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
    host, port = listening.getsockname()[:2]
    _welcome(f"http://{host}:{port}", shown)
    loops = [asyncio.create_task(loop) for loop in _loops(deps, gateway)]
    try:
        await server.serve(sockets=[listening])
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await deps.store.close()
        click.echo("Stopped; everything that was answered is kept.")


def _loops(deps: Deps, gateway: Gateway) -> list[Awaitable[None]]:
    async def relay() -> float:
        started = time.perf_counter()
        await relaying.relay(deps)
        return max(RELAY_PAUSE_S, RELAY_SHARE * (time.perf_counter() - started))

    async def retry() -> float:
        await deps.bus.retry_due()
        return RETRY_PAUSE_S

    async def tick() -> float:
        await scheduling.run_due(deps, lambda job: call_job(gateway, job))
        return SCHEDULE_PAUSE_S

    steps = [relay, retry, *([tick] if bootstrap.settings().schedule_enabled else [])]
    return [_forever(step) for step in steps]


async def _forever(step: Callable[[], Awaitable[float]]) -> None:
    """Repeats a step, pausing as long as it says; a step that fails is logged and tried again."""
    while True:
        pause_s = RETRY_PAUSE_S
        try:
            pause_s = await step()
        except Exception:
            logger.exception("loop.failed", extra={"step": step.__name__})
        await asyncio.sleep(pause_s)


async def call_job(gateway: Gateway, job: str) -> None:
    """Calls a job's path as Cloud Scheduler does, with the system's own token."""
    token = guard.mint(bootstrap.jwt_secret(), "schedule", "default", "system", time.time() + _SYSTEM_TOKEN_S)
    status = 0

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: dict[str, object]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(str(message["status"]))

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": JOBS[job].path,
        "raw_path": JOBS[job].path.encode(),
        "query_string": b"",
        "headers": headers,
    }
    await gateway(scope, receive, send)  # type: ignore[arg-type]
    if status >= 300:
        logger.error("job.failed", extra={"job": job, "status": status})


def _welcome(url: str, shown: str | None) -> None:
    header = f"-H 'X-API-Key: {shown or '$WHETSTONE_API_KEY'}'".replace("'X-API-Key: $", '"X-API-Key: $')
    header = header.replace("$WHETSTONE_API_KEY'", '$WHETSTONE_API_KEY"')
    json_type = "-H 'Content-Type: application/json'"
    entry = '{"topic":"billing","content":"Invoices can be reissued within 30 days.","confidence_score":0.9,"submitter":"support-agent"}'
    lines = [
        "",
        f"Whetstone is ready at {url}   API documentation: {url}/docs   health: {url}/health",
        f"Data is kept in {bootstrap.settings().data_dir.resolve()}",
    ]
    if shown:
        lines += ["", f"Your first API key, shown only now:  {shown}"]
    else:
        lines += ["", "Keys exist already; make another with: .venv/bin/whetstone key create --name mine --scope admin"]
    lines += [
        "",
        "Try it:",
        f"  curl {url}/v1/entries {header} {json_type} -d '{entry}'",
        f"  curl {url}/v1/approvals {header}",
        f"  curl {url}/v1/route {header} {json_type} -d '{{\"prompt\":\"Write a Python function that reverses a list.\"}}'",
        "",
    ]
    click.echo("\n".join(lines))

