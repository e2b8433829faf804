"""What the weighing of votes is measured against: plain votes, Dawid and Skene's, trust as weight.

Each returns a score for every label of every item; equal scores are a tie.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from operator import add

from shared.domain.learning.crowd import Vote

Scores = dict[str, dict[str, float]]

_ROUNDS = 50
_TRUST_PRIOR = 4.0
_TINY = 1e-10


def majority(votes: Sequence[Vote]) -> Scores:
    """Returns how many votes each label of an item has."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in votes:
        counts[one.item][one.label] += 1
    return {item: {label: float(n) for label, n in of.items()} for item, of in counts.items()}


def dawid_skene(votes: Sequence[Vote]) -> Scores:
    """Returns the probabilities of Dawid and Skene (1979) after 50 rounds, nothing shrunk."""
    labels = sorted({one.label for one in votes})
    at = {label: place for place, label in enumerate(labels)}
    beliefs: dict[str, list[float]] = {}
    for item, of in majority(votes).items():
        beliefs[item] = [of.get(label, 0.0) / sum(of.values()) for label in labels]
    for _ in range(_ROUNDS):
        tables = _logs(votes, beliefs, at)
        shares = [sum(column) / len(beliefs) for column in zip(*beliefs.values(), strict=True)]
        prior = [math.log(share + _TINY) for share in shares]
        sums = dict.fromkeys(beliefs, prior)
        for one in votes:
            sums[one.item] = list(map(add, sums[one.item], tables[one.worker][at[one.label]]))
        beliefs = {item: _shares(row) for item, row in sums.items()}
    return {item: dict(zip(labels, row, strict=True)) for item, row in beliefs.items()}


def _logs(
    votes: Sequence[Vote], beliefs: Mapping[str, list[float]], at: Mapping[str, int]
) -> dict[str, list[list[float]]]:
    """Returns by worker and label said the logarithm of its chance, for each true label."""
    size = len(at)
    counts: dict[str, list[list[float]]] = {}
    for one in votes:
        rows = counts.setdefault(one.worker, [[_TINY] * size for _ in at])
        rows[at[one.label]] = list(map(add, rows[at[one.label]], beliefs[one.item]))
    return {
        worker: [
            [math.log(n / total) for n, total in zip(row, totals, strict=True)] for row in rows
        ]
        for worker, rows in counts.items()
        for totals in [[sum(column) for column in zip(*rows, strict=True)]]
    }


def _shares(logs: Sequence[float]) -> list[float]:
    odds = [math.exp(one - max(logs)) for one in logs]
    return [one / sum(odds) for one in odds]


def trust_weighted(
    votes: Sequence[Vote], truth: Mapping[str, str], revealed: Collection[str]
) -> Scores:
    """Returns votes weighed by log odds of the worker's share right on the revealed items."""
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for one in votes:
        if one.item in revealed:
            seen[one.worker] += 1
            right[one.worker] += one.label == truth[one.item]
    mean = sum(right.values()) / sum(seen.values())
    others = len({one.label for one in votes}) - 1
    scores: Scores = defaultdict(lambda: defaultdict(float))
    for one in votes:
        prior = _TRUST_PRIOR * mean
        trust = (right[one.worker] + prior) / (seen[one.worker] + _TRUST_PRIOR)
        scores[one.item][one.label] += math.log(trust * others / (1 - trust))
    return scores
