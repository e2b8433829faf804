"""Knowledge: what is published, how it is found, how each entry came to be, and every version."""

import asyncio
from typing import Literal
from urllib.parse import quote

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from functions.console.markdown import to_html
from functions.console.rendering import render
from functions.console.showing import highlighted, page_url
from shared import bootstrap
from shared.messages.auditing import AuditParams
from shared.messages.base import Command, Name, Note, PageParams, QueryParams
from shared.messages.reviewing import QueueParams, RollBackKnowledge
from shared.messages.serving_reading import SearchAnswer, SearchRequest
from shared.services import (
    auditing,
    knowledge_versions,
    review_reading,
    rolling_back_knowledge,
    submitting,
)
from shared.services.serving import searching
from shared.web import telemetry
from shared.web.pages import PageCall, Pages

pages = Pages()

_PAGE, _FOUND, _VERSIONS = 25, 20, 20


class KnowledgePage(QueryParams):
    """What is looked for; without `q` everything approved is listed, newest first."""

    q: str | None = Field(default=None, max_length=10_000)
    topic: Name | None = None
    tag: Name | None = None
    cursor: str | None = Field(default=None, max_length=2000)


class ComparePage(QueryParams):
    """Which versions to compare."""

    older: int = Field(default=0, ge=0)
    newer: int = Field(default=0, ge=0)
    done: Literal["rolled-back"] | None = None


class RollBackForm(Command):
    """Bring search back to what a version showed."""

    version: int = Field(ge=0)
    reason: Note = Field(min_length=1)
    sure: Literal["yes"]


class PreviewForm(Command):
    """Only tell what that would change."""

    version: int = Field(ge=0)


@pages.get("/knowledge")
async def knowledge(call: PageCall) -> Response:
    """Shows what is published: searched, or listed."""
    deps, wanted = bootstrap.deps(), call.query(KnowledgePage)
    answer = await _searched(call, wanted) if wanted.q and wanted.q.strip() else None
    listed = await review_reading.queue(
        deps,
        call.caller,
        QueueParams(
            state="approved",
            order="newest",
            topic=wanted.topic,
            tag=wanted.tag,
            limit=_PAGE,
            cursor=wanted.cursor,
        ),
    )
    versions = await knowledge_versions.list_versions(
        deps, call.caller, PageParams(limit=_VERSIONS)
    )
    return render(
        call,
        "knowledge.html",
        wanted=wanted,
        answer=answer,
        listed=listed,
        versions=versions.items,
        highlighted=highlighted,
        next_url=page_url("/knowledge", listed.next_cursor, topic=wanted.topic, tag=wanted.tag),
        first_url="/knowledge" if wanted.cursor else None,
    )


@pages.get("/knowledge/versions")
async def versions(call: PageCall) -> Response:
    """Shows the versions, and what two of them show differently."""
    deps, asked = bootstrap.deps(), call.query(ComparePage)
    found = await knowledge_versions.list_versions(deps, call.caller, PageParams(limit=100))
    newest = found.items[0].version if found.items else 0
    newer = asked.newer or newest
    compared = await knowledge_versions.compare_versions(deps, call.caller, asked.older, newer)
    return render(call, "versions.html", found=found, newest=newest, compared=compared, asked=asked)


@pages.post("/knowledge/rollback/preview", role="admin")
async def preview_rollback(call: PageCall) -> Response:
    """Shows which entries a rollback would change; nothing is changed."""
    version = call.form(PreviewForm).version
    command = RollBackKnowledge(version=version, reason="preview", dry_run=True)
    told = await rolling_back_knowledge.roll_back_knowledge(
        bootstrap.deps(), call.caller, command, None
    )
    template = "_way_back.html" if call.partial else "way_back.html"
    return render(call, template, told=told)


@pages.post("/knowledge/rollback", role="admin")
async def rollback(call: PageCall) -> Response:
    """Brings search back to what a version showed."""
    form = call.form(RollBackForm)
    command = RollBackKnowledge(version=form.version, reason=form.reason)
    await rolling_back_knowledge.roll_back_knowledge(bootstrap.deps(), call.caller, command, None)
    return RedirectResponse("/knowledge/versions?done=rolled-back", 303)


@pages.get("/knowledge/{entry_id}")
async def entry(call: PageCall) -> Response:
    """Shows an entry: every revision, decision, publication and what was done to it by whom."""
    deps, entry_id, wanted = bootstrap.deps(), call.parts["entry_id"], call.query(PageParams)
    found = await submitting.view_entry(deps, call.caller, entry_id, wanted)
    steps, records = await asyncio.gather(
        knowledge_versions.entry_versions(deps, call.caller, entry_id),
        auditing.list_audit(deps, call.caller, AuditParams(subject=entry_id, limit=100)),
    )
    decisions = {one.revision: one for one in found.decisions}
    here = f"/knowledge/{quote(entry_id, safe='')}"
    return render(
        call,
        "entry.html",
        entry=found,
        decisions=decisions,
        steps=steps,
        records=records.items,
        to_html=to_html,
        tones=TONES,
        next_url=page_url(here, found.next_cursor),
        first_url=here if wanted.cursor else None,
    )


TONES: dict[str, Literal["good", "fair", "poor", ""]] = {
    "approved": "good",
    "pending_approval": "fair",
    "revision_requested": "fair",
    "rejected": "poor",
    "retracted": "poor",
    "superseded": "",
}


async def _searched(call: PageCall, wanted: KnowledgePage) -> SearchAnswer:
    command = SearchRequest(
        text=wanted.q or "",
        limit=_FOUND,
        topic=wanted.topic,
        tags=[wanted.tag] if wanted.tag else [],
    )
    found = await searching.search(bootstrap.deps(), call.caller, command)
    how = found.routing_info
    telemetry.observe_search(how.tier, how.latency_ms / 1000, found=bool(found.items))
    return found
