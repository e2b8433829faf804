"""Sums over the evidence log of the PostgreSQL store: GROUP BY over a range of it."""

from collections.abc import Sequence
from typing import Any

from shared.adapters import sums_statements
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_statements import WITHIN, Row, send
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.trials import ArmSums

STATEMENT_S = 300
"""How long a sum may take, in seconds: runs are rare and read much."""

_PATIENTLY = f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"


def _portable(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


_HEAD, _RATINGS, _OUTCOMES, _QUALITY, _ARMS = map(
    _portable,
    (
        sums_statements.HEAD,
        sums_statements.RATINGS,
        sums_statements.OUTCOMES,
        sums_statements.QUALITY,
        sums_statements.ARMS,
    ),
)


class PostgresAnalytics:
    """Implements `ports.Analytics`.

    Positions are given under a lock that ends with the commit, so every row that can be read is
    settled, and none will appear behind it.

    Args:
        pool: where connections come from; the store's, which closes it.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def head(self, workspace: str) -> tuple[int, int]:
        """See Analytics."""
        ((ratings, outcomes),) = await self._fetch(workspace, _HEAD, (workspace, workspace))
        return ratings, outcomes

    async def rating_sums(
        self, workspace: str, after: int, upto: int, days: int = 1
    ) -> list[RatingSums]:
        """See Analytics."""
        rows = await self._fetch(workspace, _RATINGS.format(days=days), (workspace, after, upto))
        return [RatingSums._make(row) for row in rows]

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """See Analytics."""
        rows = await self._fetch(workspace, _OUTCOMES, (workspace, after, upto))
        return [OutcomeSums(*row) for row in rows]

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """See Analytics."""
        rows = await self._fetch(workspace, _QUALITY, (workspace, after, upto))
        return [QualitySums(*row) for row in rows]

    async def arm_sums(self, workspace: str, after: int, upto: int) -> list[ArmSums]:
        """See Analytics."""
        rows = await self._fetch(workspace, _ARMS, (workspace, after, upto))
        return [ArmSums(*row) for row in rows]

    async def _fetch(self, workspace: str, sql: str, parameters: Row) -> Sequence[Row]:
        asked: tuple[tuple[str, Any], ...] = (
            (WITHIN, (workspace,)),
            (_PATIENTLY, None),
            (sql, parameters),
        )
        async with self._pool.connection() as connection:
            return (await send(connection, *asked))[-1]
