"""Raters: whose ratings count how much, what speaks against them, and the way out and back in."""

from typing import Literal

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from functions.console.rendering import render
from functions.console.showing import page_url
from shared import bootstrap
from shared.domain.learning.raters import STANDINGS, RaterState
from shared.domain.learning.sums import FULL_STANDING
from shared.messages.base import Command, Note
from shared.messages.rating import JudgeRater, RatersPage
from shared.services import raters
from shared.web.pages import PageCall, Pages

pages = Pages()

STATES: dict[RaterState, tuple[str, str]] = {
    "new": ("new", ""),
    "proven": ("proven", "good"),
    "doubted": ("doubted", "fair"),
    "aside": ("set aside", "poor"),
}
"""How each state is called, and its tone."""

COUNTS = {state: standing / FULL_STANDING for state, standing in STANDINGS.items()}
"""How much a rating counts by the state of its rater, 0..1."""


class ListPage(RatersPage):
    """Which raters, and what has just been done."""

    limit: int = Field(default=50, ge=1, le=200)
    done: Literal["set-aside", "put-back"] | None = None


class JudgeForm(Command):
    """Why somebody is set aside or put back."""

    reason: Note = Field(min_length=1)


@pages.get("/monitor/raters", role="admin")
async def list_raters(call: PageCall) -> Response:
    """Shows who rates, and what speaks against whom."""
    wanted = call.query(ListPage)
    found = await raters.list_raters(bootstrap.deps(), call.caller, wanted)
    return render(
        call,
        "raters.html",
        wanted=wanted,
        found=found,
        states=STATES,
        counts=COUNTS,
        next_url=page_url("/monitor/raters", found.next_cursor, state=wanted.state),
        first_url="/monitor/raters" if wanted.cursor else None,
    )


@pages.post("/monitor/raters/{rater_id}/set-aside", role="admin")
async def set_aside(call: PageCall) -> Response:
    """Takes somebody's ratings out of learning."""
    command = JudgeRater(reason=call.form(JudgeForm).reason)
    await raters.set_aside(bootstrap.deps(), call.caller, call.parts["rater_id"], command, None)
    return RedirectResponse("/monitor/raters?state=aside&done=set-aside", 303)


@pages.post("/monitor/raters/{rater_id}/put-back", role="admin")
async def put_back(call: PageCall) -> Response:
    """Puts somebody's ratings back into learning."""
    command = JudgeRater(reason=call.form(JudgeForm).reason)
    await raters.put_back(bootstrap.deps(), call.caller, call.parts["rater_id"], command, None)
    return RedirectResponse("/monitor/raters?done=put-back", 303)
