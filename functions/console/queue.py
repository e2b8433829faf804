"""The queue: what waits for a decision, in the order in which a reviewer should meet it."""

from typing import Literal
from urllib.parse import urlencode

from pydantic import Field
from starlette.responses import Response

from functions.console.rendering import render
from shared import bootstrap
from shared.messages.base import Identifier, Name, QueryParams
from shared.messages.reviewing import QueueParams
from shared.services import review_reading
from shared.web.pages import PageCall, Pages

pages = Pages()

PAGE = 50
"""Entries on one page of the list."""


class QueueFilter(QueryParams):
    """What the list is narrowed to; every field may be left empty."""

    q: str | None = Field(default=None, max_length=200)
    topic: Name | None = None
    tag: Name | None = None
    submitter: Identifier | None = None
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    order: Literal["urgency", "oldest", "newest", "confidence"] = "urgency"
    cursor: str | None = Field(default=None, max_length=2000)

    def url(self, **changes: str | None) -> str:
        """Returns the address of this list, with changes."""
        fields = {**self.model_dump(exclude={"cursor"}, exclude_defaults=True), **changes}
        return "/queue?" + urlencode({name: one for name, one in fields.items() if one})


@pages.get("/queue")
async def queue(call: PageCall) -> Response:
    """Shows the list."""
    wanted = call.query(QueueFilter)
    params = QueueParams(limit=PAGE, **wanted.model_dump(exclude={"q"}))
    found = await review_reading.queue(bootstrap.deps(), call.caller, params)
    now = bootstrap.deps().clock.now_text()
    return render(call, "queue.html", wanted=wanted, found=found, now=now)
