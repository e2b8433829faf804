"""What happens to the queue while somebody looks at it, as server-sent events.

A page says up to which place of the audit log it was made, and is told all that came after it. Each
event bears its place as its id. A stream ends after `STREAM_S`; the browser opens the next by
itself and names the last id (`Last-Event-ID`): nothing is missed in between, and no request hangs
forever.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import ClassVar

from pydantic import Field, ValidationError
from starlette.responses import Response

from shared import bootstrap
from shared.domain import review_stats
from shared.errors import InvalidInput
from shared.messages.base import Answer, QueryParams
from shared.services import watching
from shared.services.deps import Deps
from shared.web.pages import PageCall, Pages
from shared.web.sse import event_stream

pages = Pages()

LOOK_S = 1.0
"""Seconds between two looks."""

STREAM_S = 55.0
"""Seconds after which a stream ends and the browser opens the next."""

MAX_PLACE = 2**53 - 1
"""The largest whole number that a script in a browser holds exactly."""


class Since(QueryParams):
    """Where to go on: the place of the last record of the log that the page knows of."""

    since: int | None = Field(default=None, ge=0, le=MAX_PLACE)


class _Told(Answer):
    place: int = Field(exclude=True)


class Happened(_Told):
    """Something happened to an entry; see `shared.services.watching.Change`."""

    event: ClassVar[str] = "entry"

    entry_id: str
    kind: str
    who: str
    until: str


class Waiting(_Told):
    """How many entries wait now."""

    event: ClassVar[str] = "waiting"

    count: int


class Missed(_Told):
    """Too much happened since the page was made to tell it one by one: load the page anew."""

    event: ClassVar[str] = "missed"


@pages.get("/queue/live")
async def live(call: PageCall) -> Response:
    """Streams what happens to entries of the workspace."""
    last_id = call.headers.get(b"last-event-id")
    since = call.query(Since).since if last_id is None else _place(last_id)
    parts = _stream(bootstrap.deps(), call.caller.workspace, since)
    return event_stream(parts, place=lambda part: part.place)


def _place(last_id: bytes) -> int | None:
    try:
        return Since.model_validate({"since": last_id.decode("latin-1")}).since
    except ValidationError:
        raise InvalidInput.field(
            "Last-Event-ID", "is no id of this stream; leave it out to begin anew"
        ) from None


async def _stream(
    deps: Deps, workspace: str, since: int | None
) -> AsyncGenerator[Happened | Waiting | Missed, None]:
    began, place = deps.clock.monotonic_s(), await watching.newest(deps, workspace)
    if since is not None and place - since > watching.FAR_BEHIND:
        yield Missed(place=place)
    elif since is not None:
        place = min(since, place)
    yield Waiting(place=place, count=await _waiting(deps, workspace))
    named = place
    while True:
        look = await watching.changes(deps, workspace, place)
        for one in look.told:
            yield Happened(**asdict(one))
        place, ends = look.place, deps.clock.monotonic_s() - began >= STREAM_S
        if look.told or (ends and place > named):  # the next stream is to go on from here
            yield Waiting(place=place, count=await _waiting(deps, workspace))
            named = place
        if ends:
            return
        if not look.more:
            await asyncio.sleep(LOOK_S)


async def _waiting(deps: Deps, workspace: str) -> int:
    return (await deps.store.counter(workspace, review_stats.TOTALS)).get("pending_approval", 0)
