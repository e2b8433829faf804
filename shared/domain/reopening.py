"""Undo: for a moment a reviewer may take a decision back. Pure: values in, values out.

Invariants: the decision stays in the history as it was made, marked as undone; the same words then
wait as the next revision, so that there is still at most one decision a revision.
"""

from dataclasses import dataclass

from shared.domain.claims import same_person
from shared.domain.entries import Decision, Entry, Revision
from shared.domain.reviewing import archived, state_after
from shared.domain.times import Timestamp, seconds_between
from shared.errors import Conflict, NotAllowed

UNDO_S = 12.0
"""How long a decision may be undone, in seconds: ten that the page shows, and the way here."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """What an undo comes to.

    Args:
        entry: waits again, as its next revision.
        decision: as it was, with `undone_at`.
        undone: the revision that it was about, as history keeps it.
    """

    entry: Entry
    decision: Decision
    undone: Revision


def reopen(
    entry: Entry, decision: Decision, restored: int | None, reviewer: str, at: Timestamp
) -> Reopened:
    """Returns the entry as it waits again.

    Args:
        entry: at the revision that was decided.
        decision: on it.
        restored: the revision that is published again, None where none was before.
        reviewer: who takes it back.
        at: when.

    Raises:
        NotAllowed: somebody else decided.
        Conflict: it is too late, or the entry has moved on since.
    """
    if not same_person(decision.reviewer, reviewer):
        raise NotAllowed(f"{decision.reviewer} decided entry {entry.id}; only they can undo it")
    _check_time(decision.decided_at, entry, at)
    moved_on = entry.revision != decision.revision or entry.state != state_after(decision.verdict)
    if moved_on or decision.undone_at is not None:
        raise Conflict(f"entry {entry.id} has moved on since; nothing was undone")
    undone = archived(entry).model_copy(update={"state": "superseded"})
    changes = {
        "revision": entry.revision + 1,
        "state": "pending_approval",
        "published_revision": restored,
        "votes": [one for one in entry.votes if not same_person(one.id, reviewer)],
        "claim": None,
        "decided_at": None,
        "updated_at": at,
    }
    return Reopened(
        entry.model_copy(update=changes), decision.model_copy(update={"undone_at": at}), undone
    )


def withdraw(entry: Entry, reviewer: str, at: Timestamp) -> Entry:
    """Returns the entry without the reviewer's approval, the first of two.

    Raises:
        Conflict: there is none, or it is too late.
    """
    mine = [one for one in entry.votes if same_person(one.id, reviewer)]
    if entry.state != "pending_approval" or not mine:
        raise Conflict(f"there is nothing of {reviewer} to undo on entry {entry.id}")
    _check_time(mine[0].at, entry, at)
    others = [one for one in entry.votes if one not in mine]
    return entry.model_copy(update={"votes": others, "updated_at": at})


def _check_time(decided_at: Timestamp, entry: Entry, at: Timestamp) -> None:
    if seconds_between(decided_at, at) > UNDO_S:
        raise Conflict(f"it is too late to undo the decision on entry {entry.id}")
