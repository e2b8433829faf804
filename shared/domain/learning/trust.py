"""How far an agent's recommendations can be relied on, per recommendation type and overall.

Outcomes become scores in 0..1 here; the queue and the boost read them. Every score starts as
`prior_strength` imagined outcomes at 0.5 (the mean of a beta posterior; Gelman et al., "Bayesian
Data Analysis", 3rd ed., section 2.4), so that little evidence says little. Old outcomes fade like
all evidence, and fading alone moves nothing.
"""

import math
from typing import Literal

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import LearningConfig, TrustConfig
from shared.domain.learning.figures import (
    Evidence,
    OutcomeFigures,
)
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

_MAX_QUALITY_SD = 500.0
"""The largest standard deviation that qualities in 0..1000 tenths can have."""
_TREND_DAYS = 30
_POINTS_FULL = 2


class Trend(Learned):
    """Change of the approval rate per 30 days, with its two-sided interval.

    The figures are None where too little is known to fit a line.     `direction` is other than
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
    `mean_confidence` are as observed and None before any outcome; the scores are shrunk to 0.5. `n`
    counts completed recommendations, `n_effective` what they are worth after decay.
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
    accuracy: Figure = NEUTRAL
    consistency: Figure = NEUTRAL
    timeliness: Figure = NEUTRAL
    reliability: Figure = NEUTRAL
    overall: Figure = NEUTRAL
    trend: Trend = Trend()
    boost: Figure = 0.0
    priority: Priority = "NORMAL"
    disabled: bool = False


def neutral(agent_id: str, recommendation_type: str = ALL_TYPES) -> TrustCard:
    """Returns the card of an agent of whom nothing is known."""
    return TrustCard(agent_id=agent_id, recommendation_type=recommendation_type)


def build_cards(state: LearningState, config: LearningConfig) -> list[TrustCard]:
    """Returns each agent's overall card and then one per type, in order of agent and type."""
    groups: dict[tuple[str, str], Evidence[OutcomeFigures]] = {}
    for key in sorted(state.outcomes):
        for kind in (ALL_TYPES, key.recommendation_type):
            name, evidence = (key.agent_id, kind), state.outcomes[key]
            groups[name] = combine(groups[name], evidence) if name in groups else evidence
    return [card(*name, groups[name], config.trust) for name in sorted(groups)]


def card(
    agent_id: str,
    recommendation_type: str,
    evidence: Evidence[OutcomeFigures],
    config: TrustConfig,
) -> TrustCard:
    """Returns the trust that one group of outcomes has earned."""
    sums, prior = evidence.decayed, config.prior_strength
    attempts = effective_size(sums.attempted, evidence.squares.all)
    n = effective_size(sums.completed, evidence.squares.completed)
    reliability = _shrunk(_share(sums.completed, sums.attempted), attempts, prior)
    if n == 0:
        scores = _overall(NEUTRAL, NEUTRAL, NEUTRAL, reliability)
        return neutral(agent_id, recommendation_type).model_copy(
            update={"attempted": evidence.raw.attempted, **scores}
        )
    approval = sums.points / (_POINTS_FULL * sums.completed)
    accuracy = _shrunk(approval, n, prior)
    consistency = _shrunk(1 - _quality_sd(sums) / _MAX_QUALITY_SD, n, prior)
    scores = _overall(
        accuracy, consistency, _shrunk(_share(sums.timely, sums.completed), n, prior), reliability
    )
    low, high = wilson(approval * n, n, 0.95)
    boost = accuracy - NEUTRAL
    return TrustCard(
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
        **scores,
        trend=trend(evidence, config),
        boost=boost,
        priority=_priority(boost, config),
        disabled=scores["overall"] < config.disable_below and n >= config.min_n,
    )


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
    overall = math.exp(sum(WEIGHTS[name] * math.log(score) for name, score in scores.items()))
    return {name: round(score, 6) for name, score in (*scores.items(), ("overall", overall))}


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
    fitted = slope_test(regression, config.trend_alpha) if n >= config.trend_min_n else None
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
