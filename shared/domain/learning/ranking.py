"""A row of the routing table: which models have proved themselves in a pattern, and in which order.

A row is a function of the pattern's own evidence and of the configuration. Lower bounds decide, so
a lucky few ratings decide little.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Literal, NamedTuple

from shared.domain.learning.base import DIGITS, Learned
from shared.domain.learning.beliefs import Seen
from shared.domain.learning.config import LearningConfig, ModelField, ModelId, TierRule
from shared.domain.learning.spelling import (
    at_least,
    at_least_in_100,
    certainly,
    in_ratings,
    often_right,
    per_1000,
)
from shared.domain.learning.standings import QUALITY_MAX, QUALITY_MIN, QUALITY_SPAN, Standing
from shared.domain.learning.stats import welch, wilson

Tier = Literal["HIGH", "MEDIUM", "LOW"]


class ModelFigures(Learned):
    """What the evidence says of one model in one pattern.

    Means are decayed; bounds are one-sided lower ones. `n` counts ratings, `n_effective` what
    they are worth after decay. `value` is the mean of correctness and (mean_quality - 1) / 4, in
    0..1; `confidence` is the same of their lower bounds. `ranked` rounds the figures to six digits,
    so that reading thousands of them back need not.
    """

    provider: str
    model: str
    n: int
    n_effective: float
    mean_quality: float
    quality_lower: float
    correctness: float
    correctness_lower: float
    mean_cost_usd: float | None
    mean_latency_ms: float | None
    mean_output_tokens: float | None = None
    tier: Tier
    value: float
    confidence: float
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

    @cached_property
    def seen(self) -> dict[ModelId, Seen]:
        """The ratings of every model here, as beliefs take them."""
        return {
            row.id: Seen(row.n_effective, row.value, row.mean_output_tokens) for row in self.ranking
        }


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


def ranked(pattern: str, standings: Iterable[Standing], config: LearningConfig) -> PatternPolicy:
    """Returns a pattern's row: the cheapest model that holds up against the best comes first."""
    judged = sorted([judge(found, config) for found in standings], key=_by_proof)
    qualified = [one for one in judged if one.tier != "LOW"]
    low = [_figures(one, f"LOW: {one.shortfall}") for one in judged if one.tier == "LOW"]
    if not qualified:
        why = f"No model has proved itself in {pattern} yet, so the default answers."
        return _row(pattern, None, why, low)
    best = qualified[0]
    margins = [(one, _margin(one, best, config)) for one in qualified]
    holding = [pair for pair in margins if pair[1] >= -config.quality_margin]
    holding.sort(key=lambda pair: _by_cost(pair[0]))
    rest = [pair for pair in margins if pair[1] < -config.quality_margin]
    ranking = [
        *[_figures(one, _why_holding(one, best, lag), holds_up=True) for one, lag in holding],
        *[_figures(one, _why_rest(one, best, lag, config)) for one, lag in rest],
        *low,
    ]
    why = _why_row(pattern, [one for one, _ in holding], best, config)
    return _row(pattern, holding[0][0].standing.id, why, ranking)


def _row(
    pattern: str, choice: ModelId | None, why: str, ranking: list[dict[str, object]]
) -> PatternPolicy:
    """Returns the row of a table; validated as a whole, as tables have thousands of figures."""
    row = {"pattern": pattern, "choice": choice, "why": why, "ranking": ranking}
    return PatternPolicy.model_validate(row)


def _by_proof(one: Judged) -> tuple[float, tuple[float, float, ModelId]]:
    """Orders by proven value, the highest first."""
    return -one.proven, _by_cost(one)


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


def _why_holding(one: Judged, best: Judged, margin: float) -> str:
    if one is best:
        return f"{one.tier}: highest proven value, {one.proven:.3f}"
    return f"{one.tier}: at worst {max(0.0, -margin):.3f} of value below {best.standing.id}"


def _why_rest(one: Judged, best: Judged, margin: float, config: LearningConfig) -> str:
    return (
        f"{one.tier}: may be {-margin:.3f} of value below {best.standing.id}, "
        f"more than {config.quality_margin:g}"
    )


def _why_row(pattern: str, holding: list[Judged], best: Judged, config: LearningConfig) -> str:
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
        f"{at_least(best.quality_lower)} of 5 or more ({in_ratings(found.n)}, "
        f"each {certainly(config.confidence_level)})"
    )
    if len(holding) == 1:
        return f"{seen}; no other model has shown that it is nearly as good."
    return f"{seen}; none that is nearly as good costs less."


def _right(found: Standing) -> str:
    return f"{often_right(found.correctness.mean)}, rated {found.quality.mean:.1f} of 5"


def _figures(one: Judged, why: str, *, holds_up: bool = False) -> dict[str, object]:
    """Returns the fields of a ModelFigures."""
    found, (latency, tokens) = one.standing, (one.standing.latency_ms, one.standing.output_tokens)
    return {
        "provider": found.id.provider,
        "model": found.id.model,
        "n": found.n,
        "n_effective": round(found.value.n, DIGITS),
        "mean_quality": round(found.quality.mean, DIGITS),
        "quality_lower": round(one.quality_lower, DIGITS),
        "correctness": round(found.correctness.mean, DIGITS),
        "correctness_lower": round(one.correctness_lower, DIGITS),
        "mean_cost_usd": None if found.cost_usd is None else round(found.cost_usd, 9),
        "mean_latency_ms": None if latency is None else round(latency, DIGITS),
        "mean_output_tokens": None if tokens is None else round(tokens, DIGITS),
        "tier": one.tier,
        "value": round(found.value.mean, DIGITS),
        "confidence": round(one.proven, DIGITS),
        "holds_up": holds_up,
        "why": why,
    }
