"""How far those who evaluate can be relied on: whether they tell good agents from bad ones.

An evaluator's verdicts on an agent are held against what the others say of the same agent. Who
approves where the others approve counts in full; who approves everything, or at random, or the
wrong ones, counts less; who stands out on one agent counts less for that one. Being strict or
lenient is not held against anyone. Trust weighs outcomes by this; where there is only one
evaluator, there is nothing to hold him against: he is believed.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.domain.learning.figures import Evidence, OutcomeFigures, OutcomeKey, SquaredWeights
from shared.domain.learning.stats import effective_size

FULL = 1000
"""Reliability is told in thousandths, so that weighed sums stay whole numbers."""

LEAST = 100
"""An evaluator that contradicts all others still counts a tenth: the others may be wrong."""

_BELIEVED = 5.0
"""How many verdicts of a reliable evaluator each is thought to have given before."""

_SPREAD = 0.25
"""How far apart agents are thought to stand in those verdicts (standard deviation)."""

_NEUTRAL = 0.5
_POINTS_FULL = 2
_PASSES = 4

_COIN = 0.25
"""Variance of one verdict, at most."""

_PRIOR = 1.0
_HABIT = 0.1
"""How far apart two agents may be for an honest evaluator's habits alone."""

_USUAL = 1.5
"""Standard errors that a verdict may be from the others' and still count in full."""

Outcomes = Mapping[OutcomeKey, Evidence[OutcomeFigures]]

Pair = tuple[str, str, str]
"""An evaluator, and an agent and type that he judged."""

_Place = tuple[str, str]
"""An agent and a type."""

_Verdicts = dict[str, dict[_Place, tuple[float, float]]]
"""By evaluator: effective number of verdicts on each agent, and the share approved in them."""


def reliabilities(outcomes: Outcomes) -> dict[str, int]:
    """Returns each evaluator's reliability in LEAST..FULL, over all agents.

    It is the slope of his approval rates on what the others say of the same agents, shrunk to 1 (a
    ridge regression; Hoerl, Kennard, Technometrics 12 (1970)). What chance adds to the others'
    spread is taken off, or all slopes would look too flat. The others count by what the pass before
    has found of them.
    """
    return _found(outcomes).evaluators


def counts(outcomes: Outcomes) -> dict[Pair, int]:
    """Returns what an evaluator's verdicts on an agent and type count, in LEAST..FULL.

    His reliability, less where he stands out on this agent alone: a verdict further from the
    others', after his own habit is taken off, than chance and `_HABIT` explain counts by the
    inverse square of that (a redescending M-estimate; Huber, "Robust Estimation of a Location
    Parameter", Annals of Mathematical Statistics 35 (1964)). So he who praises one agent and is
    honest of the rest moves little.
    """
    found = _found(outcomes)
    return {
        (evaluator, *place): max(LEAST, round(found.evaluators[evaluator] * share))
        for evaluator, places in found.pairs.items()
        for place, share in places.items()
    }


def pair_of(key: OutcomeKey) -> Pair:
    """Returns by which of `counts` a group of outcomes is weighed."""
    return key.evaluator, key.agent_id, key.recommendation_type


def weighed(evidence: Evidence[OutcomeFigures], reliability: int) -> Evidence[OutcomeFigures]:
    """Returns the sums with every row counting `reliability` thousandths; raw sums stay."""
    return evidence._replace(
        decayed=OutcomeFigures._make(reliability * one for one in evidence.decayed),
        squares=SquaredWeights._make(reliability * reliability * one for one in evidence.squares),
    )


def _verdicts(outcomes: Outcomes) -> _Verdicts:
    sums: dict[str, dict[_Place, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0] * 3))
    for key in sorted(outcomes):
        decayed, squares = outcomes[key].decayed, outcomes[key].squares
        if decayed.completed > 0:
            place = sums[key.evaluator][key.agent_id, key.recommendation_type]
            place[0] += decayed.completed
            place[1] += decayed.points
            place[2] += squares.completed
    return {
        evaluator: {
            place: (effective_size(count, squared), points / (_POINTS_FULL * count))
            for place, (count, points, squared) in places.items()
        }
        for evaluator, places in sums.items()
    }


