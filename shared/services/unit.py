"""One change, once: a transaction that an Idempotency-Key makes safe to retry."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import JsonValue

from shared.domain.access import SETTINGS, SETTINGS_ID, Caller, IdempotencyKey, WorkspaceSettings
from shared.domain.audit import AuditEntry
from shared.domain.operations import IDEMPOTENCY, IdempotencyRecord
from shared.domain.times import plus
from shared.errors import FieldProblem, InvalidInput, Unavailable
from shared.messages.base import Answer
from shared.messages.events import Event, EventType
from shared.ports import Transaction
from shared.services.deps import Deps

A = TypeVar("A", bound=Answer)

SETTINGS_AGE_S = 1.0
"""How long a process may go on with settings that were changed elsewhere, in seconds."""


async def once(
    deps: Deps,
    caller: Caller,
    key: IdempotencyKey | None,
    answer: type[A],
    work: Callable[[Transaction], Awaitable[A]],
) -> A:
    """Runs `work` in a transaction of the caller's workspace and returns its answer.

    With a key it runs at most once; the same request again gets the stored answer.

    Raises:
        InvalidInput: the key was used before with another body.
        Unavailable: the workspace is read-only.
    """
    if key is None:
        return await deps.store.transact(caller.workspace, work)
    return await deps.store.transact(caller.workspace, _keyed(deps, key, answer, work))


def _keyed(
    deps: Deps, key: IdempotencyKey, answer: type[A], work: Callable[[Transaction], Awaitable[A]]
) -> Callable[[Transaction], Awaitable[A]]:
    now = deps.clock.now_text()

    async def run(tx: Transaction) -> A:
        known = await tx.get(IDEMPOTENCY, key.id)
        key.replayed = known is not None and known.expires_at > now
        if known is not None and key.replayed:
            return answer.model_validate_json(_same_request(known, key).body)
        result = await work(tx)
        tx.put(
            IDEMPOTENCY,
            IdempotencyRecord(
                id=key.id,
                fingerprint=key.fingerprint,
                body=result.model_dump_json(),
                expires_at=plus(now, deps.options.idempotency_hours * 3600),
            ),
        )
        return result

    return run


async def item_keys(
    deps: Deps, caller: Caller, key: IdempotencyKey | None, count: int
) -> list[IdempotencyKey | None]:
    """Takes the key of a request of `count` items; returns a key of its own for each of them.

    So a request that was cut short goes on where it stopped, and another one finds the key taken.
    The keys of items are hashes, so that no other request's key can be the same.

    Raises:
        InvalidInput: the key was used before with another body; no item may be looked at.
    """
    if key is None:
        return [None] * count

    async def take(tx: Transaction) -> Answer:  # noqa: ARG001 -- the key's own record is all
        return Answer()

    await once(deps, caller, key, Answer, take)
    return [
        IdempotencyKey(hashlib.sha256(f"{key.id}:{at}".encode()).hexdigest(), key.fingerprint)
        for at in range(count)
    ]


async def remembered(
    deps: Deps, caller: Caller, key: IdempotencyKey | None, answer: type[A]
) -> A | None:
    """Returns the answer that this key has had already, None where it is new or there is no key.

    For work that must not run inside a transaction; `once` still has the last word.

    Raises:
        InvalidInput: the key was used before with another body.
    """
    if key is None:
        return None
    known = await deps.store.get(caller.workspace, IDEMPOTENCY, key.id)
    if known is None or known.expires_at <= deps.clock.now_text():
        return None
    body = _same_request(known, key).body
    key.replayed = True
    return answer.model_validate_json(body)


def _same_request(known: IdempotencyRecord, key: IdempotencyKey) -> IdempotencyRecord:
    if known.fingerprint != key.fingerprint:
        detail = (
            "this Idempotency-Key was used with another request; use a new key for a new request"
        )
        raise InvalidInput(detail, problems=[FieldProblem("Idempotency-Key", detail)])
    return known


async def settings_of(deps: Deps, workspace: str) -> WorkspaceSettings:
    """Returns the workspace's settings, at most `SETTINGS_AGE_S` old; defaults where unset."""
    now = deps.clock.monotonic_s()
    seen = deps.settings_seen.get(workspace)
    if seen is not None and now - seen[0] < SETTINGS_AGE_S:
        return seen[1]
    settings = await deps.store.get(workspace, SETTINGS, SETTINGS_ID) or WorkspaceSettings(
        id=SETTINGS_ID
    )
    deps.settings_seen[workspace] = (now, settings)
    return settings


async def writable(deps: Deps, workspace: str) -> WorkspaceSettings:
    """Returns the workspace's settings.

    Raises:
        Unavailable: the workspace is read-only.
    """
    settings = await settings_of(deps, workspace)
    if settings.read_only:
        msg = "this workspace is read-only for now; nothing was changed"
        raise Unavailable(msg)
    return settings


def audited(caller: Caller, now: str, action: str, subject: str, **data: JsonValue) -> AuditEntry:
    """Returns the audit record of something that `caller` did."""
    return AuditEntry(caller.subject, action, subject, now, data)


def event(
    deps: Deps, caller: Caller, now: str, type: EventType, subject: str, **data: JsonValue
) -> Event:
    """Returns a new event of the caller's workspace."""
    return Event(
        event_id=deps.ids.new("evt"),
        type=type,
        workspace=caller.workspace,
        occurred_at=now,
        subject=subject,
        data=data,
    )
