"""The look at the alert rules: what is wrong is raised, what is well again is resolved.

Invariant: a rule that could not be looked at (a dependency is away) changes no alert.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import JsonValue

from shared.domain.access import DEFAULT_WORKSPACE, WORKSPACES
from shared.domain.alerts import RuleName
from shared.domain.entries import ENTRIES
from shared.domain.knowledge.publication import KNOWLEDGE_HEADS
from shared.domain.learning.runs import RUNS
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.domain.times import Timestamp, seconds_between
from shared.domain.traffic import Traffic
from shared.errors import CorruptData, Unavailable, WhetstoneError
from shared.messages.events import Event
from shared.messages.monitoring import ChecksRun
from shared.services.access import list_workspaces
from shared.services.alerting import raise_alert, resolve_alert, rules_of
from shared.services.deps import Deps
from shared.services.knowledge import catch_up
from shared.services.leasing import tried
from shared.services.snapshots import head_of, info_of
from shared.services.unit import settings_of

LEAST_REQUESTS = 20
"""Fewer requests than this since the check before say nothing about shares and percentiles."""

_MOST_COUNTED = 10_000

logger = logging.getLogger("whetstone.checks")

Extra = Callable[[Deps, str], Awaitable[object]]
"""A further check of one workspace, which raises and resolves by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule's look found: the value to hold against the threshold, in words, and why."""

    value: float
    summary: str
    evidence: Mapping[str, JsonValue]


class TrafficWatch:
    """Turns counts since the start into traffic since the last look."""

    def __init__(self) -> None:
        self._before: Traffic | None = None

    def look(self, now: Traffic | None) -> Traffic | None:
        """Returns what was added since the look before; None where nothing is known yet."""
        if now is None:
            return None
        added = now.since(self._before)
        self._before = now
        return added


Look = Callable[[Deps, str], Awaitable[Finding]]


async def check(
    deps: Deps, recent: Traffic | None = None, extra: tuple[Extra, ...] = ()
) -> ChecksRun:
    """Looks at every rule in every workspace, raises and resolves.

    Args:
        deps: the ports.
        recent: this process's requests since the check before, None where they are not known.
        extra: further checks of each workspace.
    """
    workspaces = await list_workspaces(deps)
    changes: list[int] = []
    largest = 0
    for workspace in workspaces:
        for rule, look in _LOOKS.items():
            changes.append(await _settle(deps, workspace, rule, look))
        with suppress(WhetstoneError):  # while it is here: others' may take its place
            largest = max(largest, (await deps.index.size(workspace)).size_bytes)
        for one in extra:
            await _guarded(deps, workspace, one)
    for rule, look in _system_looks(recent).items():
        changes.append(await _settle(deps, DEFAULT_WORKSPACE, rule, look))
    return ChecksRun(
        workspaces=len(workspaces),
        open=changes.count(1),
        resolved=changes.count(-1),
        largest_index_bytes=largest,
    )


async def on_learning(deps: Deps, event: Event) -> None:
    """Closes the alert that learning has not run, as it just has."""
    if event.type == "learning.completed":
        await resolve_alert(
            deps, event.workspace, key="learning_not_run", reason=f"run {event.subject} is done"
        )


async def _settle(deps: Deps, workspace: str, rule: RuleName, look: Look) -> int:
    """Returns 1 where the alert is open after the look, -1 where it was closed, else 0."""
    try:
        chosen = (await rules_of(deps, workspace))[rule]
        finding = await look(deps, workspace) if chosen.enabled else None
        if finding is not None and finding.value >= chosen.threshold:
            await raise_alert(
                deps,
                workspace,
                rule=rule,
                key=rule,
                summary=finding.summary,
                evidence={**finding.evidence, "threshold": chosen.threshold},
            )
            return 1
        reason = "below the threshold again" if chosen.enabled else "the rule was turned off"
        closed = await resolve_alert(deps, workspace, key=rule, reason=reason)
    except WhetstoneError as error:
        logger.warning(
            "check.failed", extra={"workspace": workspace, "rule": rule, "detail": error.detail}
        )
        return 0
    return 0 if closed is None else -1


async def _guarded(deps: Deps, workspace: str, extra: Extra) -> None:
    try:
        await extra(deps, workspace)
    except WhetstoneError as error:
        logger.warning("check.failed", extra={"workspace": workspace, "detail": error.detail})


async def _dead_letters(deps: Deps, workspace: str) -> Finding:
    dead = await deps.bus.dead_letters(workspace, 100)
    count = f"{len(dead)} or more" if len(dead) == 100 else str(len(dead))  # noqa: PLR2004
    consumers = sorted({one.consumer for one in dead})
    return Finding(
        len(dead),
        f"{count} events were given up by {', '.join(consumers)}",
        {"consumers": list(consumers), "oldest": dead[0].since if dead else None},
    )


