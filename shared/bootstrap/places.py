"""Builds the adapter that the settings choose for each port that keeps or carries something.

An adapter is imported where it is chosen and nowhere else: the embedded start loads no SDK of
Google’s, and a function only those of its own ports. Nothing connects before its first use.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shared.config import Settings
from shared.ports import Analytics, Blobs, Bus, Clock, Committed, Ids, KnowledgeIndex, Store

if TYPE_CHECKING:
    from shared.adapters.bus_inprocess import Consumer


def store(chosen: Settings, committed: Committed) -> tuple[Store, Analytics]:
    """Returns the store, and what sums up the evidence in it.

    Args:
        chosen: the settings.
        committed: publishes what a transaction has put into the outbox; for stores that several
            processes share. Where one process has all, its relay does so in the background.
    """
    from shared.adapters.analytics_sqlite import SqliteAnalytics
    from shared.adapters.store_sqlite import SqliteStore

    records = SqliteStore(kept_in(chosen) / "whetstone.db")
    return records, SqliteAnalytics(records.path)


def blobs(chosen: Settings) -> Blobs:
    """Returns the store of objects."""
    if chosen.chosen.blobs == "gcs":
        from shared.adapters.blobs_gcs import GcsBlobs

        gcp = chosen.gcp
        return GcsBlobs(gcp.bucket or "", project=gcp.project, prefix=gcp.object_prefix)
    from shared.adapters.blobs_folder import FolderBlobs

    return FolderBlobs(kept_in(chosen) / "blobs")


def bus(chosen: Settings, records: Store, clock: Clock, consumers: "Mapping[str, Consumer]") -> Bus:
    """Returns the bus; `consumers` are the handlers of this process, where it delivers itself."""
    events = chosen.events
    if chosen.chosen.bus == "pubsub":
        from shared.adapters.bus_pubsub import PubSubBus

        gcp = chosen.gcp
        return PubSubBus(
            gcp.project or "", records, clock, prefix=gcp.topic_prefix, attempts=events.attempts
        )
    from shared.adapters.bus_inprocess import InProcessBus, Retries

    retries = Retries(events.attempts, events.first_backoff_s, events.longest_backoff_s)
    return InProcessBus(records, clock, consumers, retries)


def index(chosen: Settings, objects: Blobs) -> KnowledgeIndex:
    """Returns the knowledge index: on files here, or on copies of those that are with the blobs."""
    from shared.adapters.index_sqlite import SqliteKnowledgeIndex

    if chosen.chosen.blobs == "folder":
        return SqliteKnowledgeIndex(kept_in(chosen) / "index")
    from shared.adapters.index_blobs import StoredIndex

    copies = Path(tempfile.mkdtemp(prefix="whetstone-index-"))
    return StoredIndex(SqliteKnowledgeIndex(copies), objects)


def ids(chosen: Settings) -> Ids:
    """Returns the source of ids: in order for one file, without order where that spreads load."""
    if chosen.chosen.store == "sqlite":
        from shared.adapters.ids_sortable import SortableIds

        return SortableIds()
    from shared.adapters.ids_random import RandomIds

    return RandomIds()


def kept_in(chosen: Settings) -> Path:
    """Returns the folder of what is kept on this machine, made where it is missing."""
    chosen.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return chosen.data_dir
