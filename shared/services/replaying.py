"""Replaying a workspace's own log: what would routing have learned from it, and earned?

The log is read from its start in slices. After each slice a policy is learned from all before it
and judged on the next one, by propensities: on ratings that it has not seen. Invariant: one slice
and the sums by group are all that is held in memory; nothing is written.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.domain.access import WorkspaceSettings
from shared.domain.learning.config import ModelId
from shared.domain.learning.decay import days_a_step
from shared.domain.learning.offpolicy_figures import PolicyEstimate
from shared.domain.learning.routing import RoutingPolicy, build_policy
from shared.domain.learning.state import LearningState, fold
from shared.domain.learning.sums import RatingSums
from shared.domain.models import Price
from shared.errors import InvalidInput
from shared.services.deps import Deps
from shared.services.drifting import changes_after
from shared.services.foreseeing import foresee, serving_of
from shared.services.unit import settings_of

SLICES = 10
"""Of a log, at least."""

SLICE_ROWS = 50_000
"""Rows of a slice, at most."""


class Step(NamedTuple):
    """A policy learned from the first `learned_from` rows of the log, judged on the next slice.

    `logged` is the share of right answers that was really served there; None where no rating was,
    or more was taken back of earlier slices than leaves a share.
    """

    learned_from: int
    logged: float | None
    estimate: PolicyEstimate


class TradeOff(NamedTuple):
    """What the log's first half taught, judged on the second half under one worth of an answer."""

    answer_worth_usd: float
    estimate: PolicyEstimate


class Replay(NamedTuple):
    """What the log says: the learning curve and the frontier.

    `unpriced` are the log's models that have no price: no trade-off moves between them.
    """

    steps: tuple[Step, ...]
    frontier: tuple[TradeOff, ...]
    unpriced: tuple[ModelId, ...] = ()


async def replay(deps: Deps, workspace: str, worths: Sequence[float]) -> Replay:
    """Returns what learning from this workspace's log would have been worth.

    A change of a model counts from the slice in which it was proven: what was learned of the model
    before counts little from then on, as in a run. Slices are judged as they were, each rating
    alike.

    Raises:
        InvalidInput: the log has too few rows to be divided.
    """
    upto, _ = await deps.analytics.head(workspace)
    if upto < SLICES:
        raise InvalidInput(f"the log of {workspace} has {upto} ratings; {SLICES} are the least")
    settings = await settings_of(deps, workspace)
    count = max(SLICES, -(-upto // SLICE_ROWS))
    ends = [upto * place // count for place in range(1, count + 1)]
    config = deps.options.learning
    known = later = LearningState.empty(config)
    halfway, steps = RoutingPolicy(default_model=config.default_model), []
    for place, end in enumerate(ends):
        start = ends[place - 1] if place else 0
        step = days_a_step(config.half_life_days)
        rows = await deps.analytics.rating_sums(workspace, start, end, step)
        policy = build_policy(known, config)
        if place:
            judged = fold(LearningState.empty(config), ratings=rows)
            steps.append(Step(start, _right(rows), _judged(deps, settings, judged, policy)))
        if place == count // 2:
            halfway = policy
        if place >= count // 2:
            later = fold(later, ratings=rows)
        changes = await changes_after(deps, workspace, start, upto=end)
        known = fold(known, ratings=rows, changes=changes)
    frontier = tuple(_under(deps, settings, later, halfway, worth) for worth in worths)
    models = {ModelId(key.provider, key.model) for key in known.ratings}
    return Replay(tuple(steps), frontier, tuple(sorted(models - set(_prices(deps)))))


def _right(rows: Sequence[RatingSums]) -> float | None:
    n, right = sum(row.n for row in rows), sum(row.correct for row in rows)
    return right / n if 0 <= right <= n and n > 0 else None


def _prices(deps: Deps) -> dict[ModelId, Price]:
    return {ModelId(one.provider, one.model): p for one, p in deps.catalogue.prices.items()}


def _under(
    deps: Deps,
    settings: WorkspaceSettings,
    state: LearningState,
    policy: RoutingPolicy,
    worth: float,
) -> TradeOff:
    preference = {"answer_worth_usd": worth, "quality_floor": None}
    wanted = settings.model_copy(update=preference)
    return TradeOff(worth, _judged(deps, wanted, state, policy))


def _judged(
    deps: Deps, settings: WorkspaceSettings, state: LearningState, policy: RoutingPolicy
) -> PolicyEstimate:
    serving = serving_of(
        state,
        settings=settings,
        prices=_prices(deps),
        expected_output_tokens=deps.options.expected_output_tokens,
    )
    config = deps.options.learning
    return foresee(state, policy, policy, config=config, serving=serving).proposed
