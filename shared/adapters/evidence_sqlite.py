"""The evidence log of the SQLite store as rows."""

import asyncio
import sqlite3
from pathlib import Path

from shared.adapters import sqlite_schema
from shared.adapters.evidence_statements import evidence_rows, select
from shared.ports import EvidenceKind, EvidenceRow


class SqliteEvidence:
    """Implements `ports.EvidenceLog`.

    Args:
        path: the store's database file; the store has made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def rows(
        self, workspace: str, kind: EvidenceKind, after: int, limit: int
    ) -> list[EvidenceRow]:
        """See EvidenceLog."""
        return await asyncio.to_thread(self._rows, workspace, kind, after, limit)

    def _rows(
        self, workspace: str, kind: EvidenceKind, after: int, limit: int
    ) -> list[EvidenceRow]:
        connection = sqlite_schema.connect(self._path)
        try:
            found = connection.execute(select(kind, "?"), (workspace, after, limit)).fetchall()
        except sqlite3.Error as error:
            raise sqlite_schema.unreadable() from error
        finally:
            connection.close()
        return evidence_rows(workspace, kind, found)
