"""The routing policy: which model each pattern of prompts goes to, and on what evidence.

Where the loop closes: ratings become a policy here, the policy decides requests (`decision.py`),
those are rated. The policy is a function of (state, configuration) and of nothing else; a pattern
in which no model has proved itself has no choice and stays with the default, so that without enough
evidence nothing changes.
"""

from collections.abc import Iterable
from functools import cached_property
from itertools import groupby
from typing import Literal, NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.beliefs import Beliefs, build_beliefs
from shared.domain.learning.cells import Observed
from shared.domain.learning.config import LearningConfig, ModelField, ModelId, TierRule
from shared.domain.learning.spelling import (
    at_least,
    at_least_in_100,
    in_ratings,
    often_right,
    per_1000,
)
from shared.domain.learning.standings import (
    QUALITY_MAX,
    QUALITY_MIN,
    QUALITY_SPAN,
    Standing,
    observed,
    standing,
)
from shared.domain.learning.state import LearningState, pooled, without_epochs
from shared.domain.learning.stats import welch, wilson

Tier = Literal["HIGH", "MEDIUM", "LOW"]


class ModelFigures(Learned):
    """What the evidence says of one model in one pattern.

    Means are decayed; bounds are one-sided lower ones. `n` counts ratings, `n_effective` what
    they are worth after decay. `value` is the mean of correctness and (mean_quality - 1) / 4, in
    0..1; `confidence` is the same of their lower bounds.
    """

    provider: str
    model: str
    n: int
    n_effective: Figure
    mean_quality: Figure
    quality_lower: Figure
    correctness: Figure
    correctness_lower: Figure
    mean_cost_usd: float | None
    mean_latency_ms: Figure | None
    tier: Tier
    value: Figure
    confidence: Figure
    holds_up: bool
    why: str

    @property
    def id(self) -> ModelId:
        """The model."""
        return ModelId(self.provider, self.model)


class PatternPolicy(Learned):
    """The row of one pattern.

    `ranking` is the fallback order: those that hold up by cost, then the rest by proven value.
    `choice` None leaves the pattern with the default.
    """

    pattern: str
    choice: ModelField | None
    why: str
    ranking: tuple[ModelFigures, ...]

    @cached_property
    def qualified(self) -> tuple[ModelId, ...]:
        """The qualified models in fallback order; `choice` is the first."""
        return tuple(row.id for row in self.ranking if row.tier != "LOW")

    @cached_property
    def confidence_of(self) -> dict[ModelId, float]:
        """The confidence of every model that was ever rated here."""
        return {row.id: row.confidence for row in self.ranking}


class RoutingPolicy(Learned):
    """The whole table, in order of pattern. `default_model` answers where a row has no choice.

    In the patterns of `shaken`, where a model has changed a short while ago, at least a share
    `shaken_rate` of the requests explores: what was known of the others may be old too.
    """

    default_model: ModelField | None = None
    rows: tuple[PatternPolicy, ...] = ()
    beliefs: Beliefs = Beliefs()
    boldness: Figure = 0.8
    confidence_level: Figure = 0.8
    shaken: tuple[str, ...] = ()
    shaken_rate: Figure = 0.0

    @cached_property
    def by_pattern(self) -> dict[str, PatternPolicy]:
        """The rows by pattern."""
        return {row.pattern: row for row in self.rows}

    def choice(self, pattern: str) -> ModelId | None:
        """Returns where requests of a pattern go unless they explore; None without a default."""
        row = self.by_pattern.get(pattern)
        return row.choice if row and row.choice else self.default_model


def build_policy(state: LearningState, config: LearningConfig) -> RoutingPolicy:
    """Returns the policy that the evidence supports; equal inputs give equal policies."""
    rows = []
    evidence = pooled(state)
    groups: dict[tuple[str, ModelId], Observed] = {}
    for pattern, keys in groupby(sorted(evidence), key=lambda key: key.pattern):
        standings = [found for key in keys if (found := standing(key, evidence[key]))]
        if standings:
            rows.append(_row(pattern, standings, config))
        groups.update(((pattern, found.id), observed(found)) for found in standings)
    ratings = without_epochs(state).ratings
    cells = {
        (key.pattern, key.cell, found.id): observed(found)
        for key in sorted(ratings)
        if key.cell and (found := standing(key, ratings[key])) and (key.pattern, found.id) in groups
    }
    shaken = _shaken(state, config)
    return RoutingPolicy(
        default_model=config.default_model,
        rows=tuple(rows),
        beliefs=build_beliefs(groups, cells, config.beliefs),
        boldness=config.beliefs.boldness,
        confidence_level=config.confidence_level,
        shaken=shaken,
        shaken_rate=config.drift.explore if shaken else 0.0,
    )


def _shaken(state: LearningState, config: LearningConfig) -> tuple[str, ...]:
    """Returns the patterns in which a model has changed a short while ago, by days of evidence."""
    since = (state.last_day or 0) - config.drift.new_for_days
    return tuple(sorted({name[0] for name, one in state.changes.items() if one.day >= since}))


class Judged(NamedTuple):
    """A standing with its lower bounds and what they earn it."""

    standing: Standing
    quality_lower: float
    correctness_lower: float
    tier: Tier
    shortfall: str

    @property
    def proven(self) -> float:
        """The value (0..1) that the lower bounds prove; a lucky few ratings prove little."""
        return (self.correctness_lower + (self.quality_lower - QUALITY_MIN) / QUALITY_SPAN) / 2


