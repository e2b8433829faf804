"""The evidence log of the Firestore store as rows."""

from shared.adapters.evidence_statements import KINDS
from shared.adapters.firestore_logs import FirestoreLogs
from shared.adapters.firestore_writes import OUTCOMES, PROMPTS, RATINGS
from shared.adapters.store_firestore import FirestoreStore
from shared.ports import EvidenceKind, EvidenceRow

_LOGS = {"ratings": RATINGS, "outcomes": OUTCOMES, "prompts": PROMPTS}


class FirestoreEvidence:
    """Implements `ports.EvidenceLog`.

    Args:
        store: whose evidence.
    """

    def __init__(self, store: FirestoreStore) -> None:
        self._logs: FirestoreLogs = store.logs

    async def rows(
        self, workspace: str, kind: EvidenceKind, after: int, limit: int
    ) -> list[EvidenceRow]:
        """See EvidenceLog: asking for the head gives a place to what has none."""
        head = await self._logs.head(workspace, _LOGS[kind])
        if head <= after:
            return []
        found = await self._logs.rows(workspace, _LOGS[kind], after, head, limit)
        return [EvidenceRow(workspace, one["seq"], KINDS[kind](**one["row"])) for one in found]
