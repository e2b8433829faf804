"""What happens to the queue while somebody looks at it, as server-sent events.

Each look reads the newest audit records. A
stream ends after `STREAM_S`, and browsers come back by themselves: no request hangs forever.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import ClassVar

from starlette.responses import Response

from shared import bootstrap
from shared.domain import review_stats
from shared.messages.base import Answer
from shared.services import watching
from shared.services.deps import Deps
from shared.web.pages import PageCall, Pages
from shared.web.sse import event_stream

pages = Pages()

LOOK_S = 1.0
"""Seconds between two looks."""

STREAM_S = 55.0
"""Seconds after which a stream ends and the browser opens the next."""


class Happened(Answer):
    """Something happened to an entry; see `shared.services.watching.Change`."""

    event: ClassVar[str] = "entry"

    entry_id: str
    kind: str
    who: str
    until: str


class Waiting(Answer):
    """How many entries wait now."""

    event: ClassVar[str] = "waiting"

    count: int


@pages.get("/queue/live")
async def live(call: PageCall) -> Response:
    """Streams what happens to entries of the workspace."""
    return event_stream(_stream(bootstrap.deps(), call.caller.workspace))


async def _stream(deps: Deps, workspace: str) -> AsyncGenerator[Happened | Waiting, None]:
    place, began = await watching.newest(deps, workspace), deps.clock.monotonic_s()
    yield Waiting(count=await _waiting(deps, workspace))
    while deps.clock.monotonic_s() - began < STREAM_S:
        await asyncio.sleep(LOOK_S)
        told, place = await watching.changes(deps, workspace, place)
        for one in told:
            yield Happened(entry_id=one.entry_id, kind=one.kind, who=one.who, until=one.until)
        if told:
            yield Waiting(count=await _waiting(deps, workspace))


async def _waiting(deps: Deps, workspace: str) -> int:
    return (await deps.store.counter(workspace, review_stats.TOTALS)).get("pending_approval", 0)
