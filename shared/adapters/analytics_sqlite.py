"""Sums over the evidence log of the SQLite store: GROUP BY over a range of it, in a thread."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.adapters import sqlite_schema
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums

_RANGE = "workspace = ? AND seq > ? AND seq <= ?"

_RATINGS = f"""
SELECT pattern, provider, model, day, SUM(sign), SUM(sign * quality),
       SUM(sign * quality * quality), SUM(sign * correct), SUM(sign * cost_nanousd),
       SUM(sign * costed), SUM(sign * latency_ms), SUM(sign * timed)
FROM evidence_ratings WHERE {_RANGE}
GROUP BY pattern, provider, model, day
ORDER BY pattern, provider, model, day
"""

_QUALITY = f"""
SELECT snapshot_id, SUM(sign), SUM(sign * quality), SUM(sign * quality * quality),
       SUM(sign * correct)
FROM evidence_ratings WHERE {_RANGE} GROUP BY snapshot_id ORDER BY snapshot_id
"""

_OFFSET = "(second % 86400)"
_EARNED = "CASE WHEN completed AND points > 0 THEN second END"
_OUTCOMES = f"""
SELECT agent_id, recommendation_type, agreed, confident, day, COUNT(*), SUM(completed),
       SUM(completed * points), SUM(completed * points * points), SUM(completed * quality),
       SUM(completed * quality * quality), SUM(completed * timely),
       SUM(completed * confidence_millis), SUM(completed * {_OFFSET}),
       SUM(completed * {_OFFSET} * {_OFFSET}), SUM(completed * {_OFFSET} * points),
       COALESCE(MIN({_EARNED}), 0), COALESCE(MAX({_EARNED}), 0)
FROM evidence_outcomes WHERE {_RANGE}
GROUP BY agent_id, recommendation_type, agreed, confident, day
ORDER BY agent_id, recommendation_type, agreed, confident, day
"""

_HEAD = """
SELECT (SELECT COALESCE(MAX(seq), 0) FROM evidence_ratings WHERE workspace = ?1),
       (SELECT COALESCE(MAX(seq), 0) FROM evidence_outcomes WHERE workspace = ?1)
"""


class SqliteAnalytics:
    """Implements `ports.Analytics`. SQLite has one writer, so every committed row is settled.

    Args:
        path: the store's database file; the store has made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def head(self, workspace: str) -> tuple[int, int]:
        """See Analytics."""
        ((ratings, outcomes),) = await self._fetch(_HEAD, (workspace,))
        return ratings, outcomes

    async def rating_sums(self, workspace: str, after: int, upto: int) -> list[RatingSums]:
        """See Analytics."""
        return [RatingSums(*row) for row in await self._fetch(_RATINGS, (workspace, after, upto))]

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """See Analytics."""
        return [OutcomeSums(*row) for row in await self._fetch(_OUTCOMES, (workspace, after, upto))]

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """See Analytics."""
        return [QualitySums(*row) for row in await self._fetch(_QUALITY, (workspace, after, upto))]

    async def _fetch(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        return await asyncio.to_thread(self._fetch_now, sql, parameters)

    def _fetch_now(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        connection = sqlite_schema.connect(self._path)
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise sqlite_schema.unreadable() from error
        finally:
            connection.close()
