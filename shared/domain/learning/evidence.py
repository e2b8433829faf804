"""What stands behind a model in one pattern, in figures: for the routing table and its changes."""

import math

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.neighbourhoods import CELLS
from shared.domain.learning.ranking import ModelFigures, PatternPolicy, Tier
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.stats import wilson

_ENOUGH = 1_000_000
"""Wrong answers that would undo a choice are looked for up to so many."""


class RestsOn(Learned):
    """What a belief rests on, in shares that add up to 1.

    `own` are the model's ratings in this pattern, `elsewhere` those in other patterns, `prior` is
    what is thought of a model that nobody has tried.
    """

    own: Figure
    elsewhere: Figure
    prior: Figure


class NeighbourhoodScore(Learned):
    """What a model is believed to be worth (0..1) in one neighbourhood of a pattern."""

    cell: str
    score: Figure


class ModelEvidence(ModelFigures):
    """The figures of a model in a pattern, and what they rest on.

    The share correct lies between `correctness_lower` and `correctness_upper`, each one-sided.
    `believed` is the value (0..1) after borrowing, `rests_on` where it comes from; `neighbourhoods`
    has what it is by how much of a prompt is figures. `changed_on` is the day of the model's last
    proven change: older ratings count little since; `withdrawn_on` that on which the newest one
    fell with its proof. `tier_before` is None where it had no ratings.
    """

    correctness_upper: Figure
    believed: Figure
    rests_on: RestsOn | None
    neighbourhoods: tuple[NeighbourhoodScore, ...] = ()
    changed_on: str | None
    withdrawn_on: str | None = None
    tier_before: Tier | None = None


def evidence_of(
    one: ModelFigures, pattern: str, snapshot: Snapshot, before: PatternPolicy | None = None
) -> ModelEvidence:
    """Returns the figures of a model with what they rest on.

    Args:
        one: a row of the pattern's ranking in `snapshot`.
        pattern: which.
        snapshot: where it is from.
        before: the pattern's row in what was served before.
    """
    level, n = snapshot.config.confidence_level, one.n_effective
    policy = snapshot.policy
    tiers = {row.id: row.tier for row in before.ranking} if before else {}
    changed = next(
        (
            change
            for change in snapshot.changed
            if (change.pattern, change.provider, change.model) == (pattern, *one.id)
        ),
        None,
    )
    return ModelEvidence(
        **one.model_dump(),
        correctness_upper=wilson(one.correctness * n, n, level)[1],
        believed=policy.belief(pattern, "", one.id).value,
        rests_on=_rests_on(one, snapshot),
        neighbourhoods=tuple(
            NeighbourhoodScore(cell=cell, score=policy.belief(pattern, cell, one.id).value)
            for cell in CELLS
            if any(known.cell == cell for known in policy.beliefs.cells)
        ),
        changed_on=changed.day if changed else None,
        withdrawn_on=changed.withdrawn if changed else None,
        tier_before=tiers.get(one.id),
    )


def _rests_on(one: ModelFigures, snapshot: Snapshot) -> RestsOn | None:
    """Returns the shares of a belief, see beliefs: (n y + k a) / (n + k).

    `a` is the model's standing: the mean of all its ratings, leaning on the prior. What all models
    make of the pattern moves it too, and is counted as part of it.
    """
    beliefs, weight = snapshot.policy.beliefs, snapshot.config.beliefs.prior_weight
    of_all = next((row.n for row in beliefs.models if (row.provider, row.model) == one.id), None)
    if beliefs.strength is None or of_all is None:
        return None
    n, total = one.n_effective, max(of_all, one.n_effective)
    rest = beliefs.strength / (n + beliefs.strength)
    own = 1 - rest + rest * n / (total + weight)
    elsewhere = rest * (total - n) / (total + weight)
    return RestsOn(own=own, elsewhere=elsewhere, prior=1 - own - elsewhere)


def wrong_until_lost(one: ModelFigures, config: LearningConfig) -> int | None:
    """Returns after how many wrong answers without a right one a model cannot stay chosen.

    At the latest: that others are better may end it sooner. None where no number is enough.
    """
    rule, n, level = config.medium, one.n_effective, config.confidence_level

    def lost(wrong: int) -> bool:
        return wilson(one.correctness * n, n + wrong, level)[0] < rule.correctness

    low, high = 0, 1
    while not lost(high):
        low, high = high, 2 * high
        if high > _ENOUGH:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if lost(middle) else (middle, high)
    return high


def ratings_needed(one: ModelFigures, config: LearningConfig) -> int:
    """Returns how many ratings a model lacks to be chosen, however good; 0 where it has them."""
    return max(0, math.ceil(config.medium.n * (1 - 1e-9) - one.n_effective))
