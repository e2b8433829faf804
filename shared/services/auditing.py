"""The audit log read and checked. Writes nothing."""

import asyncio

from shared.domain.access import Caller
from shared.domain.audit import AuditRecord, ChainCheck
from shared.messages.auditing import AuditParams, AuditVerified, AuditView
from shared.messages.base import Page
from shared.services.deps import Deps

CHAIN_PAGE = 200
"""Links checked at a time: what is held in memory, and about 2 ms of work."""


async def list_audit(deps: Deps, caller: Caller, params: AuditParams) -> Page[AuditView]:
    """Returns one page of the audit records that fit, newest first.

    Raises:
        InvalidInput: the cursor is not one of this list.
    """
    page = await deps.store.audit_page(
        caller.workspace,
        action=params.action,
        subject=params.subject,
        actor=params.actor,
        limit=params.limit,
        cursor=params.cursor,
    )
    return Page(items=[_view(record) for record in page.items], next_cursor=page.next_cursor)


async def verify_audit(deps: Deps, workspace: str) -> AuditVerified:
    """Checks the chain from its first record, in pages, and lets other work go on in between."""
    check = ChainCheck()
    while check.first_broken is None:
        records = await deps.store.audit_chain(workspace, check.checked, CHAIN_PAGE)
        if not records:
            break
        check.feed(records)
        await asyncio.sleep(0)
    return AuditVerified(
        ok=check.first_broken is None,
        checked=check.checked,
        first_broken=check.first_broken,
        head=check.head,
    )


def _view(record: AuditRecord) -> AuditView:
    return AuditView(
        seq=record.seq,
        at=record.at,
        actor=record.actor,
        action=record.action,
        subject=record.subject,
        data=record.data,
        previous_hash=record.previous_hash,
        hash=record.hash,
    )
