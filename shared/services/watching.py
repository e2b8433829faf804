"""What has just happened to entries, for pages that show it live.

Read from the audit log, where every change of an entry leaves a record with it: one small read for
all who watch a workspace, and nothing to keep in step.
"""

from dataclasses import dataclass

from shared.domain.audit import AuditRecord
from shared.services.deps import Deps

SEEN_AT_ONCE = 100
"""Records that one look reads; of more, only the newest are told."""

_CHANGES = {
    "entry.submitted": "new",
    "entry.revised": "new",
    "entry.decision_undone": "new",
    "entry.claimed": "claimed",
    "entry.released": "free",
    "entry.approval_counted": "free",
    "entry.approval_withdrawn": "free",
    "entry.edited": "edited",
    "entry.approved": "decided",
    "entry.rejected": "decided",
    "entry.revision_requested": "decided",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an entry.

    `kind` is new, claimed, free, edited or decided; `who` did it; `until` is when a claim ends.
    """

    entry_id: str
    kind: str
    who: str
    until: str = ""


async def newest(deps: Deps, workspace: str) -> int:
    """Returns the place of the newest record of the log, 0 for an empty one."""
    page = await deps.store.audit_page(workspace, limit=1)
    return page.items[0].seq if page.items else 0


async def changes(deps: Deps, workspace: str, after: int) -> tuple[list[Change], int]:
    """Returns what happened to entries after a place of the log, and the new place."""
    page = await deps.store.audit_page(workspace, limit=SEEN_AT_ONCE)
    fresh = [one for one in reversed(page.items) if one.seq > after]
    told = [_change(one) for one in fresh if one.action in _CHANGES]
    return told, fresh[-1].seq if fresh else after


def _change(record: AuditRecord) -> Change:
    reviewer = record.data.get("reviewer")
    who = reviewer if isinstance(reviewer, str) else record.actor
    until = record.data.get("expires_at")
    ends = until if isinstance(until, str) else ""
    return Change(record.subject, _CHANGES[record.action], who, ends)
