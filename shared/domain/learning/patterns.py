"""Regularities in the outcomes that are worth telling: who is right, and what goes with it.

Three kinds are tried: `consensus` (where agents agree, they are right more often), `expert` (an
agent is right more than 75 % of the time in a type) and `high_confidence` (stated confidence is
borne out). Many are tried at once, so some would look good by chance: only those are kept whose
lower bound beats their base rate and that survive control of the false discovery rate over
everything that was tried.

A pattern is new while it rests on little more than what it takes, weakening where its rate is
falling by a tested slope, else confirmed; what held over all the evidence there ever was, and does
not hold over what counts today, is retired.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.calibration import Calibration
from shared.domain.learning.confidence import elsewhere
from shared.domain.learning.config import LearningConfig, PatternConfig
from shared.domain.learning.evaluators import counts
from shared.domain.learning.figures import (
    Evidence,
    OutcomeFigures,
    OutcomeKey,
    SquaredWeights,
)
from shared.domain.learning.spelling import above, in_100
from shared.domain.learning.state import (
    LearningState,
    combine,
)
from shared.domain.learning.stats import benjamini_hochberg, binomial_tail, effective_size, wilson
from shared.domain.learning.trust import Trend, trend
from shared.domain.times import second_text

Category = Literal["consensus", "expert", "high_confidence"]
PatternState = Literal["new", "confirmed", "weakening", "retired"]
Strength = Literal["weak", "moderate", "strong", "very strong"]

_POINTS_FULL = 2
_SHOWN_AGENTS = 20
_NEW = 2.0
"""A pattern is new below so many times the least support."""

_STRENGTHS: tuple[tuple[float, Strength], ...] = (
    (0.30, "very strong"),
    (0.15, "strong"),
    (0.05, "moderate"),
    (0.0, "weak"),
)
"""How far the lower bound is above the base rate."""


class PatternCard(Learned):
    """A pattern that holds, or one that did (`state` retired).

    `key` is stable over runs; rates are decayed (those of a retired one are not), partial approvals
    count half. `low` and `high` are one-sided bounds of `success_rate`; `base_rate` is what it
    beats. `agents` lists up to 20 that take part, `agents_total` counts them. The times are those
    of the first and the last success. `trend` says where the rate is heading, with its interval.
    """

    key: str
    category: Category
    recommendation_type: str
    words: str
    success_rate: Figure
    low: Figure
    high: Figure
    base_rate: Figure
    n: int
    n_effective: Figure
    p_value: Figure
    strength: Strength
    agents: tuple[str, ...]
    agents_total: int
    mean_confidence: Figure
    first_confirmed: str
    last_confirmed: str
    state: PatternState = "confirmed"
    trend: Trend = Trend()


class Hypothesis(NamedTuple):
    """Something that might be a pattern: a group of outcomes and the rate that it has to beat."""

    category: Category
    recommendation_type: str
    about: str
    evidence: Evidence[OutcomeFigures]
    base_rate: float
    agents: tuple[str, ...]


_Groups = dict[OutcomeKey, Evidence[OutcomeFigures]]
_Curves = dict[tuple[str, str], Calibration]


def build_patterns(state: LearningState, config: LearningConfig) -> list[PatternCard]:
    """Returns the patterns that hold, in order of key."""
    return _stated(state.outcomes, config)


def retired_patterns(
    state: LearningState, config: LearningConfig, holding: Iterable[PatternCard]
) -> list[PatternCard]:
    """Returns what holds over all evidence alike, and no longer over what counts today.

    With the figures that it had over all; in order of key. `holding` are the `build_patterns`.
    """
    standing = {one.key for one in holding}
    once = {key: _undecayed(evidence) for key, evidence in state.outcomes.items()}
    return [
        one.model_copy(update={"state": "retired", "words": f"{one.words} {_STATES['retired']}"})
        for one in _stated(once, config, told=False)
        if one.key not in standing
    ]


def _undecayed(evidence: Evidence[OutcomeFigures]) -> Evidence[OutcomeFigures]:
    raw = evidence.raw
    squares = SquaredWeights(raw.attempted, raw.completed, raw.time, raw.time_squared)
    return evidence._replace(decayed=raw, squares=squares)


def _stated(
    outcomes: Mapping[OutcomeKey, Evidence[OutcomeFigures]],
    config: LearningConfig,
    *,
    told: bool = True,
) -> list[PatternCard]:
    """Returns what stands out in these sums; `told` adds the state to the words."""
    rules = config.patterns
    by_type: dict[str, _Groups] = defaultdict(dict)
    for key in sorted(outcomes):
        if outcomes[key].raw.completed > 0:
            by_type[key.recommendation_type][key] = outcomes[key]
    curves = elsewhere(outcomes, counts(outcomes)) if len(by_type) > 1 else {}
    tried = [
        found
        for groups in by_type.values()
        for found in _hypotheses(groups, config, curves)
        if _size(found.evidence) >= rules.min_support
    ]
    cards = [_card(found, config, told=told) for found in tried]
    p_values = [_p_value(found) for found in tried]
    stands = benjamini_hochberg(p_values, rules.false_discovery_rate)
    kept = [one for one, held in zip(cards, stands, strict=True) if held and _holds(one)]
    return sorted(kept, key=lambda one: one.key)


def _holds(found: PatternCard) -> bool:
    """Whether the lower bound beats the base rate; stated confidence may not exceed the upper."""
    if found.category == "high_confidence" and found.high < found.mean_confidence:
        return False
    return found.low > found.base_rate


def _confident(groups: _Groups, curves: _Curves, bar: float) -> _Groups:
    """Returns the groups whose stated confidence, as borne out in other types, is at the bar."""
    found = {}
    for key, evidence in groups.items():
        curve = curves.get((key.agent_id, key.recommendation_type))
        stated = evidence.raw.confidence_millis / evidence.raw.completed / 1000
        if curve.calibrated(stated) >= bar if curve and curve.bands else key.confident == 1:
            found[key] = evidence
    return found


def _hypotheses(groups: _Groups, config: LearningConfig, curves: _Curves) -> Iterator[Hypothesis]:
    """Yields what is tried in one recommendation type."""
    rules = config.patterns
    kind = next(iter(groups)).recommendation_type
    base = _rate(_total(groups.values()))
    agreed = _where(groups, lambda key: key.agreed == 1)
    if agreed and len(agreed) < len(groups):
        yield Hypothesis("consensus", kind, "", _total(agreed.values()), base, _agents(agreed))
    confident = _confident(groups, curves, config.trust.confident_at)
    if confident and len(confident) < len(groups):
        whole = _total(confident.values())
        yield Hypothesis("high_confidence", kind, "", whole, base, _agents(confident))
    by_agent: dict[str, list[Evidence[OutcomeFigures]]] = defaultdict(list)
    for key, evidence in groups.items():
        by_agent[key.agent_id].append(evidence)
    totals = {agent: _total(parts) for agent, parts in by_agent.items()}
    points = sum(total.decayed.points for total in totals.values())
    completed = sum(total.decayed.completed for total in totals.values())
    for agent, total in totals.items():
        others = completed - total.decayed.completed
        rate = (points - total.decayed.points) / (_POINTS_FULL * others) if others > 0 else 0.0
        yield Hypothesis("expert", kind, agent, total, max(rules.expert_above, rate), (agent,))


def _where(groups: _Groups, fits: Callable[[OutcomeKey], bool]) -> _Groups:
    return {key: evidence for key, evidence in groups.items() if fits(key)}


def _agents(groups: _Groups) -> tuple[str, ...]:
    return tuple(sorted({key.agent_id for key in groups}))


def _total(parts: Iterable[Evidence[OutcomeFigures]]) -> Evidence[OutcomeFigures]:
    first, *rest = parts
    for part in rest:
        first = combine(first, part)
    return first


def _rate(evidence: Evidence[OutcomeFigures]) -> float:
    return evidence.decayed.points / (_POINTS_FULL * evidence.decayed.completed)


def _size(evidence: Evidence[OutcomeFigures]) -> float:
    return effective_size(evidence.decayed.completed, evidence.squares.completed)


def _p_value(found: Hypothesis) -> float:
    """Returns the chance of so many successes at the base rate; a half success is left out."""
    n = _size(found.evidence)
    return binomial_tail(math.floor(_rate(found.evidence) * n + 1e-9), n, found.base_rate)


_STATES: dict[PatternState, str] = {
    "new": "It is new: little more was seen than it takes.",
    "confirmed": "",
    "weakening": "It is weakening: the rate is falling.",
    "retired": "It is retired: it no longer holds over what counts today.",
}


def _state(n: float, heading: Trend, rules: PatternConfig) -> PatternState:
    if heading.direction == "declining":
        return "weakening"
    return "new" if n < _NEW * rules.min_support else "confirmed"


def _card(found: Hypothesis, config: LearningConfig, *, told: bool) -> PatternCard:
    rules, heading = config.patterns, trend(found.evidence, config.trust)
    sums, n, rate = found.evidence.decayed, _size(found.evidence), _rate(found.evidence)
    low, high = wilson(rate * n, n, rules.confidence_level)
    margin = max(0.0, low - found.base_rate)
    state = _state(n, heading, rules)
    words = _words(found, rate, low, rules.confidence_level)
    return PatternCard(
        key=":".join(filter(None, (found.category, found.recommendation_type, found.about))),
        category=found.category,
        recommendation_type=found.recommendation_type,
        words=f"{words} {_STATES[state] if told else ''}".rstrip(),
        success_rate=rate,
        low=low,
        high=high,
        base_rate=found.base_rate,
        n=found.evidence.raw.completed,
        n_effective=n,
        p_value=_p_value(found),
        strength=strength(margin),
        agents=found.agents[:_SHOWN_AGENTS],
        agents_total=len(found.agents),
        mean_confidence=sums.confidence_millis / sums.completed / 1000,
        first_confirmed=second_text(found.evidence.first_second),
        last_confirmed=second_text(found.evidence.last_second),
        state=state,
        trend=heading,
    )


def strength(margin: float) -> Strength:
    """Returns how strong it is that a lower bound is `margin` (0..1) above its base rate."""
    return next((name for bar, name in _STRENGTHS if margin >= bar), "weak")


def _words(found: Hypothesis, rate: float, low: float, level: float) -> str:
    kind, (least, base) = found.recommendation_type, above(low, found.base_rate)
    proof = (
        f"{in_100(rate)}% of {found.evidence.raw.completed:,} were approved "
        f"(with {100 * level:g}% certainty at least {least}%"
    )
    if found.category == "consensus":
        return f"Where agents agree on {kind}, {proof}, against {base}% overall)."
    if found.category == "expert":
        return f"{found.about} is an expert in {kind}: {proof}, above the bar of {base}%)."
    return f"Confident recommendations of {kind} are borne out: {proof}, against {base}% overall)."
