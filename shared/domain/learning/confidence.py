"""Each agent's curve of stated confidence, made from the sums of its outcomes.

The overall curve goes on the agent's card. What stated confidence is worth in a type is read from
the curve of the agent's other types: judged by the very outcomes that are to be tested, those that
went well by chance would be chosen, and then found to have gone well.
"""

from collections import defaultdict
from collections.abc import Mapping
from operator import sub

from shared.domain.learning.calibration import Band, Calibration, calibration
from shared.domain.learning.evaluators import FULL, Outcomes, Pair, pair_of, weighed
from shared.domain.learning.figures import Evidence, OutcomeFigures, SquaredWeights
from shared.domain.learning.state import combine
from shared.domain.learning.stats import effective_size

_POINTS_FULL = 2

_Bands = dict[int, Evidence[OutcomeFigures]]
"""Outcomes by tenth of stated confidence."""


def calibrations(outcomes: Outcomes, counts: Mapping[Pair, int]) -> dict[str, Calibration]:
    """Returns each agent's curve over all types; `counts` as of evaluators.counts."""
    return {
        agent: _curve(bands) for (agent, _), bands in _bands(outcomes, counts, typed=False).items()
    }


def elsewhere(outcomes: Outcomes, counts: Mapping[Pair, int]) -> dict[tuple[str, str], Calibration]:
    """Returns by agent and type the curve of the agent's other types; without bands if none."""
    whole = _bands(outcomes, counts, typed=False)
    return {
        (agent, kind): _curve(
            {
                band: _without(evidence, here[band]) if band in here else evidence
                for band, evidence in whole[agent, ""].items()
            }
        )
        for (agent, kind), here in _bands(outcomes, counts, typed=True).items()
    }


def _bands(
    outcomes: Outcomes,
    counts: Mapping[Pair, int],
    *,
    typed: bool,
) -> dict[tuple[str, str], _Bands]:
    """Returns the weighed sums by agent, and type where `typed`, else an empty one."""
    found: dict[tuple[str, str], _Bands] = defaultdict(dict)
    for key in sorted(outcomes):
        heard = weighed(outcomes[key], counts.get(pair_of(key), FULL))
        of = found[key.agent_id, key.recommendation_type if typed else ""]
        of[key.band] = combine(of[key.band], heard) if key.band in of else heard
    return found


def _without(
    whole: Evidence[OutcomeFigures], part: Evidence[OutcomeFigures]
) -> Evidence[OutcomeFigures]:
    return whole._replace(
        decayed=OutcomeFigures._make(map(sub, whole.decayed, part.decayed)),
        squares=SquaredWeights._make(map(sub, whole.squares, part.squares)),
    )


def _curve(bands: _Bands) -> Calibration:
    return calibration(
        {place: _band(one) for place, one in bands.items() if one.decayed.completed > 0}
    )


def _band(evidence: Evidence[OutcomeFigures]) -> Band:
    sums = evidence.decayed
    return Band(
        effective_size(sums.completed, evidence.squares.completed),
        sums.confidence_millis / sums.completed / 1000,
        sums.points / (_POINTS_FULL * sums.completed),
    )
