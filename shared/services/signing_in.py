"""Signing in by a link that works once, where no identity provider does it.

Invariant: a code opens one session, within `CODE_S`, and only its hash is stored.
"""

import hashlib

from shared.domain.access import SIGN_IN_CODES, Caller, Role, SignInCode
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.times import plus
from shared.errors import NotAuthenticated
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited

CODE_S = 600
"""How long a code waits to be used, in seconds."""


async def make_code(deps: Deps, subject: str, role: Role, workspace: str, actor: str) -> str:
    """Returns a new code with which `subject` signs in to `workspace` once."""
    code, now = deps.ids.secret(), deps.clock.now_text()
    record = SignInCode(
        id=_hash(code),
        subject=subject,
        role=role,
        tenant=workspace,
        expires_at=plus(now, CODE_S),
    )

    async def work(tx: Transaction) -> None:
        tx.create(SIGN_IN_CODES, record)
        by = Caller(SYSTEM_WORKSPACE, actor)
        tx.audit(audited(by, now, "sign_in.offered", subject, role=role, tenant=workspace))

    await deps.store.transact(SYSTEM_WORKSPACE, work)
    return code


async def offered(deps: Deps, code: str) -> SignInCode | None:
    """Returns what a code is good for, and leaves it unused; None where it is good for nothing."""
    known = await deps.store.get(SYSTEM_WORKSPACE, SIGN_IN_CODES, _hash(code))
    return known if known is not None and known.expires_at > deps.clock.now_text() else None


async def redeem(deps: Deps, code: str) -> SignInCode:
    """Uses a code up and returns who signs in with it.

    Raises:
        NotAuthenticated: it is not known, has expired, or was used before.
    """
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> SignInCode:
        known = await tx.get(SIGN_IN_CODES, _hash(code))
        if known is None or known.expires_at <= now:
            raise NotAuthenticated("this link was used before or has expired; make a new one")
        tx.delete(SIGN_IN_CODES, known.id)
        by = Caller(SYSTEM_WORKSPACE, known.subject)
        facts = {"role": known.role, "tenant": known.tenant}
        tx.audit(audited(by, now, "sign_in.used", known.subject, **facts))
        return known

    return await deps.store.transact(SYSTEM_WORKSPACE, work)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
