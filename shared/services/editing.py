"""Edit, then approve: a reviewer mends a submission's words and approves what came of it.

Invariant: one transaction makes the new revision and decides it, so nobody else meets it between.
"""

from pydantic import JsonValue

from shared.domain import editing, reviewing
from shared.domain.access import Caller
from shared.domain.claims import check_claim, check_reviewer
from shared.domain.entries import CONTENT_KEYS, REVISIONS, Entry, revision_id
from shared.domain.knowledge import sketch
from shared.domain.reviewing import Ruling
from shared.errors import Conflict
from shared.messages.reviewing import Decided, EditApprove
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.reviewing import decided, entry_of, record_ruled, write_ruled
from shared.services.submitting import bands_of, content_hash, write_keys
from shared.services.unit import audited, writable


async def edit_and_approve(
    deps: Deps, caller: Caller, entry_id: str, command: EditApprove
) -> Decided:
    """Approves an entry in the caller's words; where two must approve, it is the first approval.

    Raises:
        NotFound: no such entry in this workspace.
        NotAllowed: the caller submitted it.
        Conflict: it has moved on, somebody else holds it, nothing was changed, or another entry has
            these words already.
        Unavailable: the workspace is read-only.
    """
    settings = await writable(deps, caller.workspace)
    now = deps.clock.now_text()
    digest = content_hash(command.topic, command.content)

    async def work(tx: Transaction) -> Decided:
        entry = await entry_of(tx, entry_id)
        same = await tx.get(CONTENT_KEYS, digest)
        bands = await bands_of(tx, sketch.bands(command.content))
        replaced = None
        if entry.published_revision is not None:
            replaced = await tx.get(REVISIONS, revision_id(entry_id, entry.published_revision))
        _check(entry, caller, command, now)
        if same is not None and same.entry_id != entry_id:
            facts = {"entry_id": same.entry_id}
            raise Conflict(f"entry {same.entry_id} has these words already", facts=facts)
        edited = editing.edit(entry, command.topic, command.content, digest, caller.subject, now)
        ruling = Ruling("approve", caller.subject, now, command.notes)
        ruled = reviewing.decide(edited.entry, ruling, None, settings.two_approvals_above_risk)
        tx.put(REVISIONS, edited.before)
        write_keys(tx, edited.entry, bands)
        facts_: dict[str, JsonValue] = {"revision": edited.entry.revision, "content_hash": digest}
        tx.audit(audited(caller, now, "entry.edited", entry_id, **facts_))
        write_ruled(tx, ruled, replaced if ruled.supersedes is not None else None)
        record_ruled(deps, tx, caller, ruling, ruled)
        return decided(ruling, ruled)

    return await deps.store.transact(caller.workspace, work)


def _check(entry: Entry, caller: Caller, command: EditApprove, now: str) -> None:
    """Lets the caller change what it has seen and may decide."""
    check_reviewer(entry, caller.subject)
    seen = (command.revision, command.content_hash, "pending_approval")
    if (entry.revision, entry.content_hash, entry.state) != seen:
        raise Conflict(f"entry {entry.id} has moved on; read it again")
    check_claim(entry, caller.subject, now, command.claim_token)
