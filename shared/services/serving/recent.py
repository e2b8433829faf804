"""The newest routing decisions of a window, read once for everything that counts them."""

import asyncio
from dataclasses import dataclass

from shared.domain.feedback import ROUTING_DECISIONS, RoutingDecision
from shared.domain.records import Filter, Order
from shared.domain.times import plus
from shared.services.deps import Deps

MAX_DECISIONS = 10_000
"""Decisions that one answer counts; a counter instead would make every decision write to it."""

_PAGE = 250
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Recent:
    """Decisions, newest first; `truncated` where the window has more than are read."""

    window: str
    decisions: list[RoutingDecision]
    truncated: bool


async def recent_decisions(deps: Deps, workspace: str, window: str) -> Recent:
    """Returns the newest decisions within a window like `24h`, at most `MAX_DECISIONS`."""
    since = plus(deps.clock.now_text(), -int(window[:-1]) * _SECONDS[window[-1]])
    found: list[RoutingDecision] = []
    cursor: str | None = None
    while len(found) < MAX_DECISIONS:
        page = await deps.store.find(
            workspace,
            ROUTING_DECISIONS,
            Filter("decided_at", ">=", since),
            order=Order("decided_at", descending=True),
            limit=min(_PAGE, MAX_DECISIONS - len(found)),
            cursor=cursor,
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return Recent(window, found, truncated=False)
        await asyncio.sleep(0)  # decisions that wait come first
    return Recent(window, found, truncated=True)
