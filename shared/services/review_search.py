"""Searching the queue by words: a walk along the list that stops, never a scan of everything.

The knowledge index holds what is published; what waits is found here, `WALKED` entries at a time.
"""

from dataclasses import dataclass

from shared.domain.access import Caller
from shared.messages.reviewing import QueueItem, QueueParams
from shared.services.deps import Deps
from shared.services.review_reading import queue

WALKED = 3_000
"""Entries that one search looks at, at most; `Found.next_cursor` goes on from there."""

_STEP = 300


@dataclass(frozen=True, slots=True)
class Found:
    """Entries that have every word, in the list's order.

    `walked` entries were looked at for it; `next_cursor` is None where that were all.
    """

    items: tuple[QueueItem, ...]
    next_cursor: str | None
    pending_count: int
    walked: int


async def search(
    deps: Deps, caller: Caller, text: str, params: QueueParams, *, names: bool = True
) -> Found:
    """Returns entries of the list that have every word of `text`, `params.limit` or a few more.

    Args:
        deps: the ports.
        caller: whose workspace.
        text: words, of which each must appear somewhere in an entry, in either case.
        params: the list.
        names: whether the submitter's name counts too.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    words = text.casefold().split()
    found: list[QueueItem] = []
    cursor, walked, pending = params.cursor, 0, 0
    while walked < WALKED:
        step = params.model_copy(update={"limit": _STEP, "cursor": cursor})
        page = await queue(deps, caller, step)
        found += [one for one in page.items if _has(one, words, names=names)]
        walked += page.looked_through or len(page.items)
        cursor, pending = page.next_cursor, page.pending_count
        if cursor is None or len(found) >= params.limit:
            break
    return Found(tuple(found), cursor, pending, walked)


def _has(item: QueueItem, words: list[str], *, names: bool) -> bool:
    parts = [item.entry_id, item.topic, item.content, *item.tags]
    text = "\n".join([*parts, item.submitter] if names else parts).casefold()
    return all(word in text for word in words)
