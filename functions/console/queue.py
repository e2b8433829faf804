"""The queue: what waits for a decision, in the order in which a reviewer should meet it.

Opening an entry claims it for the reviewer (the page's script does, when it shows it); the entries
that follow are fetched before they are needed, so that a decision shows the next one at once.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from pydantic import Field
from starlette.responses import Response

from functions.console.diff import changes
from functions.console.markdown import to_html
from functions.console.rendering import render
from shared import bootstrap
from shared.domain.entries import RejectCode
from shared.messages.base import Identifier, Name, QueryParams
from shared.messages.reviewing import QueueItem, QueueParams
from shared.services import review_item, review_reading, review_search, watching
from shared.services.unit import settings_of
from shared.web.pages import PageCall, Pages

pages = Pages()

PAGE = 50
"""Entries on one page of the list."""

REASONS: dict[RejectCode, str] = {
    "wrong": "Wrong",
    "outdated": "Out of date",
    "duplicate": "Says what another entry says",
    "unclear": "Unclear",
    "unsupported": "No source or evidence",
    "unsafe": "Unsafe or not for sharing",
    "off_topic": "Does not belong here",
}
"""Reasons to reject, in the order of the keys 1 to 7."""

CLAIM_S = 600
"""How long a claim of the console lasts, in seconds; the page renews it while it is open."""


class QueueFilter(QueryParams):
    """What the list is narrowed to; every field may be left empty."""

    q: str | None = Field(default=None, max_length=200)
    topic: Name | None = None
    tag: Name | None = None
    submitter: Identifier | None = None
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    order: Literal["urgency", "oldest", "newest", "confidence"] = "urgency"
    cursor: str | None = Field(default=None, max_length=2000)
    open: Identifier | None = None

    def url(self, **more: str | None) -> str:
        """Returns the address of this list, with further fields."""
        fields = self.model_dump(exclude={"cursor", "open"}, exclude_defaults=True)
        named = {name: one for name, one in {**fields, **more}.items() if one}
        return "/queue?" + urlencode(named) if named else "/queue"

    @property
    def narrowed(self) -> bool:
        """Tells whether the list leaves entries out."""
        return any((self.q, self.topic, self.tag, self.submitter, self.min_confidence))


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the list.

    `walked` is how many entries were looked at for it where a search by words went through them, or
    where so many were left out that it ends before it is full.
    """

    items: tuple[QueueItem, ...]
    next_cursor: str | None
    pending_count: int
    walked: int | None = None


@pages.get("/queue")
async def queue(call: PageCall) -> Response:
    """Shows the list, and the entry that the address names; a script gets further items only."""
    wanted = call.query(QueueFilter)
    deps, workspace = bootstrap.deps(), call.caller.workspace
    # Before the list is read, so that the page is told what happens meanwhile; further items go
    # into a page that is listening.
    since = None if call.partial else await watching.newest(deps, workspace)
    found = await listed(call, wanted)
    settings = await settings_of(deps, workspace)
    return render(
        call,
        "_queue_items.html" if call.partial else "queue.html",
        wanted=wanted,
        found=found,
        since=since,
        now=deps.clock.now_text(),
        blind=settings.blind_review,
        reasons=REASONS,
        claim_s=CLAIM_S,
    )


@pages.get("/queue/{entry_id}")
async def entry(call: PageCall) -> Response:
    """Shows one entry with all that helps to decide it, without claiming it."""
    if not call.partial:
        place = urlencode({"open": call.parts["entry_id"]})
        return Response(status_code=303, headers={"location": f"/queue?{place}"})
    item = await review_item.review_item(bootstrap.deps(), call.caller, call.parts["entry_id"])
    now = bootstrap.deps().clock.now_text()
    return render(call, "_review.html", item=item, now=now, to_html=to_html, changes=changes)


async def listed(call: PageCall, wanted: QueueFilter, limit: int = PAGE) -> Listed:
    """Returns a page of the list as its filters want it.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    deps, caller = bootstrap.deps(), call.caller
    params = QueueParams(limit=limit, **wanted.model_dump(exclude={"q", "open"}))
    blind = (await settings_of(deps, caller.workspace)).blind_review
    if blind:
        params = _blind(params)
    if wanted.q:
        found = await review_search.search(deps, caller, wanted.q, params, names=not blind)
        return Listed(found.items, found.next_cursor, found.pending_count, found.walked)
    page = await review_reading.queue(deps, caller, params)
    return Listed(tuple(page.items), page.next_cursor, page.pending_count, page.looked_through)


def _blind(params: QueueParams) -> QueueParams:
    """Returns the list without what would tell who submitted or how sure they are."""
    order = "oldest" if params.order == "confidence" else params.order
    hidden = {"submitter": None, "min_confidence": None, "order": order}
    return params.model_copy(update=hidden)