async def _oldest_pending(deps: Deps, workspace: str) -> Finding:
    page = await deps.store.find(
        workspace,
        ENTRIES,
        Filter("state", "==", "pending_approval"),
        order=Order("submitted_at"),
        limit=1,
    )
    if not page.items:
        return _nothing()
    oldest = page.items[0]
    waited = seconds_between(oldest.submitted_at, deps.clock.now_text())
    return Finding(
        waited,
        f"entry {oldest.id} has waited for a decision for {_hours(waited)}",
        {"entry_id": oldest.id, "submitted_at": oldest.submitted_at},
    )


async def _learning_not_run(deps: Deps, workspace: str) -> Finding:
    settings = await settings_of(deps, workspace)
    if settings.mode != "automatic" or settings.learning_stopped or settings.hold is not None:
        return _nothing()
    if tried(await head_of(deps, workspace), settings) is not None:
        return _nothing()
    if not await _unread_evidence(deps, workspace):
        return _nothing()
    since = await _last_success(deps, workspace)
    if since is None:
        return _nothing()
    waited = seconds_between(since, deps.clock.now_text())
    return Finding(waited, f"no training run has succeeded for {_hours(waited)}", {"since": since})


async def _unread_evidence(deps: Deps, workspace: str) -> bool:
    ratings, outcomes = await deps.analytics.head(workspace)
    head = await head_of(deps, workspace)
    snapshot = await info_of(deps, workspace, head.tip_id)
    if snapshot is None:
        return ratings > 0 or outcomes > 0
    return ratings > snapshot.ratings_watermark or outcomes > snapshot.outcomes_watermark


async def _last_success(deps: Deps, workspace: str) -> Timestamp | None:
    """Returns when a real run last succeeded, or when the workspace was made."""
    page = await deps.store.find(
        workspace,
        RUNS,
        Filter("status", "==", "succeeded"),
        Filter("dry_run", "==", value=False),
        order=Order("requested_at", descending=True),
        limit=1,
    )
    if page.items:
        return page.items[0].finished_at
    made = await deps.store.get(SYSTEM_WORKSPACE, WORKSPACES, workspace)
    return None if made is None else made.created_at


async def _index_behind(deps: Deps, workspace: str) -> Finding:
    head = await deps.store.get(workspace, KNOWLEDGE_HEADS, "head")
    published = 0 if head is None else head.version
    shown = await deps.index.version(workspace)
    if shown < published:
        # Each instance has its own index and brings it up to date when it searches: so does this.
        with suppress(Unavailable, CorruptData):
            shown = await catch_up(deps, workspace)
    return Finding(
        published - shown,
        f"search shows version {shown} of {published}",
        {"published": published, "shown": shown},
    )


async def _index_large(deps: Deps, workspace: str) -> Finding:
    size = await deps.index.size(workspace)
    if size.room_bytes is None:
        return _nothing()
    share = size.size_bytes / size.room_bytes
    taken_mb, room_mb = size.size_bytes / 1e6, size.room_bytes / 1e6
    return Finding(
        share,
        f"the search index takes {share:.1f} of the room that instances have for indexes",
        {"size_mb": round(taken_mb, 1), "room_mb": round(room_mb, 1)},
    )


async def _outbox_backlog(deps: Deps, workspace: str) -> Finding:
    threshold = (await rules_of(deps, workspace))["outbox_backlog"].threshold
    most = min(_MOST_COUNTED, max(1, math.ceil(threshold)))
    waiting = await deps.store.outbox(most)
    oldest = waiting[0].event.occurred_at if waiting else None
    return Finding(
        len(waiting), f"{len(waiting)} or more events wait to be published", {"oldest": oldest}
    )


_LOOKS: Mapping[RuleName, Look] = {
    "dead_letters": _dead_letters,
    "oldest_pending": _oldest_pending,
    "learning_not_run": _learning_not_run,
    "index_behind": _index_behind,
    "index_large": _index_large,
}


def _system_looks(recent: Traffic | None) -> dict[RuleName, Look]:
    looks: dict[RuleName, Look] = {"outbox_backlog": _outbox_backlog}
    if recent is None or recent.requests < LEAST_REQUESTS:
        return looks
    p99_s = recent.quantile_s(0.99) or 0.0

    async def error_rate(_: Deps, __: str) -> Finding:
        return Finding(
            recent.error_share,
            f"{recent.errors} of {recent.requests} requests failed since the last check",
            {"errors": recent.errors, "requests": recent.requests},
        )

    async def latency_p99(_: Deps, __: str) -> Finding:
        return Finding(
            p99_s,
            f"one request in a hundred took {p99_s:.2g} s or more since the last check",
            {"p99_s": p99_s, "requests": recent.requests},
        )

    return {**looks, "error_rate": error_rate, "latency_p99": latency_p99}


def _nothing() -> Finding:
    return Finding(-1.0, "", {})


def _hours(seconds: float) -> str:
    """Returns whole hours, so that the words do not change at each look."""
    hours = int(seconds // 3_600)
    return f"{hours} hours" if hours != 1 else "1 hour"
