"""The one place that picks the concrete adapters, from the settings, at the first use.

Every function asks here; what it is given is built once per process and lazily: importing this
module reads and connects nothing.
"""

import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared import config
from shared.adapters.clock_system import SystemClock
from shared.adapters.commit_git import read_commit
from shared.adapters.secret_file import kept_secret
from shared.bootstrap import people, places
from shared.domain.access import DEFAULT_WORKSPACE
from shared.messages.events import Event
from shared.messages.monitoring import SystemInfo
from shared.ports import Bus, OutboxItem
from shared.services.deps import Deps, Options
from shared.web.guard import Guard
from shared.web.health import Check
from shared.web.limits import RateLimits

CONSUMERS: dict[str, Callable[[Event], Awaitable[None]]] = {}
"""Handlers of events in this process, by function; the local server fills it for its bus."""


@dataclass(slots=True)
class WebGate:
    """What the web layer needs: see `shared.web.endpoint.Gate`."""

    guard: Guard
    limits: RateLimits
    body_bytes: int
    version: str
    checks: Mapping[str, Check]
    bus: Bus
    started_at: str


@cache
def settings() -> config.Settings:
    """Returns the settings, read once."""
    return config.load()


@cache
def deps() -> Deps:
    """Returns the ports of this process."""
    chosen = settings()
    clock = SystemClock()
    store, analytics = places.store(chosen, _relay)
    blobs = places.blobs(chosen)
    return Deps(
        store=store,
        analytics=analytics,
        blobs=blobs,
        bus=places.bus(chosen, store, clock, CONSUMERS),
        index=places.index(chosen, blobs),
        clock=clock,
        ids=places.ids(chosen),
        catalogue=people.catalogue(chosen),
        providers=people.providers(chosen),
        notifiers=people.notifiers(chosen.notify, clock),
        options=Options(
            learning=chosen.learning,
            idempotency_hours=chosen.idempotency_hours,
            snapshot_poll_s=chosen.serving.snapshot_poll_s,
            completion_timeout_s=chosen.serving.completion_timeout_s,
            completion_deadline_s=chosen.serving.completion_deadline_s,
            completion_attempts=chosen.serving.completion_attempts,
            expected_output_tokens=chosen.serving.expected_output_tokens,
            console_url=chosen.notify.console_url,
        ),
    )


@cache
def gate() -> WebGate:
    """Returns the guard and the limits of this process."""
    limits = settings().limits
    guard = Guard(deps().store, deps().clock, jwt_secret())
    checks: dict[str, Check] = {
        "store": deps().store.ping,
        "blobs": deps().blobs.ping,
        "index": lambda: deps().index.version(DEFAULT_WORKSPACE),
    }
    return WebGate(
        guard,
        RateLimits(limits.burst, deps().clock),
        limits.body_bytes,
        config.VERSION,
        checks,
        deps().bus,
        deps().clock.now_text(),
    )


def system_info() -> SystemInfo:
    """Returns what runs here, without secrets."""
    return SystemInfo(
        version=config.VERSION,
        commit=commit(),
        python=platform.python_version(),
        backend=settings().backend,
        started_at=gate().started_at,
        configuration=config.without_secrets(settings()),
    )


@cache
def commit() -> str | None:
    """Returns the commit that runs: as set when it was built, else that of the checkout.

    None where neither tells.
    """
    return settings().commit or read_commit(Path(__file__).resolve().parents[2])


@cache
def jwt_secret() -> str:
    """Returns the secret that signs people's tokens.

    Made, and kept beside the data, where none is set; where there are several processes the
    settings must have one.
    """
    given = settings().jwt_secret
    if given is not None:
        return given.get_secret_value()
    return kept_secret(places.kept_in(settings()) / "jwt_secret")


def reset() -> None:
    """Forgets what was built, so that the next use builds it anew.

    For tests, and for a server that restarts in place.
    """
    for built in (settings, deps, gate, jwt_secret, commit):
        built.cache_clear()
    CONSUMERS.clear()


async def _relay(items: Sequence[OutboxItem]) -> None:
    """Publishes what a transaction has just committed; what fails stays for the sweeper."""
    await deps().bus.publish([item.event for item in items])
    await deps().store.outbox_done(items)
