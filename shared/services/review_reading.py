"""What reviewers and operators look at: the queue, and figures of the decisions. Writes nothing."""

from datetime import timedelta

from shared.domain import claims, review_stats
from shared.domain.access import Caller
from shared.domain.entries import ENTRIES, Entry
from shared.domain.records import Filter, Order
from shared.domain.review_stats import Verdicts
from shared.domain.times import Timestamp
from shared.messages.base import Page
from shared.messages.reviewing import (
    ClaimShown,
    DayFigures,
    Queue,
    QueueItem,
    QueueParams,
    ReviewStats,
    SubmitterFigures,
    VoteShown,
)
from shared.ports import MOST_LOOKED_THROUGH
from shared.services.deps import Deps
from shared.services.paging import fitting

_ORDERS = {
    "oldest": Order("submitted_at"),
    "newest": Order("submitted_at", descending=True),
    "confidence": Order("confidence_score", descending=True),
    "urgency": Order("due_at"),
}


async def queue(deps: Deps, caller: Caller, params: QueueParams) -> Queue:
    """Returns one page of the entries that fit, and how many wait in all.

    A page ends before `limit` where its entries are very long, or after many were looked through.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    page = await _page(deps, caller, params, params.limit)
    short = page.next_cursor is not None and len(page.items) < params.limit
    room = fitting(page.items)
    if room < len(page.items):
        page = await _page(deps, caller, params, room)
    totals = await deps.store.counter(caller.workspace, review_stats.TOTALS)
    now = deps.clock.now_text()
    return Queue(
        items=[_item(entry, now) for entry in page.items],
        next_cursor=page.next_cursor,
        pending_count=totals.get("pending_approval", 0),
        looked_through=MOST_LOOKED_THROUGH if short else None,
    )


async def _page(deps: Deps, caller: Caller, params: QueueParams, limit: int) -> Page[Entry]:
    return await deps.store.find(
        caller.workspace,
        ENTRIES,
        *_filters(params),
        order=_ORDERS[params.order],
        limit=limit,
        cursor=params.cursor,
    )


async def stats(deps: Deps, caller: Caller) -> ReviewStats:
    """Returns the figures of all decisions so far, from counters: no entry is read."""
    store, workspace = deps.store, caller.workspace
    totals = await store.counter(workspace, review_stats.TOTALS)
    buckets = await store.counter(workspace, review_stats.SECONDS)
    done = review_stats.verdicts(totals)
    return ReviewStats(
        approved=done.approved,
        rejected=done.rejected,
        pending=totals.get("pending_approval", 0),
        revision_requested=done.revision_requested,
        total_processed=done.total,
        approval_rate=done.approval_rate,
        median_seconds_to_decision=review_stats.quantile(buckets, 0.5),
        p90_seconds_to_decision=review_stats.quantile(buckets, 0.9),
        per_day=await _per_day(deps, workspace),
        per_submitter=await _per_submitter(deps, workspace),
    )


def _filters(params: QueueParams) -> list[Filter]:
    filters = [Filter("state", "==", params.state)]
    if params.topic is not None:
        filters.append(Filter("topic", "==", params.topic))
    if params.submitter is not None:
        filters.append(Filter("submitter", "==", params.submitter))
    if params.tag is not None:
        filters.append(Filter("tags", "contains", params.tag))
    if params.min_confidence is not None:
        filters.append(Filter("confidence_score", ">=", params.min_confidence))
    return filters


def _item(entry: Entry, now: Timestamp) -> QueueItem:
    lease = claims.live_claim(entry, now)
    return QueueItem(
        entry_id=entry.id,
        claim=None if lease is None else ClaimShown(reviewer=lease.id, expires_at=lease.expires_at),
        votes=[VoteShown(reviewer=one.id, notes=one.notes, at=one.at) for one in entry.votes],
        **entry.model_dump(include=QueueItem.model_fields.keys() - {"entry_id", "claim", "votes"}),
    )


async def _per_day(deps: Deps, workspace: str) -> list[DayFigures]:
    """Returns the last days that had decisions; reads the counters of their months only."""
    today = deps.clock.now().date()
    first = today - timedelta(days=review_stats.DAYS_SHOWN - 1)
    months = sorted(
        {(first + timedelta(days=day)).isoformat()[:7] for day in range(review_stats.DAYS_SHOWN)}
    )
    found: dict[str, dict[str, int]] = {}
    for month in months:
        found |= await deps.store.counters(workspace, f"{review_stats.DAYS}{month}")
    figures = []
    for name, fields in sorted(found.items()):
        day, done = name.removeprefix(review_stats.DAYS), review_stats.verdicts(fields)
        if day >= first.isoformat():
            figures.append(DayFigures(day=day, **_counts(done)))
    return figures


async def _per_submitter(deps: Deps, workspace: str) -> list[SubmitterFigures]:
    """Returns the submitters with the most decisions; reads one counter for each there is."""
    found = await deps.store.counters(workspace, review_stats.SUBMITTERS)
    known = {
        name.removeprefix(review_stats.SUBMITTERS): review_stats.verdicts(fields)
        for name, fields in found.items()
    }
    most = sorted(known.items(), key=lambda one: (-one[1].total, one[0]))
    return [
        SubmitterFigures(submitter=name, approval_rate=done.approval_rate, **_counts(done))
        for name, done in most[: review_stats.SUBMITTERS_SHOWN]
    ]


def _counts(done: Verdicts) -> dict[str, int]:
    return {
        "approved": done.approved,
        "rejected": done.rejected,
        "revision_requested": done.revision_requested,
    }
