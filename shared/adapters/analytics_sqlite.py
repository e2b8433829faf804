"""Sums over the evidence log of the SQLite store: GROUP BY over a range of it, in a thread."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.adapters import sqlite_schema, sums_statements
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.trials import ArmSums


class SqliteAnalytics:
    """Implements `ports.Analytics`. SQLite has one writer, so every committed row is settled.

    Args:
        path: the store's database file; the store has made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def head(self, workspace: str) -> tuple[int, int]:
        """See Analytics."""
        ((ratings, outcomes),) = await self._fetch(sums_statements.HEAD, (workspace, workspace))
        return ratings, outcomes

    async def rating_sums(self, workspace: str, after: int, upto: int) -> list[RatingSums]:
        """See Analytics."""
        return [
            RatingSums._make(row)
            for row in await self._fetch(sums_statements.RATINGS, (workspace, after, upto))
        ]

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """See Analytics."""
        return [
            OutcomeSums(*row)
            for row in await self._fetch(sums_statements.OUTCOMES, (workspace, after, upto))
        ]

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """See Analytics."""
        return [
            QualitySums(*row)
            for row in await self._fetch(sums_statements.QUALITY, (workspace, after, upto))
        ]

    async def arm_sums(self, workspace: str, after: int, upto: int) -> list[ArmSums]:
        """See Analytics."""
        return [
            ArmSums(*row)
            for row in await self._fetch(sums_statements.ARMS, (workspace, after, upto))
        ]

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