class _Passed(NamedTuple):
    evaluators: dict[str, int]
    pairs: dict[str, dict[_Place, float]]
    """What a verdict on one agent counts beside that, 0..1."""


class _Other(NamedTuple):
    """What the others say of an agent: their rate shrunk to neutral, and how sure that is."""

    rate: float
    variance: float


def _found(outcomes: Outcomes) -> _Passed:
    verdicts = _verdicts(outcomes)
    found = _Passed(
        dict.fromkeys(verdicts, FULL),
        {evaluator: dict.fromkeys(places, 1.0) for evaluator, places in verdicts.items()},
    )
    for _ in range(_PASSES):
        others = {
            evaluator: {
                place: other
                for place in places
                if (other := _others(place, evaluator, verdicts, found)) is not None
            }
            for evaluator, places in verdicts.items()
        }
        pairs = {
            evaluator: _shares(verdicts[evaluator], others[evaluator]) for evaluator in verdicts
        }
        found = _Passed(
            {
                evaluator: _reliability(verdicts[evaluator], others[evaluator], pairs[evaluator])
                for evaluator in verdicts
            },
            pairs,
        )
    return found


def _shares(
    own: Mapping[_Place, tuple[float, float]], others: Mapping[_Place, _Other]
) -> dict[_Place, float]:
    """Returns what each verdict counts by how far it is from the others', his habit apart."""
    apart = {place: own[place][1] - other.rate for place, other in others.items()}
    habit = _middle([(apart[place], own[place][0]) for place in sorted(apart)])
    shares = dict.fromkeys(own, 1.0)
    for place, other in others.items():
        chance = _COIN / (own[place][0] + _PRIOR) + other.variance + _HABIT**2
        distance = abs(apart[place] - habit) / math.sqrt(chance)
        shares[place] = min(1.0, (_USUAL / distance) ** 2) if distance > 0 else 1.0
    return shares


def _middle(rows: Sequence[tuple[float, float]]) -> float:
    """Returns the median of values with weights; 0 for none."""
    left = sum(weight for _, weight in rows) / 2
    for value, weight in sorted(rows):
        left -= weight
        if left <= 0:
            return value
    return 0.0


def _reliability(
    own: Mapping[_Place, tuple[float, float]],
    others: Mapping[_Place, _Other],
    shares: Mapping[_Place, float],
) -> int:
    rows = [
        (own[place][0] * shares[place], own[place][1], other)
        for place, other in sorted(others.items())
    ]
    total = sum(n for n, _, _ in rows)
    if total == 0:
        return FULL
    mean_rate = sum(n * rate for n, rate, _ in rows) / total
    mean_other = sum(n * other.rate for n, _, other in rows) / total
    together = sum(n * (rate - mean_rate) * (of.rate - mean_other) for n, rate, of in rows)
    spread = sum(n * (of.rate - mean_other) ** 2 for n, _, of in rows)
    alone = max(0.0, spread - sum(n * of.variance for n, _, of in rows))
    before = _BELIEVED * _SPREAD**2
    slope = (together + before) / (alone + before)
    return max(LEAST, min(FULL, round(FULL * slope)))


def _others(place: _Place, evaluator: str, verdicts: _Verdicts, known: _Passed) -> _Other | None:
    """Returns what the others say of an agent; None where they say nothing."""
    votes = [
        (n * known.evaluators[other] / FULL * known.pairs[other][place], rate)
        for other, places in verdicts.items()
        if other != evaluator and place in places
        for n, rate in (places[place],)
    ]
    total = sum(n for n, _ in votes)
    if total == 0:
        return None
    whole = total + _BELIEVED
    rate = (sum(n * rate for n, rate in votes) + _BELIEVED * _NEUTRAL) / whole
    return _Other(rate, _COIN * total / whole**2)
