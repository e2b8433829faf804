"""Planning a run: folds the new evidence onto what is known, and says what would change.

Reads only, and is the whole of a dry run. Invariant: the plan is a function of (the evidence up to
the watermarks, the configuration); what is served now matters only for the comparison.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from shared.domain.access import WorkspaceSettings
from shared.domain.feedback import PromptEvidence
from shared.domain.learning.config import ModelId
from shared.domain.learning.decay import days_a_step
from shared.domain.learning.epochs import Changed, Name
from shared.domain.learning.evaluation import Evaluation
from shared.domain.learning.explain import changes, insights, unchanged
from shared.domain.learning.labels import Labelled, unspelled
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.runs import LearningHead
from shared.domain.learning.snapshot import Snapshot, build_snapshot, snapshot_id, to_bytes
from shared.domain.learning.state import LearningState, fold, fold_labels
from shared.domain.learning.state_json import Kept, to_json
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.wording import Change
from shared.ports import EvidenceRow
from shared.services.bulk import in_bulk
from shared.services.deps import Deps
from shared.services.drifting import changes_after
from shared.services.foreseeing import foresee, serving_of
from shared.services.snapshots import info_of, open_snapshot, open_state
from shared.services.unit import settings_of

MOST_PROMPTS = 2000
"""Labelled prompts that one run learns from: about two seconds of its time."""


@dataclass(frozen=True, slots=True)
class Read:
    """Evidence in a range of the log, as sums, and where the range ends; changes as they are."""

    ratings: list[RatingSums]
    outcomes: list[OutcomeSums]
    quality: list[QualitySums]
    changes: list[tuple[Name, Changed]]
    ratings_upto: int
    outcomes_upto: int
    prompts: list[EvidenceRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    `snapshot_data` and `state_data` are the bytes to keep; `parent_id` is the snapshot that was
    folded on from, `current_id` the one that the figures `before` are of and `opened` has beside
    the new one. `ratings_read` and
    `outcomes_read` count rows of the log.
    """

    snapshot: Snapshot
    snapshot_id: str
    opened: Mapping[str, Snapshot]
    snapshot_data: bytes
    state_data: bytes
    parent_id: str | None
    current_id: str | None
    ratings_read: int
    outcomes_read: int
    rated: dict[str, JsonValue]
    before: dict[str, JsonValue]
    after: dict[str, JsonValue]
    off_policy: dict[str, JsonValue]
    changes: list[Change]
    unchanged: list[Change]
    insights: dict[str, JsonValue]


async def plan(deps: Deps, workspace: str, head: LearningHead) -> Plan:
    """Returns what a run would do now.

    Raises:
        CorruptData: the current snapshot is damaged: roll back to another one first.
    """
    with in_bulk():
        config = deps.options.learning
        base = await open_state(deps, await info_of(deps, workspace, head.tip_id), config)
        read = await read_since(deps, workspace, base.state)
        current = None
        if head.current_id is not None:
            current = (await open_snapshot(deps, workspace, head.current_id)).snapshot
        settings = await settings_of(deps, workspace)
        return await asyncio.to_thread(_build, deps, workspace, settings, base, read, current, head)


async def read_since(deps: Deps, workspace: str, base: LearningState) -> Read:
    """Returns the evidence after the state's watermarks, up to the settled end of the log."""
    ratings_upto, outcomes_upto = await deps.analytics.head(workspace)
    ratings, quality, outcomes, changes = await asyncio.gather(
        deps.analytics.rating_sums(
            workspace, base.ratings_watermark, ratings_upto, days_a_step(base.half_life_days)
        ),
        deps.analytics.quality_sums(workspace, base.ratings_watermark, ratings_upto),
        deps.analytics.outcome_sums(workspace, base.outcomes_watermark, outcomes_upto),
        changes_after(deps, workspace, base.changes_watermark),
    )
    prompts = await prompts_after(deps, workspace, base.labels_watermark)
    return Read(ratings, outcomes, quality, changes, ratings_upto, outcomes_upto, prompts)


async def prompts_after(deps: Deps, workspace: str, after: int) -> list[EvidenceRow]:
    """Returns the next labelled prompts, MOST_PROMPTS at most: later runs go on from there."""
    if not deps.options.learning.labels.learn:
        return []
    return await deps.evidence_log.rows(workspace, "prompts", after, MOST_PROMPTS)


def folded(base: LearningState, read: Read) -> LearningState:
    """Returns `base` with what was read added to it."""
    state = fold(
        base,
        ratings=read.ratings,
        outcomes=read.outcomes,
        quality=read.quality,
        changes=read.changes,
        ratings_watermark=read.ratings_upto,
        outcomes_watermark=read.outcomes_upto,
    )
    return fold_labels(
        state,
        [
            (row.seq, Labelled(one.pattern, unspelled(one.words), one.caller))
            for row in read.prompts
            if isinstance(one := row.evidence, PromptEvidence)
        ],
    )


def _rated(ratings: list[RatingSums]) -> dict[str, JsonValue]:
    """Returns the plain means of what was read; null where as much was taken back as came in."""
    n = sum(one.n for one in ratings)
    quality, correct = sum(one.quality for one in ratings), sum(one.correct for one in ratings)
    return {
        "ratings": n,
        "quality": round(quality / n, 6) if n > 0 else None,
        "correctness": round(correct / n, 6) if n > 0 else None,
    }


def _build(  # noqa: PLR0917 - what was read, each from its own place
    deps: Deps,
    workspace: str,
    settings: WorkspaceSettings,
    base: Kept,
    read: Read,
    current: Snapshot | None,
    head: LearningHead,
) -> Plan:
    config = deps.options.learning
    state = folded(base.state, read)
    snapshot = build_snapshot(state, config)
    data = to_bytes(snapshot)
    made_id = snapshot_id(workspace, data)
    opened = {made_id: snapshot}
    if current is not None and head.current_id is not None:
        opened[head.current_id] = current
    served = current.policy if current else RoutingPolicy(default_model=config.default_model)
    evaluation = Evaluation(state)
    before, after = (evaluation.of(one).figures() for one in (served, snapshot.policy))
    prices = {ModelId(one.provider, one.model): p for one, p in deps.catalogue.prices.items()}
    serving = serving_of(
        state,
        settings=settings,
        prices=prices,
        expected_output_tokens=deps.options.expected_output_tokens,
    )
    foreseen = foresee(state, served, snapshot.policy, config=config, serving=serving)
    made = changes(current, snapshot, serving)
    return Plan(
        snapshot=snapshot,
        snapshot_id=made_id,
        opened=opened,
        snapshot_data=data,
        state_data=to_json(state, base),
        parent_id=head.tip_id,
        current_id=head.current_id,
        ratings_read=read.ratings_upto - base.state.ratings_watermark,
        outcomes_read=read.outcomes_upto - base.state.outcomes_watermark,
        rated=_rated(read.ratings),
        before=before,
        after=after,
        off_policy=foreseen.figures(),
        changes=made,
        unchanged=unchanged(current, snapshot, serving),
        insights=insights(snapshot, made, before, after),
    )
