"""What a reviewer does with one entry: claim, decide, edit, undo. Answers tell the page's script.

Invariant: every decision names the revision and the content that the reviewer has seen, and the
claim under which it was read; what has moved on meanwhile makes it a conflict, never a decision.
"""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from functions.console.queue import CLAIM_S, REASONS
from shared import bootstrap
from shared.domain.entries import RejectCode
from shared.messages.base import NO_NUL, Answer, Command
from shared.messages.reviewing import (
    Approve,
    ClaimEntry,
    EditApprove,
    Reject,
    ReleaseEntry,
    RequestRevision,
    Reviewed,
)
from shared.services import claiming, editing, reopening, reviewing
from shared.web.pages import PageCall, Pages

pages = Pages()


MOST_WORDS = 3_900
"""Characters of the reviewer's own words; the code's words come before them."""


class RejectForm(Reviewed):
    """Why a revision is rejected: a code, words, or both."""

    code: RejectCode
    text: Annotated[str, Field(max_length=MOST_WORDS), NO_NUL] = ""

    def reason(self) -> str:
        """Returns the reason in words: the code's, then the reviewer's."""
        return f"{REASONS[self.code]}: {self.text}" if self.text.strip() else REASONS[self.code]


class ReleaseForm(Command):
    """Which claim is given back."""

    claim_token: int | None = Field(default=None, ge=1)


class UndoForm(Command):
    """Which decision is taken back."""

    revision: int = Field(ge=1)


@pages.post("/queue/{entry_id}/claim")
async def claim(call: PageCall) -> Response:
    """Claims an entry for the reviewer, or renews the claim."""
    command = ClaimEntry(seconds=CLAIM_S)
    deps, entry_id = bootstrap.deps(), call.parts["entry_id"]
    return told(await claiming.claim(deps, call.caller, entry_id, command, None))


@pages.post("/queue/{entry_id}/release")
async def release(call: PageCall) -> Response:
    """Gives the reviewer's claim back."""
    command = ReleaseEntry(claim_token=call.form(ReleaseForm).claim_token)
    deps, entry_id = bootstrap.deps(), call.parts["entry_id"]
    return told(await claiming.release(deps, call.caller, entry_id, command, None))


@pages.post("/queue/{entry_id}/approve")
async def approve(call: PageCall) -> Response:
    """Approves a revision."""
    form = call.form(Approve)
    done = await reviewing.decide(
        bootstrap.deps(),
        call.caller,
        call.parts["entry_id"],
        form,
        None,
        verdict="approve",
        notes=form.notes,
    )
    return told(done)


@pages.post("/queue/{entry_id}/reject")
async def reject(call: PageCall) -> Response:
    """Rejects a revision with a reason."""
    form = call.form(RejectForm)
    seen = form.model_dump(exclude={"code", "text"})
    command = Reject(**seen, reason=form.reason(), code=form.code)
    done = await reviewing.decide(
        bootstrap.deps(),
        call.caller,
        call.parts["entry_id"],
        command,
        None,
        verdict="reject",
        notes=command.reason,
        code=form.code,
    )
    return told(done)


@pages.post("/queue/{entry_id}/request-revision")
async def request_revision(call: PageCall) -> Response:
    """Asks the submitter for another revision."""
    form = call.form(RequestRevision)
    done = await reviewing.decide(
        bootstrap.deps(),
        call.caller,
        call.parts["entry_id"],
        form,
        None,
        verdict="request_revision",
        notes=form.notes,
    )
    return told(done)


@pages.post("/queue/{entry_id}/edit")
async def edit(call: PageCall) -> Response:
    """Approves an entry in the reviewer's words."""
    form = call.form(EditApprove)
    deps, entry_id = bootstrap.deps(), call.parts["entry_id"]
    return told(await editing.edit_and_approve(deps, call.caller, entry_id, form))


@pages.post("/queue/{entry_id}/undo")
async def undo(call: PageCall) -> Response:
    """Takes the reviewer's decision of a moment ago back."""
    form = call.form(UndoForm)
    deps, entry_id = bootstrap.deps(), call.parts["entry_id"]
    return told(await reopening.undo(deps, call.caller, entry_id, form.revision))


def told(answer: Answer) -> Response:
    """Returns an answer as JSON, for the page's script."""
    return Response(answer.model_dump_json(), media_type="application/json")
