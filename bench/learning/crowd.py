"""Votes of many workers weighed by their reliability, against majority vote and Dawid-Skene.

Nothing is learned from the true labels but in the second table, where half of them are revealed.
"""

import csv
import gzip
import random
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.learning.crowd_baselines import Scores, dawid_skene, majority, trust_weighted
from bench.learning.report import HERE, Options, spread, table
from shared.domain.learning.crowd import Vote, aggregate

DATA = HERE / "data" / "crowd_labels"
SETS = ("bluebird", "rte", "web", "sp", "face")
BOOTSTRAPS = 1000
HALVES = 3
_TIE = 1e-9


def report(options: Options) -> list[str]:  # noqa: ARG001 - as every part; nothing is drawn here
    """Returns the page; see bench/learning/__main__.py."""
    rows, halves, gains = [], [], []
    for name in SETS:
        votes, truth = read(DATA, name)
        plain, skene = majority(votes), dawid_skene(votes)
        ours = _ours(votes, {})
        first, second = points(plain, truth), points(skene, truth)
        better = first if sum(first) > sum(second) else second
        found = points(ours, truth)
        differences = [one - other for one, other in zip(found, better, strict=True)]
        gains.append(statistics.fmean(differences))
        low, high = interval(differences)
        shown = [f"{statistics.fmean(one):.4f}" for one in (first, second, found)]
        change = f"{100 * gains[-1]:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
        rows.append([name, str(len(truth)), str(len(votes)), *shown, change])
        halves.append([name, *_halves(votes, truth)])
    return [
        "# Votes of a crowd",
        "",
        "Share of items whose label was found. The last column is the difference to the better of",
        "the two others in points, with a 95 % bootstrap interval over items (seed 0). A tie gives",
        "each tied label an equal share of the point.",
        "",
        *table(
            ["set", "items", "votes", "majority", "Dawid-Skene", "Whetstone", "to the better"],
            rows,
        ),
        "",
        f"Mean difference to the better of the two: {100 * statistics.fmean(gains):+.2f} points.",
        "",
        "## Half of the true labels revealed",
        "",
        f"Measured on the other half, mean of {HALVES} random halves (seeds 0 to {HALVES - 1}).",
        "",
        *table(["set", "majority", "vote weighed by trust", "Whetstone"], halves),
    ]


def read(folder: Path, name: str) -> tuple[list[Vote], dict[str, str]]:
    """Returns the votes of a set, and the true labels of those items that have any votes."""
    with gzip.open(folder / f"{name}_labels.csv.gz", "rt", newline="") as lines:
        votes = [Vote(*row) for row in list(csv.reader(lines))[1:]]
    with gzip.open(folder / f"{name}_truth.csv.gz", "rt", newline="") as lines:
        truth = {row[0]: row[1] for row in list(csv.reader(lines))[1:]}
    items = {one.item for one in votes}
    return votes, {item: label for item, label in truth.items() if item in items}


def points(scores: Scores, truth: Mapping[str, str]) -> list[float]:
    """Returns each item's point: 1 where its true label is on top, a share of it in a tie."""
    found = []
    for item, label in truth.items():
        most = max(scores[item].values())
        top = [one for one, score in scores[item].items() if score >= most - _TIE]
        found.append((label in top) / len(top))
    return found


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Returns the middle 95 % of the mean over items drawn with replacement."""
    chance, size = random.Random(0), len(differences)
    means = sorted(statistics.fmean(chance.choices(differences, k=size)) for _ in range(BOOTSTRAPS))
    tail = round(BOOTSTRAPS * 0.025)
    return means[tail - 1], means[-tail]


def _ours(votes: Sequence[Vote], known: Mapping[str, str]) -> Scores:
    crowd = aggregate(votes, known)
    return {item: {judged.label: 1.0} for item, judged in crowd.items.items()}


def _halves(votes: Sequence[Vote], truth: Mapping[str, str]) -> list[str]:
    found: list[list[float]] = [[], [], []]
    for seed in range(HALVES):
        shown = set(random.Random(seed).sample(sorted(truth), len(truth) // 2))
        hidden = {item: label for item, label in truth.items() if item not in shown}
        known = {item: truth[item] for item in shown}
        ways = majority(votes), trust_weighted(votes, truth, shown), _ours(votes, known)
        for column, scores in zip(found, ways, strict=True):
            column.append(statistics.fmean(points(scores, hidden)))
    return [spread(column) for column in found]
