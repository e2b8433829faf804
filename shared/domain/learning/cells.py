"""What a neighbourhood makes of a model's answers, learned over all patterns together.

One pattern has too few ratings to tell its neighbourhoods apart. So what is believed of its
(pattern, model) is taken off each rating, and what is left is averaged by neighbourhood: over all
models first (some prompts are harder for everyone), then for each model, leaning on that.
Invariant: without ratings a neighbourhood moves nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import ModelId

_SHARED_STRENGTH = 50.0
"""Ratings that "a neighbourhood is as hard as any other, and its answers as long" is worth."""

GroupKey = tuple[str, ModelId]
CellKey = tuple[str, str, ModelId]


class Observed(NamedTuple):
    """A group's ratings: effective number, mean value 0..1, variance of one, tokens an answer."""

    n: float
    value: float
    variance: float
    output_tokens: float | None


class Belief(NamedTuple):
    """What is believed: value 0..1, the standard deviation of that, tokens of an answer."""

    value: float
    spread: float
    output_tokens: float | None


class CellBelief(Learned):
    """What a neighbourhood adds to a model's value, in any pattern.

    `value` is for models that were not tried there, `models` has (provider, model, value) of the
    others. `length` is the factor on the length of answers.
    """

    cell: str
    value: Figure
    length: Figure
    models: tuple[tuple[str, str, Figure], ...]


class _Left(NamedTuple):
    """What is left of a model's ratings in one neighbourhood, summed over patterns."""

    n: float = 0.0
    value: float = 0.0
    tokens: float = 0.0
    expected_tokens: float = 0.0
    tokened: float = 0.0


def cell_beliefs(
    cells: Mapping[CellKey, Observed], believed: Mapping[GroupKey, Belief], strength: float
) -> tuple[CellBelief, ...]:
    """Returns what each neighbourhood adds, in order of its name.

    Args:
        cells: the ratings by pattern, neighbourhood and model.
        believed: what is believed by pattern and model; has every group of `cells`.
        strength: how many ratings the neighbourhood's effect on all models is worth against a
            model's own.
    """
    left: dict[str, dict[ModelId, _Left]] = defaultdict(lambda: defaultdict(_Left))
    for pattern, cell, model in sorted(cells):
        seen, above = cells[pattern, cell, model], believed[pattern, model]
        known = left[cell][model]
        left[cell][model] = _Left._make(
            one + more for one, more in zip(known, _left(seen, above), strict=True)
        )
    return tuple(_belief(cell, models, strength) for cell, models in sorted(left.items()))


def _left(seen: Observed, above: Belief) -> _Left:
    value = seen.n * (seen.value - above.value)
    if seen.output_tokens is None or above.output_tokens is None:
        return _Left(seen.n, value)
    tokens, expected = seen.n * seen.output_tokens, seen.n * above.output_tokens
    return _Left(seen.n, value, tokens, expected, seen.n)


def _belief(cell: str, models: Mapping[ModelId, _Left], strength: float) -> CellBelief:
    n, value, tokens, expected, tokened = map(sum, zip(*models.values(), strict=True))
    shared = value / (n + _SHARED_STRENGTH)
    prior_tokens = _SHARED_STRENGTH * expected / tokened if tokened > 0 else 1.0
    return CellBelief(
        cell=cell,
        value=shared,
        length=(tokens + prior_tokens) / (expected + prior_tokens) if prior_tokens > 0 else 1.0,
        models=tuple(
            (
                model.provider,
                model.model,
                shared + (one.value - one.n * shared) / (one.n + strength),
            )
            for model, one in sorted(models.items())
        ),
    )
