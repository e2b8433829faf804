"""What an agent recommended over time, and how it stands beside the others. Writes nothing.

Summed up when asked from the agent's own newest recommendations, found by an index: nothing is
scanned, and no counter has to be kept for it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from shared.domain.access import Caller
from shared.domain.buckets import bucket_of, buckets_over, step_for
from shared.domain.feedback import RECOMMENDATIONS, Recommendation
from shared.domain.learning.patterns import Strength, strength
from shared.domain.learning.stats import wilson
from shared.domain.learning.trust import ALL_TYPES, TrustCard
from shared.domain.records import Filter, Order
from shared.domain.times import second_text
from shared.messages.watching import (
    AgentHistory,
    CalibrationBin,
    RecommendationBucket,
    TeamMeans,
)
from shared.services.deps import Deps
from shared.services.snapshots import open_current

MAX_READ = 2_000
"""Recommendations of the agent that one answer reads, at most; the newest count."""

BUCKETS = 24
BINS = 10
_LEVEL = 0.95
_PAGE = 250
_POINTS = {"approved": 1.0, "partial": 0.5, "rejected": 0.0}


async def agent_history(deps: Deps, caller: Caller, agent_id: str) -> AgentHistory:
    """Returns what an agent recommended; empty for one that never did."""
    found, truncated = await _newest(deps, caller.workspace, agent_id)
    found.reverse()
    step = step_for(found[0].created_at, found[-1].created_at, BUCKETS) if found else 1
    return AgentHistory(
        agent_id=agent_id,
        read=len(found),
        truncated=truncated,
        step_s=step,
        buckets=_buckets(found, step),
        calibration=_calibration(found),
        strength=await _strength(deps, caller.workspace, agent_id),
    )


async def team_means(deps: Deps, caller: Caller) -> TeamMeans:
    """Returns the means over every agent with outcomes; of the current snapshot."""
    cards = [one for one in await _cards(deps, caller.workspace) if one.n]
    done = sum(one.n for one in cards)
    rates = sum((one.approval_rate or 0.0) * one.n for one in cards)
    qualities = sum((one.mean_quality or 0.0) * one.n for one in cards)
    return TeamMeans(
        agents=len(cards),
        overall=sum(one.overall for one in cards) / len(cards) if cards else None,
        approval_rate=rates / done if done else None,
        mean_quality=qualities / done if done else None,
    )


async def _newest(deps: Deps, workspace: str, agent_id: str) -> tuple[list[Recommendation], bool]:
    found: list[Recommendation] = []
    cursor: str | None = None
    while len(found) < MAX_READ:
        page = await deps.store.find(
            workspace,
            RECOMMENDATIONS,
            Filter("agent_id", "==", agent_id),
            order=Order("created_at", descending=True),
            limit=_PAGE,
            cursor=cursor,
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found, False
        await asyncio.sleep(0)
    return found, True


def _buckets(found: Sequence[Recommendation], step: int) -> list[RecommendationBucket]:
    groups: dict[int, list[Recommendation]] = defaultdict(list)
    for one in found:
        groups[bucket_of(one.created_at, step)].append(one)
    return [_bucket(number * step, groups.get(number, [])) for number in buckets_over(groups)]


def _bucket(second: int, ones: Sequence[Recommendation]) -> RecommendationBucket:
    statuses = [one.status for one in ones]
    points = [_POINTS[status] for status in statuses if status is not None]
    qualities = [one.quality_score for one in ones if one.quality_score is not None]
    return RecommendationBucket(
        at=second_text(second),
        approved=statuses.count("approved"),
        partial=statuses.count("partial"),
        rejected=statuses.count("rejected"),
        waiting=statuses.count(None),
        approval_rate=sum(points) / len(points) if points else None,
        mean_quality=sum(qualities) / len(qualities) if qualities else None,
    )


def _calibration(found: Sequence[Recommendation]) -> list[CalibrationBin]:
    bins: dict[int, list[Recommendation]] = defaultdict(list)
    for one in found:
        if one.status is not None:
            bins[min(BINS - 1, int(one.confidence_score * BINS))].append(one)
    return [_bin(bins[place]) for place in sorted(bins)]


def _bin(ones: Sequence[Recommendation]) -> CalibrationBin:
    n = len(ones)
    points = sum(_POINTS[one.status] for one in ones if one.status is not None)
    low, high = wilson(points, n, _LEVEL)
    return CalibrationBin(
        stated=sum(one.confidence_score for one in ones) / n,
        approval_rate=points / n,
        low=low,
        high=high,
        n=n,
    )


async def _strength(deps: Deps, workspace: str, agent_id: str) -> Strength | None:
    """Returns how far the agent is surely above the others; None where it is not, or is alone."""
    own, others = None, []
    for card in await _cards(deps, workspace):
        if card.agent_id == agent_id:
            own = card
        elif card.n:
            others.append(card)
    done = sum(one.n for one in others)
    if own is None or not done:
        return None
    base = sum((one.approval_rate or 0.0) * one.n for one in others) / done
    return strength(own.approval_low - base) if own.approval_low > base else None


async def _cards(deps: Deps, workspace: str) -> list[TrustCard]:
    current = await open_current(deps, workspace)
    trust = current.snapshot.trust if current else ()
    return [one for one in trust if one.recommendation_type == ALL_TYPES]
