"""The knowledge base as a log of publications.

Its version is their number, and the index is a fold over them.
"""

from typing import Literal

from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp


class KnowledgeHead(Record):
    """The newest version of a workspace's knowledge base; `id` is always `head`."""

    version: int
    updated_at: Timestamp


class Publication(Record):
    """One step of the knowledge base; `id` is the version in twelve digits.

    `add` puts a revision into search (and takes the entry's earlier one out), `remove` takes the
    entry out.
    """

    version: int
    operation: Literal["add", "remove"]
    entry_id: str
    revision: int
    blob_key: str
    published_at: Timestamp


KNOWLEDGE_HEADS = Collection("knowledge_heads", KnowledgeHead)
PUBLICATIONS = Collection(
    "publications", Publication, queries=(Query((), "version"), Query(("entry_id",), "version"))
)
