"""What has just happened to entries, for pages that show it live.

Read from the audit log, where every change of an entry leaves a record with it: one small read for
all who watch a workspace, and nothing to keep in step.
"""

from dataclasses import dataclass

from shared.domain.audit import AuditRecord
from shared.services.deps import Deps

SEEN_AT_ONCE = 100
"""Records that one look reads; the next look goes on behind them."""

FAR_BEHIND = 1000
"""Records behind the newest beyond which a page is better loaded anew than told of each."""

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

    `place` is that of its record in the log; `kind` is new, claimed, free, edited or decided; `who`
    did it; `until` is when a claim ends.
    """

    place: int
    entry_id: str
    kind: str
    who: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the log found.

    `place` is that of the last record read, from where the next look goes on; `more` tells that
    there may be further ones already.
    """

    told: tuple[Change, ...]
    place: int
    more: bool = False


async def newest(deps: Deps, workspace: str) -> int:
    """Returns the place of the newest record of the log, 0 for an empty one."""
    page = await deps.store.audit_page(workspace, limit=1)
    return page.items[0].seq if page.items else 0


async def changes(deps: Deps, workspace: str, after: int) -> Look:
    """Returns what happened to entries after a place of the log, oldest first, nothing left out."""
    records = await deps.store.audit_chain(workspace, after, SEEN_AT_ONCE)
    told = tuple(_change(one) for one in records if one.action in _CHANGES)
    place = records[-1].seq if records else after
    return Look(told, place, more=len(records) == SEEN_AT_ONCE)


def _change(record: AuditRecord) -> Change:
    reviewer = record.data.get("reviewer")
    who = reviewer if isinstance(reviewer, str) else record.actor
    until = record.data.get("expires_at")
    ends = until if isinstance(until, str) else ""
    return Change(record.seq, record.subject, _CHANGES[record.action], who, ends)
