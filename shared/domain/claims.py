"""Claims on entries, and who may take part in a review at all. Pure: values in, values out.

Invariant: at most one claim lives; one that has expired or was superseded lets nobody decide.
"""

import unicodedata

from pydantic import JsonValue

from shared.domain.entries import Claim, Entry
from shared.domain.times import Timestamp, plus
from shared.errors import Conflict, NotAllowed


def claim(entry: Entry, reviewer: str, at: Timestamp, seconds: int) -> tuple[Entry, Claim]:
    """Returns the entry under the reviewer's lease until `seconds` after `at`, and the lease.

    A holder who claims again while the lease lives keeps its fencing token; every other claim gets
    the next one.

    Raises:
        NotAllowed: the reviewer is the submitter.
        Conflict: the entry does not wait for a decision, or someone else holds a live claim.
    """
    check_reviewer(entry, reviewer)
    if entry.state != "pending_approval":
        raise Conflict(
            f"entry {entry.id} is {entry.state}: there is nothing to review",
            facts={"state": entry.state},
        )
    current = live_claim(entry, at)
    if current is not None and not same_person(current.id, reviewer):
        raise _held(entry, current)
    token = entry.claims + 1 if current is None else current.token
    lease = Claim(id=reviewer, token=token, expires_at=plus(at, seconds))
    changes = {"claim": lease, "claims": max(entry.claims, token), "updated_at": at}
    return entry.model_copy(update=changes), lease


def release(entry: Entry, reviewer: str, at: Timestamp, token: int | None) -> Entry:
    """Returns the entry without the reviewer's claim; itself where the reviewer holds none.

    Raises:
        Conflict: someone else holds a live claim, or `token` is not that of the reviewer's claim.
    """
    current = entry.claim
    if current is None:
        return entry
    if not same_person(current.id, reviewer):
        if live_claim(entry, at) is not None:
            raise _held(entry, current)
        return entry
    if token is not None and token != current.token:
        raise _stale(entry, token)
    return entry.model_copy(update={"claim": None, "updated_at": at})


def live_claim(entry: Entry, at: Timestamp) -> Claim | None:
    """Returns the claim that holds at `at`, None where none does."""
    current = entry.claim
    return current if current is not None and current.expires_at > at else None


def check_reviewer(entry: Entry, reviewer: str) -> None:
    """Lets the reviewer take part.

    Raises:
        NotAllowed: the reviewer is the submitter.
    """
    if same_person(reviewer, entry.submitter) or same_person(reviewer, entry.submitted_by):
        raise NotAllowed(f"{reviewer} submitted entry {entry.id}; someone else must review it")


def check_claim(entry: Entry, reviewer: str, at: Timestamp, token: int | None) -> None:
    """Lets the reviewer decide at `at`.

    Args:
        entry: what is decided.
        reviewer: who decides.
        at: when.
        token: of the claim that the reviewer believes to hold; None where it names none.

    Raises:
        Conflict: someone else holds a live claim, the reviewer's own has expired (even where nobody
            has claimed since: claim again), or `token` is that of a claim that is over.
    """
    current = entry.claim
    if current is None or not same_person(current.id, reviewer):
        if current is not None and current.expires_at > at:
            raise _held(entry, current)
        if token is not None:
            raise _stale(entry, token)
    elif current.expires_at <= at:
        raise Conflict(
            f"the claim of {current.id} on entry {entry.id} expired at {current.expires_at};"
            " claim it again",
            facts={"claim": _shown(current)},
        )
    elif token not in (None, current.token):
        raise _stale(entry, token)


def same_person(one: str, other: str) -> bool:
    """Tells whether two names mean one person.

    Letters' case, spaces around and ways to write the same letter (Unicode NFKC) make no other
    person, so that nobody decides the own entry by spelling the name another way.
    """
    return one == other or _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _held(entry: Entry, current: Claim) -> Conflict:
    return Conflict(
        f"{current.id} reviews entry {entry.id} until {current.expires_at}",
        facts={"claim": _shown(current)},
    )


def _stale(entry: Entry, token: int | None) -> Conflict:
    return Conflict(
        f"claim {token} on entry {entry.id} is over; claim it again",
        facts={"claim": None if entry.claim is None else _shown(entry.claim)},
    )


def _shown(current: Claim) -> dict[str, JsonValue]:
    return {"reviewer": current.id, "expires_at": current.expires_at}
