"""Sums over the evidence log of the SQLite store: GROUP BY over a range of it, in a thread."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from shared.adapters import sqlite_schema, sums_statements
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.trials import ArmSums

T = TypeVar("T")


class SqliteAnalytics:
    """Implements `ports.Analytics`. SQLite has one writer, so every committed row is settled.

    Args:
        path: the store's database file; the store has made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def head(self, workspace: str) -> tuple[int, int]:
        """See Analytics."""
        place = await self._fetch(tuple, sums_statements.HEAD, (workspace, workspace))
        ((ratings, outcomes),) = place
        return ratings, outcomes

    async def rating_sums(
        self, workspace: str, after: int, upto: int, days: int = 1
    ) -> list[RatingSums]:
        """See Analytics."""
        sql = sums_statements.RATINGS.format(days=days)
        return await self._fetch(RatingSums._make, sql, (workspace, after, upto))

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """See Analytics."""
        return await self._fetch(
            lambda row: OutcomeSums(*row), sums_statements.OUTCOMES, (workspace, after, upto)
        )

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """See Analytics."""
        return await self._fetch(
            lambda row: QualitySums(*row), sums_statements.QUALITY, (workspace, after, upto)
        )

    async def arm_sums(self, workspace: str, after: int, upto: int) -> list[ArmSums]:
        """See Analytics."""
        return await self._fetch(
            lambda row: ArmSums(*row), sums_statements.ARMS, (workspace, after, upto)
        )

    async def _fetch(
        self, make: Callable[[tuple[Any, ...]], T], sql: str, parameters: Sequence[object]
    ) -> list[T]:
        return await asyncio.to_thread(self._fetch_now, make, sql, parameters)

    def _fetch_now(
        self, make: Callable[[tuple[Any, ...]], T], sql: str, parameters: Sequence[object]
    ) -> list[T]:
        """Makes each row what it is as it comes, so that a long log is in memory once."""
        connection = sqlite_schema.connect(self._path)
        try:
            return list(map(make, connection.execute(sql, parameters)))
        except sqlite3.Error as error:
            raise sqlite_schema.unreadable() from error
        finally:
            connection.close()
