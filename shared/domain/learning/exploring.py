"""How often each model is drawn when a request explores.

Thompson sampling (Thompson, "On the likelihood that one unknown probability exceeds another",
Biometrika 25, 1933; Russo et al., "A Tutorial on Thompson Sampling", 2018): a model is drawn as
often as it may be the best, given what is believed. Usually one draws a value for each model and
takes the largest; then nobody knows with which probability it was taken. Here that probability is
computed first, by integration over the independent normals of the beliefs, and the choice is drawn
from the result. So the propensity that is logged is exact by construction: an error of the
integration makes the draw a little different from Thompson's, never its propensity wrong.
"""

import math
from collections.abc import Sequence

STEPS = 40
"""Points of the integration: against 2,000 points, no share is off by more than 0.004."""

REACH = 4.0
"""How many standard deviations the integration goes out."""

EVEN_SHARE = 0.02
"""Part of the draws that treats all models alike, so that no candidate goes unseen for ever."""

NEW_SHARE = 0.2
"""Part of the draws that goes to models with too few ratings to be judged, where there are any."""

_ROOT_2 = math.sqrt(2.0)


def shares(means: Sequence[float], spreads: Sequence[float]) -> list[float]:
    """Returns the probability to be drawn of each model; they sum to 1, each at least 0.02 / k.

    Args:
        means: what each is believed to be worth.
        spreads: standard deviations of that, above 0; as many.
    """
    count = len(means)
    if count == 1:
        return [1.0]
    low = max(mean - REACH * spread for mean, spread in zip(means, spreads, strict=True))
    high = max(mean + REACH * spread for mean, spread in zip(means, spreads, strict=True))
    best = [0.0] * count
    before = _below(low, means, spreads)
    _add(best, before, [0.0] * count)
    for step in range(1, STEPS + 1):
        after = _below(low + (high - low) * step / STEPS, means, spreads)
        _add(best, after, before)
        before = after
    total = sum(best)
    return [(1 - EVEN_SHARE) * one / total + EVEN_SHARE / count for one in best]


def _below(x: float, means: Sequence[float], spreads: Sequence[float]) -> list[float]:
    """Returns the probability of each model's value to be below x."""
    erfc = math.erfc
    return [
        0.5 * erfc((mean - x) / (spread * _ROOT_2))
        for mean, spread in zip(means, spreads, strict=True)
    ]


def _add(best: list[float], after: Sequence[float], before: Sequence[float]) -> None:
    """Adds P(the model's value is in this step, and the others' are below the step's middle)."""
    middles = [(one + two) / 2 for one, two in zip(after, before, strict=True)]
    everyone = math.prod(middles)
    for place, middle in enumerate(middles):
        step = after[place] - before[place]
        if step > 0 and middle > 0:
            best[place] += step * everyone / middle


def with_new(drawn: Sequence[float], new: Sequence[bool]) -> list[float]:
    """Returns the shares with NEW_SHARE of them given to the new models alike."""
    count = sum(new)
    if count == 0:
        return list(drawn)
    return [
        (1 - NEW_SHARE) * share + (NEW_SHARE / count if is_new else 0.0)
        for share, is_new in zip(drawn, new, strict=True)
    ]
