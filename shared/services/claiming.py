"""Claims: leases, so that two people do not review the same entry; one conditional write each."""

from pydantic import JsonValue

from shared.domain import claims
from shared.domain.access import Caller, IdempotencyKey
from shared.domain.entries import ENTRIES
from shared.messages.reviewing import ClaimedEntry, ClaimEntry, ReleasedEntry, ReleaseEntry
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.reviewing import entry_of, reviewer_of
from shared.services.unit import audited, once, writable


async def claim(
    deps: Deps, caller: Caller, entry_id: str, command: ClaimEntry, key: IdempotencyKey | None
) -> ClaimedEntry:
    """Leases an entry to its reviewer, or renews the lease that the reviewer holds.

    Raises:
        NotFound: no such entry in this workspace.
        NotAllowed: the reviewer is the submitter, or not the person who asks.
        Conflict: someone else holds it (`facts["claim"]`), or it does not wait for a decision.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    reviewer = reviewer_of(caller, command.reviewer)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> ClaimedEntry:
        entry = await entry_of(tx, entry_id)
        claimed, lease = claims.claim(entry, reviewer, now, command.seconds)
        tx.put(ENTRIES, claimed)
        data: dict[str, JsonValue] = {"token": lease.token, "expires_at": lease.expires_at}
        tx.audit(audited(caller, now, "entry.claimed", entry_id, reviewer=reviewer, **data))
        return ClaimedEntry(
            entry_id=entry_id,
            revision=claimed.revision,
            reviewer=lease.id,
            claim_token=lease.token,
            expires_at=lease.expires_at,
        )

    return await once(deps, caller, key, ClaimedEntry, work)


async def release(
    deps: Deps, caller: Caller, entry_id: str, command: ReleaseEntry, key: IdempotencyKey | None
) -> ReleasedEntry:
    """Gives the reviewer's claim back; nothing happens where there is none.

    Raises:
        NotFound: no such entry in this workspace.
        NotAllowed: the reviewer is not the person who asks.
        Conflict: someone else holds it, or the token is not that of the reviewer's claim.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    reviewer = reviewer_of(caller, command.reviewer)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> ReleasedEntry:
        entry = await entry_of(tx, entry_id)
        released = claims.release(entry, reviewer, now, command.claim_token)
        if released is entry:
            return ReleasedEntry(entry_id=entry_id, released=False)
        tx.put(ENTRIES, released)
        tx.audit(audited(caller, now, "entry.released", entry_id, reviewer=reviewer))
        return ReleasedEntry(entry_id=entry_id, released=True)

    return await once(deps, caller, key, ReleasedEntry, work)
