"""How far an agent's recommendations can be relied on, per recommendation type and overall.

Outcomes become scores in 0..1 here; the queue and the boost read them. Every score starts as
`prior_strength` imagined outcomes at 0.5 (the mean of a beta posterior; Gelman et al., "Bayesian
Data Analysis", 3rd ed., section 2.4), so that little evidence says little. Old outcomes fade like
all evidence, and fading alone moves nothing.

Who fails where everyone fails has shown little: accuracy is judged after the workflows' ease is
taken off (see crowd.ease), and every outcome counts by how reliable its evaluator is (evaluators).
What a new agent may do is what a neutral card says: boost 0, priority NORMAL, not disabled.
"""

import math
from typing import Literal

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.calibration import Calibration
from shared.domain.learning.confidence import calibrations
from shared.domain.learning.config import LearningConfig, TrustConfig
from shared.domain.learning.evaluators import FULL, counts, pair_of, weighed
from shared.domain.learning.figures import (
    Evidence,
    OutcomeFigures,
)
from shared.domain.learning.spelling import apart, in_100
from shared.domain.learning.state import (
    SECONDS_PER_DAY,
    LearningState,
    combine,
)
from shared.domain.learning.stats import RegressionSums, effective_size, slope_test, wilson

Direction = Literal["improving", "stable", "declining"]
Priority = Literal["CRITICAL", "NORMAL", "LOW"]

ALL_TYPES = ""
"""The recommendation type of an agent's overall card."""

NEUTRAL = 0.5
WEIGHTS = {"accuracy": 0.7, "consistency": 0.1, "timeliness": 0.1, "reliability": 0.1}
"""How much each side says in `overall`:

being right decides, the rest sets apart those who are equally right.
"""

_LEAST_SCORE = 1e-6
"""No side is nothing, however many outcomes say so: the sides are multiplied, and compared so."""

_MAX_QUALITY_SD = 500.0
"""The largest standard deviation that qualities in 0..1000 tenths can have."""
_TREND_DAYS = 30
_TOLD = 0.05
"""Ease and evaluators that change less are not worth a word."""

_POINTS_FULL = 2

_LEAST_SPREAD_S = SECONDS_PER_DAY // 4
"""A trend is told of outcomes whose times have this standard deviation: about a day's or more.

What came in a batch goes up or down by its order, and a month of that is nothing to tell.
"""


class Trend(Learned):
    """Change of the approval rate per 30 days, with its two-sided interval.

    The figures are None where too little is known to fit a line. `direction` is other than
    stable only where the interval leaves out 0.
    """

    direction: Direction = "stable"
    per_30_days: Figure | None = None
    low: Figure | None = None
    high: Figure | None = None
    p_value: Figure | None = None


class TrustCard(Learned):
    """An agent's trust in one recommendation type (`ALL_TYPES`: over all of them).

    `approval_rate` (partial counts half), its two-sided 90 % interval, `mean_quality` (0..100) and
    `mean_confidence` are as observed, by outcomes weighed as `n_effective` says, and None before
    any; the scores are shrunk to 0.5. `n` counts completed recommendations, `n_effective` what they
    are worth after decay and by their evaluators, who count `evaluator_weight` (0..1) on average.
    `ease` says how much easier (above 0) its workflows were than what others do: it is taken off
    the approval rate in `accuracy`. `calibration` is on the overall card only. `why` says the
    score in a sentence.
    """

    agent_id: str
    recommendation_type: str = ALL_TYPES
    attempted: int = 0
    n: int = 0
    n_effective: Figure = 0.0
    approval_rate: Figure | None = None
    approval_low: Figure = 0.0
    approval_high: Figure = 1.0
    mean_quality: Figure | None = None
    mean_confidence: Figure | None = None
    ease: Figure = 0.0
    evaluator_weight: Figure = 1.0
    accuracy: Figure = NEUTRAL
    consistency: Figure = NEUTRAL
    timeliness: Figure = NEUTRAL
    reliability: Figure = NEUTRAL
    overall: Figure = NEUTRAL
    trend: Trend = Trend()
    boost: Figure = 0.0
    priority: Priority = "NORMAL"
    disabled: bool = False
    calibration: Calibration = Calibration()
    why: str = "Neutral: none of its recommendations has an outcome that was learned from yet."


