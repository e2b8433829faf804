"""Sums over the evidence of the Firestore store.

Firestore does not group, so the rows of the range are read page by page and added here. A run asks
for what came since the last one, so this costs a read for each new row, once; where that becomes
much, BigQuery does it (see the setting `analytics`).
"""

from collections.abc import AsyncIterator
from typing import Any

from shared.adapters.firestore_logs import FirestoreLogs
from shared.adapters.firestore_writes import OUTCOMES, RATINGS
from shared.adapters.store_firestore import FirestoreStore
from shared.domain.learning.sums import MAX_COST, OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.trials import ArmSums

PAGE = 1_000
"""Rows in memory at a time."""

_DAY_S = 86_400
_RATED = "pattern", "provider", "model", "cell"

_Sums = dict[tuple[Any, ...], list[int]]


class FirestoreAnalytics:
    """Implements `ports.Analytics`.

    Args:
        store: whose evidence.
    """

    def __init__(self, store: FirestoreStore) -> None:
        self._logs: FirestoreLogs = store.logs

    async def head(self, workspace: str) -> tuple[int, int]:
        """See Analytics."""
        ratings = await self._logs.head(workspace, RATINGS)
        return ratings, await self._logs.head(workspace, OUTCOMES)

    async def rating_sums(
        self, workspace: str, after: int, upto: int, days: int = 1
    ) -> list[RatingSums]:
        """See Analytics."""
        sums: _Sums = {}
        newest: dict[tuple[Any, ...], int] = {}
        async for row in self._rows(workspace, RATINGS, after, upto):
            if row["standing"]:
                names, day = [row[name] for name in _RATED], row["day"]
                group = (day // days, *names, row["standing"], row["epoch"], row["bundle"])
                newest[group] = max(day, newest.get(group, day))
                _add(sums, group, [*_quality(row), *_effort(row), *_weighted(row)])
        return [
            RatingSums._make([*group[1:5], newest[group], *sums[group], *group[5:]])
            for group in sorted(sums)
        ]

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """See Analytics."""
        sums: _Sums = {}
        async for row in self._rows(workspace, RATINGS, after, upto):
            if row["standing"]:
                _add(sums, (row["snapshot_id"],), _quality(row))
        return [QualitySums(*group, *totals) for group, totals in sorted(sums.items())]

    async def arm_sums(self, workspace: str, after: int, upto: int) -> list[ArmSums]:
        """See Analytics."""
        sums: _Sums = {}
        async for row in self._rows(workspace, RATINGS, after, upto):
            if row["standing"] and row["arm"]:
                _add(sums, (row["arm"], row["quality"], row["correct"]), _of_arm(row))
        return [ArmSums(*group, *totals) for group, totals in sorted(sums.items())]

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """See Analytics."""
        sums: _Sums = {}
        earned: dict[tuple[Any, ...], tuple[int, int]] = {}
        async for row in self._rows(workspace, OUTCOMES, after, upto):
            group = (
                row["agent_id"],
                row["recommendation_type"],
                row["agreed"],
                row["confident"],
                min(row["confidence_millis"] // 100, 9),
                row["evaluator"],
                row["day"],
            )
            _add(sums, group, _outcome(row))
            if row["completed"] and row["points"] > 0:
                first, last = earned.get(group, (row["second"], row["second"]))
                earned[group] = min(first, row["second"]), max(last, row["second"])
        for group, totals in sums.items():
            totals.extend(earned.get(group, (0, 0)))
        return [OutcomeSums(*group, *totals) for group, totals in sorted(sums.items())]

    async def _rows(
        self, workspace: str, log: str, after: int, upto: int
    ) -> AsyncIterator[dict[str, Any]]:
        if after < upto:
            await self._logs.reach(workspace, log, upto)
        while after < upto:
            rows = await self._logs.rows(workspace, log, after, upto, PAGE)
            for row in rows:
                yield row["row"]
            if len(rows) < PAGE:
                return
            after = rows[-1]["seq"]


def _quality(row: dict[str, Any]) -> list[int]:
    sign, quality = row["sign"], row["quality"]
    return [sign, sign * quality, sign * quality * quality, sign * row["correct"]]


def _of_arm(row: dict[str, Any]) -> list[int]:
    micro, latency = min(row["cost_nanousd"], MAX_COST) // 1000, row["latency_ms"]
    costs = [row["cost_nanousd"], row["costed"], micro * micro]
    return [row["sign"] * one for one in (1, *costs, latency, row["timed"], latency * latency)]


def _effort(row: dict[str, Any]) -> list[int]:
    names = "cost_nanousd", "costed", "latency_ms", "timed"
    tokens = "input_tokens", "output_tokens", "tokened"
    return [row["sign"] * row[name] for name in (*names, *tokens)]


def _weighted(row: dict[str, Any]) -> list[int]:
    weight, quality, correct = row["weight"], row["quality"], row["correct"]
    if not weight:
        return [0] * 6
    cost = min(row["cost_nanousd"], MAX_COST)
    figures = [1, *(weight * one for one in (1, quality, correct, cost, row["costed"]))]
    return [row["sign"] * figure for figure in figures]


def _outcome(row: dict[str, Any]) -> list[int]:
    if not row["completed"]:
        return [1] + [0] * 11
    points, quality, offset = row["points"], row["quality"], row["second"] % _DAY_S
    return [
        1,
        1,
        points,
        points * points,
        quality,
        quality * quality,
        row["timely"],
        row["confidence_millis"],
        row["ease_millis"],
        offset,
        offset * offset,
        offset * points,
    ]


def _add(sums: _Sums, group: tuple[Any, ...], amounts: list[int]) -> None:
    totals = sums.setdefault(group, [0] * len(amounts))
    for position, amount in enumerate(amounts):
        totals[position] += amount