def judge(found: Standing, config: LearningConfig) -> Judged:
    """Returns the tier that the lower bounds reach; `shortfall` says what a LOW one misses."""
    level, n = config.confidence_level, found.value.n
    quality = min(QUALITY_MAX, max(QUALITY_MIN, found.quality.lower(level)))
    correctness = wilson(found.correctness.mean * n, n, level)[0]
    if not _misses(n, quality, correctness, config.high):
        return Judged(found, quality, correctness, "HIGH", "")
    shortfall = _misses(n, quality, correctness, config.medium)
    return Judged(found, quality, correctness, "LOW" if shortfall else "MEDIUM", shortfall)


def _misses(n: float, quality: float, correctness: float, rule: TierRule) -> str:
    if n < rule.n * (1 - 1e-9):
        return f"{n:.1f} effective ratings of {rule.n:g}"
    if quality < rule.quality:
        return f"quality proves {quality:.2f} of {rule.quality:g}"
    if correctness < rule.correctness:
        return f"correctness proves {correctness:.2f} of {rule.correctness:g}"
    return ""


def _row(pattern: str, standings: Iterable[Standing], config: LearningConfig) -> PatternPolicy:
    """Ranks a pattern's models: the cheapest that holds up against the best comes first."""
    judged = [judge(found, config) for found in standings]
    qualified = [one for one in judged if one.tier != "LOW"]
    if not qualified:
        ranking = [_figures(one, f"LOW: {one.shortfall}") for one in _by_proof(judged)]
        why = f"No model has proved itself in {pattern} yet, so the default answers."
        return PatternPolicy(pattern=pattern, choice=None, why=why, ranking=tuple(ranking))
    best = _by_proof(qualified)[0]
    margins = {one.standing.id: _margin(one, best, config) for one in qualified}
    holding = [one for one in qualified if margins[one.standing.id] >= -config.quality_margin]
    holding.sort(key=_by_cost)
    rest = [one for one in _by_proof(qualified) if one not in holding]
    low = [one for one in _by_proof(judged) if one.tier == "LOW"]
    ranking = [
        *(_figures(one, _why_holding(one, best, margins), holds_up=True) for one in holding),
        *(_figures(one, _why_rest(one, best, margins, config)) for one in rest),
        *(_figures(one, f"LOW: {one.shortfall}") for one in low),
    ]
    why = _why_row(pattern, holding, best)
    return PatternPolicy(
        pattern=pattern, choice=holding[0].standing.id, why=why, ranking=tuple(ranking)
    )


def _by_proof(judged: Iterable[Judged]) -> list[Judged]:
    return sorted(judged, key=lambda one: (-one.proven, _by_cost(one)))


def _by_cost(one: Judged) -> tuple[float, float, ModelId]:
    """Orders by cost, an unknown one last; equally dear ones by proof, then by name."""
    cost = one.standing.cost_usd
    return (float("inf") if cost is None else cost, -one.proven, one.standing.id)


def _margin(one: Judged, best: Judged, config: LearningConfig) -> float:
    """Returns the lower bound of `one`'s value less `best`'s; 0 for the best itself.

    A non-inferiority test (Piaggio et al., CONSORT extension, JAMA 308, 2012) by Welch's bound.
    """
    if one is best:
        return 0.0
    return welch(one.standing.value, best.standing.value).lower(config.confidence_level)


def _why_holding(one: Judged, best: Judged, margins: dict[ModelId, float]) -> str:
    if one is best:
        return f"{one.tier}: highest proven value, {one.proven:.3f}"
    loss = max(0.0, -margins[one.standing.id])
    return f"{one.tier}: at worst {loss:.3f} of value below {best.standing.id}"


def _why_rest(
    one: Judged, best: Judged, margins: dict[ModelId, float], config: LearningConfig
) -> str:
    loss = -margins[one.standing.id]
    return (
        f"{one.tier}: may be {loss:.3f} of value below {best.standing.id}, "
        f"more than {config.quality_margin:g}"
    )


def _why_row(pattern: str, holding: list[Judged], best: Judged) -> str:
    """Returns which figure decided and what it was weighed against, in plain words."""
    first, found = holding[0].standing, best.standing
    if first.id != found.id:
        price = "" if found.cost_usd is None else f" against {per_1000(found.cost_usd)}"
        return (
            f"Cheaper and about as good in {pattern}: {first.id} costs {per_1000(first.cost_usd)} "
            f"per 1,000 answers{price} and is {_right(first)}; the best, "
            f"{found.id}, {_right(found)}."
        )
    seen = (
        f"{found.id} has shown the most in {pattern}: right in at least "
        f"{at_least_in_100(best.correctness_lower)} of 100 answers, rated "
        f"{at_least(best.quality_lower)} of 5 or more ({in_ratings(found.n)})"
    )
    if len(holding) == 1:
        return f"{seen}; no other model has shown that it is nearly as good."
    return f"{seen}; none that is nearly as good costs less."


def _right(found: Standing) -> str:
    return f"{often_right(found.correctness.mean)}, rated {found.quality.mean:.1f} of 5"


def _figures(one: Judged, why: str, *, holds_up: bool = False) -> ModelFigures:
    found = one.standing
    return ModelFigures(
        provider=found.id.provider,
        model=found.id.model,
        n=found.n,
        n_effective=found.value.n,
        mean_quality=found.quality.mean,
        quality_lower=one.quality_lower,
        correctness=found.correctness.mean,
        correctness_lower=one.correctness_lower,
        mean_cost_usd=None if found.cost_usd is None else round(found.cost_usd, 9),
        mean_latency_ms=found.latency_ms,
        tier=one.tier,
        value=found.value.mean,
        confidence=one.proven,
        holds_up=holds_up,
        why=why,
    )
