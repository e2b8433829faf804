"""Many decisions in one request: each stands or falls by itself."""

import asyncio

from pydantic import JsonValue, ValidationError

from shared.domain.access import Caller, IdempotencyKey
from shared.errors import InvalidInput, WhetstoneError
from shared.messages.problems import item_problem
from shared.messages.reviewing import BulkDecide, BulkItem, BulkResult, BulkResultItem
from shared.services.deps import Deps
from shared.services.reviewing import decide
from shared.services.unit import item_keys, writable

BULK_AT_ONCE = 16
"""Decisions of one request that are on their way at the same time."""


async def decide_many(
    deps: Deps, caller: Caller, command: BulkDecide, key: IdempotencyKey | None
) -> BulkResult:
    """Decides up to 200 entries, each in a transaction of its own.

    With a key each item gets a key of its own, so a request that was cut short goes on where it
    stopped, and one that is repeated answers as it did.

    Raises:
        InvalidInput: the key was used before with another body.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    keys = await item_keys(deps, caller, key, len(command.decisions))
    gate = asyncio.Semaphore(BULK_AT_ONCE)

    async def one(index: int, raw: JsonValue) -> BulkResultItem:
        async with gate:
            return await _decide_item(deps, caller, command.reviewer, index, raw, keys[index])

    items = await asyncio.gather(*(one(at, raw) for at, raw in enumerate(command.decisions)))
    made = [own for own, item in zip(keys, items, strict=True) if item.decision is not None]
    if key is not None:
        key.replayed = bool(made) and all(own is not None and own.replayed for own in made)
    return BulkResult(items=items, succeeded=len(made), failed=len(items) - len(made))


async def _decide_item(
    deps: Deps,
    caller: Caller,
    reviewer: str | None,
    index: int,
    raw: JsonValue,
    key: IdempotencyKey | None,
) -> BulkResultItem:
    entry_id = raw.get("entry_id") if isinstance(raw, dict) else None
    named = entry_id if isinstance(entry_id, str) else None
    try:
        item = BulkItem.model_validate(raw)
        if item.reviewer is None and reviewer is not None:
            item = item.model_copy(update={"reviewer": reviewer})
        if item.verdict != "approve" and not item.notes.strip():
            raise InvalidInput.field("/notes", f"say why: {item.verdict} needs notes")
        decision = await decide(
            deps, caller, item.entry_id, item, key, verdict=item.verdict, notes=item.notes
        )
    except (ValidationError, WhetstoneError) as error:
        return BulkResultItem(index=index, entry_id=named, problem=item_problem(error))
    return BulkResultItem(index=index, entry_id=named, decision=decision)
