"""Regularities in the outcomes that are worth telling: who is right, and what goes with it.

Three kinds are tried: `consensus` (where agents agree, they are right more often), `expert` (an
agent is right more than 75 % of the time in a type) and `high_confidence` (stated confidence is
borne out). Many are tried at once, so some would look good by chance: only those are kept whose
lower bound beats their base rate and that survive control of the false discovery rate over
everything that was tried.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import LearningConfig, PatternConfig
from shared.domain.learning.figures import (
    Evidence,
    OutcomeFigures,
    OutcomeKey,
)
from shared.domain.learning.state import (
    LearningState,
    combine,
)
from shared.domain.learning.stats import benjamini_hochberg, binomial_tail, effective_size, wilson
from shared.domain.times import second_text

Category = Literal["consensus", "expert", "high_confidence"]
Strength = Literal["weak", "moderate", "strong", "very strong"]

_POINTS_FULL = 2
_SHOWN_AGENTS = 20
_STRENGTHS: tuple[tuple[float, Strength], ...] = (
    (0.30, "very strong"),
    (0.15, "strong"),
    (0.05, "moderate"),
    (0.0, "weak"),
)
"""How far the lower bound is above the base rate."""


class PatternCard(Learned):
    """A pattern that holds.

    `key` is stable over runs; rates are decayed, partial approvals count half.     `low` and `high`
    are one-sided bounds of `success_rate`; `base_rate` is what it beats. `agents` lists up to 20
    that take part, `agents_total` counts them. The times are those of the first and the last
    success.
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


class Hypothesis(NamedTuple):
    """Something that might be a pattern: a group of outcomes and the rate that it has to beat."""

    category: Category
    recommendation_type: str
    about: str
    evidence: Evidence[OutcomeFigures]
    base_rate: float
    agents: tuple[str, ...]


_Groups = dict[OutcomeKey, Evidence[OutcomeFigures]]


def build_patterns(state: LearningState, config: LearningConfig) -> list[PatternCard]:
    """Returns the patterns that hold, in order of key."""
    rules = config.patterns
    by_type: dict[str, _Groups] = defaultdict(dict)
    for key in sorted(state.outcomes):
        if state.outcomes[key].raw.completed > 0:
            by_type[key.recommendation_type][key] = state.outcomes[key]
    tried = [
        found
        for groups in by_type.values()
        for found in _hypotheses(groups, rules)
        if _size(found.evidence) >= rules.min_support
    ]
    cards = [_card(found, rules) for found in tried]
    p_values = [_p_value(found) for found in tried]
    stands = benjamini_hochberg(p_values, rules.false_discovery_rate)
    kept = [one for one, held in zip(cards, stands, strict=True) if held and _holds(one)]
    return sorted(kept, key=lambda one: one.key)


def _holds(found: PatternCard) -> bool:
    """Whether the lower bound beats the base rate; stated confidence may not exceed the upper."""
    if found.category == "high_confidence" and found.high < found.mean_confidence:
        return False
    return found.low > found.base_rate


def _hypotheses(groups: _Groups, rules: PatternConfig) -> Iterator[Hypothesis]:
    """Yields what is tried in one recommendation type."""
    kind = next(iter(groups)).recommendation_type
    base = _rate(_total(groups.values()))
    agreed = _where(groups, lambda key: key.agreed == 1)
    if agreed and len(agreed) < len(groups):
        yield Hypothesis("consensus", kind, "", _total(agreed.values()), base, _agents(agreed))
    confident = _where(groups, lambda key: key.confident == 1)
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


def _card(found: Hypothesis, rules: PatternConfig) -> PatternCard:
    sums, n, rate = found.evidence.decayed, _size(found.evidence), _rate(found.evidence)
    low, high = wilson(rate * n, n, rules.confidence_level)
    margin = max(0.0, low - found.base_rate)
    return PatternCard(
        key=":".join(filter(None, (found.category, found.recommendation_type, found.about))),
        category=found.category,
        recommendation_type=found.recommendation_type,
        words=_words(found, rate, low),
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
    )


def strength(margin: float) -> Strength:
    """Returns how strong it is that a lower bound is `margin` (0..1) above its base rate."""
    return next((name for bar, name in _STRENGTHS if margin >= bar), "weak")


def _words(found: Hypothesis, rate: float, low: float) -> str:
    kind, base = found.recommendation_type, f"{found.base_rate:.0%}"
    proof = f"{rate:.0%} of {found.evidence.raw.completed} were approved (at least {low:.0%}"
    if found.category == "consensus":
        return f"Where agents agree on {kind}, {proof}, against {base} overall)."
    if found.category == "expert":
        return f"{found.about} is an expert in {kind}: {proof}, above the bar of {base})."
    return f"Confident recommendations of {kind} are borne out: {proof}, against {base} overall)."