def neutral(agent_id: str, recommendation_type: str = ALL_TYPES) -> TrustCard:
    """Returns the card of an agent of whom nothing is known."""
    return TrustCard(agent_id=agent_id, recommendation_type=recommendation_type)


def build_cards(state: LearningState, config: LearningConfig) -> list[TrustCard]:
    """Returns each agent's overall card and then one per type, in order of agent and type."""
    plain: _Groups = {}
    groups: _Groups = {}
    heard_as = counts(state.outcomes)
    for key in sorted(state.outcomes):
        evidence = state.outcomes[key]
        heard = weighed(evidence, heard_as.get(pair_of(key), FULL))
        for kind in (ALL_TYPES, key.recommendation_type):
            _add(plain, (key.agent_id, kind), evidence)
            _add(groups, (key.agent_id, kind), heard)
    curves = calibrations(state.outcomes, heard_as)
    cards = []
    for name in sorted(groups):
        completed = plain[name].decayed.completed
        weight = groups[name].decayed.completed / (FULL * completed) if completed > 0 else 1.0
        curve = curves.get(name[0], Calibration()) if name[1] == ALL_TYPES else Calibration()
        cards.append(card(*name, groups[name], config.trust, weight, curve))
    return cards


_Groups = dict[tuple[str, str], Evidence[OutcomeFigures]]


def _add(groups: _Groups, name: tuple[str, str], evidence: Evidence[OutcomeFigures]) -> None:
    groups[name] = combine(groups[name], evidence) if name in groups else evidence


def card(
    agent_id: str,
    recommendation_type: str,
    evidence: Evidence[OutcomeFigures],
    config: TrustConfig,
    weight: float = 1.0,
    curve: Calibration = Calibration(),  # noqa: B008 - immutable
) -> TrustCard:
    """Returns the trust that one group of outcomes has earned.

    Args:
        agent_id: whose.
        recommendation_type: of which type; ALL_TYPES for all.
        evidence: the group, weighed by its evaluators.
        config: the rules.
        weight: what its outcomes count on average by their evaluators, 0..1.
        curve: the agent's calibration.
    """
    sums, prior = evidence.decayed, config.prior_strength
    attempts = effective_size(sums.attempted, evidence.squares.all) * weight
    n = effective_size(sums.completed, evidence.squares.completed) * weight
    reliability = _shrunk(_share(sums.completed, sums.attempted), attempts, prior)
    if n == 0:
        scores = _overall(NEUTRAL, NEUTRAL, NEUTRAL, reliability)
        return neutral(agent_id, recommendation_type).model_copy(
            update={"attempted": evidence.raw.attempted, **scores}
        )
    approval = sums.points / (_POINTS_FULL * sums.completed)
    ease = sums.ease / sums.completed / 1000
    accuracy = _shrunk(min(1.0, max(0.0, approval - ease)), n, prior)
    consistency = _shrunk(1 - _quality_sd(sums) / _MAX_QUALITY_SD, n, prior)
    scores = _overall(
        accuracy, consistency, _shrunk(_share(sums.timely, sums.completed), n, prior), reliability
    )
    low, high = wilson(approval * n, n, 0.95)
    boost = accuracy - NEUTRAL
    found = TrustCard(
        agent_id=agent_id,
        recommendation_type=recommendation_type,
        attempted=evidence.raw.attempted,
        n=evidence.raw.completed,
        n_effective=n,
        approval_rate=approval,
        approval_low=low,
        approval_high=high,
        mean_quality=sums.quality / sums.completed / 10,
        mean_confidence=sums.confidence_millis / sums.completed / 1000,
        ease=ease,
        evaluator_weight=weight,
        trend=trend(evidence, config),
        boost=boost,
        priority=_priority(boost, config),
        disabled=_is_disabled(scores["overall"], evidence.raw.completed, config),
        calibration=curve,
    ).model_copy(update=scores)
    return found.model_copy(update={"why": explained(found, config)})


