"""One entry as its reviewer needs it: what changed, what is like it, how far to trust its source.

Writes nothing, and scans nothing: history by id, track records from counters.
"""

from dataclasses import dataclass

from shared.domain import claims, review_stats
from shared.domain.access import Caller
from shared.domain.entries import ENTRIES, REVISIONS, Claim, Entry, Revision, revision_id
from shared.domain.knowledge.sketch import similarity
from shared.domain.review_stats import Verdicts
from shared.errors import NotFound
from shared.services.deps import Deps
from shared.services.unit import settings_of


@dataclass(frozen=True, slots=True)
class Near:
    """An entry that says almost the same; `similarity` 0..1 is that of their word triples."""

    entry: Entry
    similarity: float


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """What became of a submitter's revisions so far: of all, and by band of stated confidence.

    `at_this_confidence` is the band that the entry itself lies in.
    """

    all: Verdicts
    bands: tuple[Verdicts, ...]
    at_this_confidence: Verdicts


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """An entry at its newest revision, with all that helps to decide it.

    Args:
        entry: what is decided.
        previous: the revision before, None for the first.
        near: near duplicates that are approved or wait too, the nearest first.
        record: of its submitter; None in a workspace that reviews blindly.
        claim: who holds it now, None where nobody does.
        votes_needed: people who must approve it, 1 or 2.
        blind: the reviewer is not told who submitted, how sure they are and who approved.
    """

    entry: Entry
    previous: Revision | None
    near: tuple[Near, ...]
    record: TrackRecord | None
    claim: Claim | None
    votes_needed: int
    blind: bool


async def review_item(deps: Deps, caller: Caller, entry_id: str) -> ReviewItem:
    """Returns an entry and all that helps to decide it.

    Raises:
        NotFound: no such entry in this workspace.
    """
    store, workspace = deps.store, caller.workspace
    entry = await store.get(workspace, ENTRIES, entry_id)
    if entry is None:
        raise NotFound(f"there is no entry {entry_id} in this workspace")
    settings = await settings_of(deps, workspace)
    previous = None
    if entry.revision > 1:
        before = revision_id(entry_id, entry.revision - 1)
        previous = await store.get(workspace, REVISIONS, before)
    risky = settings.two_approvals_above_risk
    return ReviewItem(
        entry=entry,
        previous=previous,
        near=await _near(deps, workspace, entry),
        record=None if settings.blind_review else await _record(deps, workspace, entry),
        claim=claims.live_claim(entry, deps.clock.now_text()),
        votes_needed=2 if risky is not None and entry.risk > risky else 1,
        blind=settings.blind_review,
    )


async def _near(deps: Deps, workspace: str, entry: Entry) -> tuple[Near, ...]:
    found = await deps.store.get_many(workspace, ENTRIES, entry.near_duplicates)
    near = [
        Near(one, similarity(entry.content, one.content))
        for one in found
        if one is not None and one.state in ("approved", "pending_approval")
    ]
    return tuple(sorted(near, key=lambda one: (one.entry.state != "approved", -one.similarity)))


async def _record(deps: Deps, workspace: str, entry: Entry) -> TrackRecord:
    name = f"{review_stats.SUBMITTERS}{entry.submitter}"
    fields = await deps.store.counter(workspace, name)
    bands = review_stats.by_band(fields)
    at = bands[review_stats.band(entry.confidence_score)]
    return TrackRecord(review_stats.verdicts(fields), tuple(bands), at)
