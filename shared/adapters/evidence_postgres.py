"""The evidence log of the PostgreSQL store as rows."""

from shared.adapters.evidence_statements import evidence_rows, select
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_statements import WITHIN, send
from shared.ports import EvidenceKind, EvidenceRow


class PostgresEvidence:
    """Implements `ports.EvidenceLog`.

    Args:
        pool: where connections come from; the store's, which closes it.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def rows(
        self, workspace: str, kind: EvidenceKind, after: int, limit: int
    ) -> list[EvidenceRow]:
        """See EvidenceLog."""
        asked = (WITHIN, (workspace,)), (select(kind, "%s"), (workspace, after, limit))
        async with self._pool.connection() as connection:
            _, found = await send(connection, *asked)
        return evidence_rows(workspace, kind, found)
