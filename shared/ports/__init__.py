"""The edges of the system: what the services need from the world, as protocols.

Each port has one contract suite under tests/contract, which runs unchanged against every adapter.
Adapters raise the errors of `shared.errors`, never those of their driver.
"""

from shared.ports.archive import Archive, ArchiveRow, ArchiveView
from shared.ports.blobs import Blob, Blobs
from shared.ports.bus import Bus, DeadLetter
from shared.ports.completion import (
    ChatMessage,
    Completion,
    CompletionChunk,
    CompletionProvider,
    CompletionRequest,
)
from shared.ports.credentials import Secrets, SigningKeys
from shared.ports.evidence import Analytics, EvidenceFeed, EvidenceKind, EvidenceLog, EvidenceRow
from shared.ports.knowledge import (
    Embedder,
    Embedding,
    Hit,
    IndexChange,
    IndexDocument,
    IndexSize,
    KnowledgeIndex,
    SearchResult,
)
from shared.ports.notifying import Notification, Notifier
from shared.ports.schedule import JobSwitch, Schedule, ScheduledJob
from shared.ports.store import (
    MOST_LOOKED_THROUGH,
    Committed,
    OutboxItem,
    Store,
    Transaction,
)
from shared.ports.system import Clock, Ids

__all__ = [
    "MOST_LOOKED_THROUGH",
    "Analytics",
    "Archive",
    "ArchiveRow",
    "ArchiveView",
    "Blob",
    "Blobs",
    "Bus",
    "ChatMessage",
    "Clock",
    "Committed",
    "Completion",
    "CompletionChunk",
    "CompletionProvider",
    "CompletionRequest",
    "DeadLetter",
    "Embedder",
    "Embedding",
    "EvidenceFeed",
    "EvidenceKind",
    "EvidenceLog",
    "EvidenceRow",
    "Hit",
    "Ids",
    "IndexChange",
    "IndexDocument",
    "IndexSize",
    "JobSwitch",
    "KnowledgeIndex",
    "Notification",
    "Notifier",
    "OutboxItem",
    "Schedule",
    "ScheduledJob",
    "SearchResult",
    "Secrets",
    "SigningKeys",
    "Store",
    "Transaction",
]
