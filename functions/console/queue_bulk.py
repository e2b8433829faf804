"""Many decisions at once: over what a filter shows, or over a cluster of near duplicates.

Invariant: nothing is decided that the reviewer has not been shown in the preview. The preview hands
out the revision and the content of each entry, and one that has moved on since is left as it is.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue
from starlette.responses import Response

from functions.console.queue import REASONS, Listed, QueueFilter, listed
from functions.console.rendering import render
from shared import bootstrap
from shared.domain.access import Caller
from shared.domain.entries import ENTRIES, Entry, RejectCode, Verdict
from shared.errors import InvalidInput
from shared.messages.base import Command, Identifier, Name, Note
from shared.messages.reviewing import MAX_BULK, BulkDecide
from shared.services import review_bulk
from shared.web.pages import PageCall, Pages

pages = Pages()


class PreviewForm(Command):
    """What shall be decided: everything the list's filter shows, or an entry and its likes."""

    scope: Literal["filter", "cluster"] = "filter"
    entry_id: Identifier | None = None
    q: str | None = Field(default=None, max_length=200)
    topic: Name | None = None
    tag: Name | None = None
    submitter: Identifier | None = None
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    order: Literal["urgency", "oldest", "newest", "confidence"] = "urgency"


class BulkForm(Command):
    """What the reviewer has confirmed: each of `seen` is `entry:revision:content hash`."""

    verdict: Verdict
    code: RejectCode | None = None
    text: Note = ""
    seen: list[str] = Field(min_length=1, max_length=MAX_BULK)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry of a preview; `seen` is how the confirmation names it."""

    entry_id: str
    topic: str
    content: str
    seen: str


_REVISION_DIGITS = 9


@pages.post("/queue/bulk-preview")
async def preview(call: PageCall) -> Response:
    """Shows what a decision over a filter or a cluster would be about."""
    form = call.form(PreviewForm)
    if form.scope == "cluster" and form.entry_id is not None:
        found, left = await _cluster(call.caller, form.entry_id), None
    else:
        found, left = await _filtered(call, form)
    return render(
        call,
        "_bulk_preview.html",
        form=form,
        found=found,
        left=left,
        reasons=REASONS,
        most=MAX_BULK,
    )


@pages.post("/queue/bulk")
async def decide(call: PageCall) -> Response:
    """Decides what the preview has shown; each entry stands or falls by itself."""
    form = call.form(BulkForm)
    notes = _notes(form)
    decisions: list[JsonValue] = [_decision(one, form.verdict, notes) for one in form.seen]
    command = BulkDecide(decisions=decisions)
    result = await review_bulk.decide_many(bootstrap.deps(), call.caller, command, None)
    return render(call, "_bulk_result.html", result=result, verdict=form.verdict)


def _notes(form: BulkForm) -> str:
    """Returns the reason in words.

    Raises:
        InvalidInput: there is none, and the verdict needs one.
    """
    words = [REASONS[form.code]] if form.verdict == "reject" and form.code else []
    notes = ": ".join([*words, *([form.text.strip()] if form.text.strip() else [])])
    if form.verdict != "approve" and not notes:
        raise InvalidInput.field("/text", "say why")
    return notes


def _decision(seen: str, verdict: Verdict, notes: str) -> dict[str, JsonValue]:
    entry_id, _, rest = seen.partition(":")
    revision, _, digest = rest.partition(":")
    if not revision.isdecimal() or len(revision) > _REVISION_DIGITS:
        raise InvalidInput.field("/seen", "is not of a preview; look again")
    named: dict[str, JsonValue] = {"entry_id": entry_id, "verdict": verdict, "notes": notes}
    return {**named, "revision": int(revision), "content_hash": digest}


async def _filtered(call: PageCall, form: PreviewForm) -> tuple[list[Candidate], Listed | None]:
    """Returns what is free of the list's first page, and that page where more follow."""
    wanted = QueueFilter(**form.model_dump(exclude={"scope", "entry_id"}))
    found = await listed(call, wanted, MAX_BULK)
    free = [
        _candidate(one.entry_id, one.topic, one.content, one.revision, one.content_hash)
        for one in found.items[:MAX_BULK]
        if one.claim is None or one.claim.reviewer == call.caller.subject
    ]
    return free, None if found.next_cursor is None else found


async def _cluster(caller: Caller, entry_id: str) -> list[Candidate]:
    """Returns the entry and those like it that wait too."""
    deps = bootstrap.deps()
    first = await deps.store.get(caller.workspace, ENTRIES, entry_id)
    if first is None:
        return []
    others = await deps.store.get_many(caller.workspace, ENTRIES, first.near_duplicates)
    waiting = [one for one in (first, *others) if one and one.state == "pending_approval"]
    return [_of(one) for one in waiting]


def _of(entry: Entry) -> Candidate:
    return _candidate(entry.id, entry.topic, entry.content, entry.revision, entry.content_hash)


def _candidate(entry_id: str, topic: str, content: str, revision: int, digest: str) -> Candidate:
    return Candidate(entry_id, topic, content, f"{entry_id}:{revision}:{digest}")
