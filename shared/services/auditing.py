"""The audit log read and checked. Writes nothing."""

import asyncio
import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from shared.domain.access import Caller
from shared.domain.audit import AuditRecord, ChainCheck
from shared.messages.auditing import AuditParams, AuditVerified, AuditView
from shared.messages.base import Page
from shared.services.deps import Deps
from shared.services.paging import foreign_cursor

CHAIN_PAGE = 1_000
"""Links read at a time: what is held in memory."""

CHECKED_AT_ONCE = 200
"""Links checked before other work goes on: about 2 ms."""


async def list_audit(deps: Deps, caller: Caller, params: AuditParams) -> Page[AuditView]:
    """Returns one page of the audit records that fit, newest first.

    Raises:
        InvalidInput: the cursor is not one of this list.
    """
    question = _question(caller, params)
    page = await deps.store.audit_page(
        caller.workspace,
        action=params.action,
        subject=params.subject,
        actor=params.actor,
        limit=params.limit,
        cursor=None if params.cursor is None else _opened(params.cursor, question),
    )
    behind = page.next_cursor
    return Page(
        items=[_view(record) for record in page.items],
        next_cursor=None if behind is None else _sealed(behind, question),
    )


async def verify_audit(deps: Deps, workspace: str) -> AuditVerified:
    """Checks the chain from its first record, in pages, and lets other work go on in between."""
    check = ChainCheck()
    while check.first_broken is None:
        records = await deps.store.audit_chain(workspace, check.checked, CHAIN_PAGE)
        if not records:
            break
        for start in range(0, len(records), CHECKED_AT_ONCE):
            check.feed(records[start : start + CHECKED_AT_ONCE])
            await asyncio.sleep(0)
    return AuditVerified(
        ok=check.first_broken is None,
        checked=check.checked,
        first_broken=check.first_broken,
        head=check.head,
    )


def _question(caller: Caller, params: AuditParams) -> str:
    """Returns a fingerprint of what is asked: a cursor is good for nothing else."""
    asked = [caller.workspace, params.action, params.subject, params.actor]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def _sealed(cursor: str, question: str) -> str:
    return urlsafe_b64encode(f"{question}.{cursor}".encode()).decode().rstrip("=")


def _opened(cursor: str, question: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        asked, _, behind = urlsafe_b64decode(padded.encode("ascii")).decode().partition(".")
    except (UnicodeError, binascii.Error):
        asked = behind = ""
    if asked != question:
        raise foreign_cursor()
    return behind


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