def _is_disabled(overall: float, completed: int, config: TrustConfig) -> bool:
    """Returns whether an agent is not to be heard.

    Outcomes are counted as they are, not as they have faded: else one more failure could make an
    agent's old ones count as too few, and enable it.
    """
    return overall < config.disable_below and completed >= config.min_n


def explained(found: TrustCard, config: TrustConfig) -> str:
    """Returns a card's score and what it rests on, in words."""
    said = [f"{in_100(found.approval_rate or 0)}% of {found.n:,} with an outcome were approved"]
    if abs(found.ease) >= _TOLD:
        kind = "easier" if found.ease > 0 else "harder"
        said.append(f"in workflows that were {kind} than usual by {abs(found.ease):.0%}")
    if found.evaluator_weight <= 1 - _TOLD:
        said.append(f"told by evaluators who count {found.evaluator_weight:.0%}")
    where = f" in {found.recommendation_type}" if found.recommendation_type else ""
    grounds = ", ".join(said)
    against = config.disable_below if found.disabled else found.overall
    text = f"Trusted {apart(found.overall, against, 2)}{where} ({NEUTRAL} is neutral): {grounds}"
    if found.disabled:
        return f"{text}; below {config.disable_below:g}, so it is disabled."
    if found.n_effective < config.min_n:
        return f"{text}; that is still little, so the score stays near neutral."
    return f"{text}; {found.trend.direction}."


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0


def _shrunk(score: float, n: float, prior: float) -> float:
    return (score * n + NEUTRAL * prior) / (n + prior)


def _overall(
    accuracy: float, consistency: float, timeliness: float, reliability: float
) -> dict[str, float]:
    """Returns the four sides and their weighted geometric mean.

    Geometric, because a weak side must not be made up for by the others: an agent that is always
    wrong is not trusted for being prompt. All at 0.5 give 0.5.
    """
    scores = {
        "accuracy": accuracy,
        "consistency": consistency,
        "timeliness": timeliness,
        "reliability": reliability,
    }
    kept = {name: max(_LEAST_SCORE, score) for name, score in scores.items()}
    overall = math.exp(sum(WEIGHTS[name] * math.log(score) for name, score in kept.items()))
    return {name: round(score, 6) for name, score in (*kept.items(), ("overall", overall))}


def _quality_sd(sums: OutcomeFigures) -> float:
    """Returns the standard deviation of the quality, in tenths."""
    spread = sums.completed * sums.quality_squared - sums.quality**2
    return math.sqrt(max(0.0, spread / sums.completed**2))


def _priority(boost: float, config: TrustConfig) -> Priority:
    if boost > config.priority_above:
        return "CRITICAL"
    return "LOW" if boost < config.priority_below else "NORMAL"


def trend(evidence: Evidence[OutcomeFigures], config: TrustConfig) -> Trend:
    """Returns where the approval rate is heading: a weighted regression on time, tested."""
    sums, squares = evidence.decayed, evidence.squares
    n = effective_size(sums.completed, squares.completed)
    regression = RegressionSums(
        w=sums.completed,
        wx=sums.time,
        wxx=sums.time_squared,
        wy=sums.points,
        wxy=sums.time_points,
        wyy=sums.points_squared,
        ww=squares.completed,
        wwx=squares.time,
        wwxx=squares.time_squared,
    )
    told = n >= config.trend_min_n and _is_spread(regression)
    fitted = slope_test(regression, config.trend_alpha) if told else None
    if fitted is None:
        return Trend()
    scale = SECONDS_PER_DAY * _TREND_DAYS / _POINTS_FULL
    direction: Direction = "stable"
    if fitted.low > 0:
        direction = "improving"
    elif fitted.high < 0:
        direction = "declining"
    return Trend(
        direction=direction,
        per_30_days=fitted.slope * scale,
        low=fitted.low * scale,
        high=fitted.high * scale,
        p_value=fitted.p_value,
    )


def _is_spread(sums: RegressionSums) -> bool:
    """Returns whether the outcomes' times have a standard deviation of _LEAST_SPREAD_S or more."""
    return sums.w * sums.wxx - sums.wx**2 >= (sums.w * _LEAST_SPREAD_S) ** 2
