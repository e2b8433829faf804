"""A reviewer's own words: an edit makes the next revision, under both names.

Invariant: what the submitter wrote stays in the history; the edit is a revision of its own.
"""

from dataclasses import dataclass

from shared.domain.entries import Entry, Revision
from shared.domain.reviewing import archived
from shared.domain.times import Timestamp
from shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class Edited:
    """An entry at the revision that an edit made, and the one before as history keeps it."""

    entry: Entry
    before: Revision


def edit(entry: Entry, topic: str, content: str, digest: str, editor: str, at: Timestamp) -> Edited:
    """Returns the entry with these words as its next revision, which waits for a decision.

    Approvals of the words before do not count for these.

    Raises:
        Conflict: nothing was changed.
    """
    if digest == entry.content_hash:
        raise Conflict(f"nothing of entry {entry.id} was changed; approve it as it is")
    before = archived(entry).model_copy(update={"state": "superseded"})
    changes = {
        "revision": entry.revision + 1,
        "topic": topic,
        "content": content,
        "content_hash": digest,
        "edited_by": editor,
        "votes": [],
        "updated_at": at,
    }
    return Edited(entry.model_copy(update=changes), before)
