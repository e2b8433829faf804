"""How far those who evaluate can be relied on: whether they tell good agents from bad ones.

An evaluator's verdicts on an agent are held against what the others say of the same agent. Who
approves where the others approve counts in full; who approves everything, or at random, or the
wrong ones, counts less. Being strict or lenient is not held against anyone. Trust weighs outcomes
by this; where there is only one evaluator, there is nothing to hold him against: he is believed.
"""

from collections import defaultdict
from collections.abc import Mapping

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
_PASSES = 2

Outcomes = Mapping[OutcomeKey, Evidence[OutcomeFigures]]

_Place = tuple[str, str]
"""An agent and a type."""

_Verdicts = dict[str, dict[_Place, tuple[float, float]]]
"""By evaluator: effective number of verdicts on each agent, and the share approved in them."""


def reliabilities(outcomes: Outcomes) -> dict[str, int]:
    """Returns each evaluator's reliability in LEAST..FULL.

    It is the slope of his approval rates on what the others say of the same agents, shrunk to 1 (a
    ridge regression; Hoerl, Kennard, Technometrics 12 (1970)). In the second pass the others count
    by what the first has found of them.
    """
    verdicts = _verdicts(outcomes)
    found = dict.fromkeys(verdicts, FULL)
    for _ in range(_PASSES):
        found = {evaluator: _reliability(evaluator, verdicts, found) for evaluator in verdicts}
    return found


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


def _reliability(evaluator: str, verdicts: _Verdicts, known: Mapping[str, int]) -> int:
    rows = []
    for place, (n, rate) in verdicts[evaluator].items():
        standing = _standing(place, evaluator, verdicts, known)
        if standing is not None:
            rows.append((n, rate, standing))
    total = sum(n for n, _, _ in rows)
    if total == 0:
        return FULL
    mean_rate = sum(n * rate for n, rate, _ in rows) / total
    mean_standing = sum(n * standing for n, _, standing in rows) / total
    together = sum(n * (rate - mean_rate) * (of - mean_standing) for n, rate, of in rows)
    alone = sum(n * (of - mean_standing) ** 2 for n, _, of in rows)
    before = _BELIEVED * _SPREAD**2
    slope = (together + before) / (alone + before)
    return max(LEAST, min(FULL, round(FULL * slope)))


def _standing(
    place: _Place, evaluator: str, verdicts: _Verdicts, known: Mapping[str, int]
) -> float | None:
    """Returns what the others say of an agent, shrunk to neutral; None where they say nothing."""
    votes = [
        (n * known[other] / FULL, rate)
        for other, places in verdicts.items()
        if other != evaluator and place in places
        for n, rate in (places[place],)
    ]
    total = sum(n for n, _ in votes)
    if total == 0:
        return None
    return (sum(n * rate for n, rate in votes) + _BELIEVED * _NEUTRAL) / (total + _BELIEVED)
