"""Which pattern a prompt is of: told by the shipped rules, and as labelled traffic has taught.

Learns from train only, in the log's blocks, and counts on test only; the modules are the server's.
"""

import csv
import gzip
import random
from collections.abc import Sequence
from pathlib import Path

from bench.learning.report import PRO, TWO, Options, spread, table
from shared.domain.learning.labels import LabelSums, Telling, build_telling, learned, words_of
from shared.domain.learning.prompts import classify_read, read

SETS = {"MMLU-Pro, 14 categories": PRO, "MMLU, 57 subjects": TWO}
SIZES = (500, 1000, 2000, 4000)
"""Labelled prompts that were learned from."""

ORDERS = 5
"""Orders of the traffic at most: they differ little."""

SHIPPED = {"code": "computer-science", "math": "math"}
"""Names that the shipped rules and the labels of MMLU-Pro share in all but spelling."""

Labelled = tuple[str, tuple[int, ...], str]
"""A prompt's label, the hashes of its words, and what the shipped rules call it."""


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    orders, rows = min(options.seeds, ORDERS), []
    for name, folder in SETS.items():
        train, test = (_labelled(folder / f"{part}.csv.gz") for part in ("train", "test"))
        if folder == PRO:
            by_rules = _shares([(label, SHIPPED.get(said)) for label, _, said in test])
            rows.append([f"{name}, shipped rules", "-", *map("{:.4f}".format, by_rules), "-"])
        played = [_taught(train, seed) for seed in range(orders)]
        for place, size in enumerate(SIZES):
            taught = [one[place] for one in played]
            found = [
                _shares([(one[0], telling.pattern_of(one[1])) for one in test])
                for telling in taught
            ]
            kilobytes = max(len(one.model_dump_json()) for one in taught) // 1000
            told, right = ([one[column] for one in found] for column in (0, 1))
            shown = spread(right) if all(told) else "-"
            rows.append([name, f"{size:,}", spread(told), shown, f"{kilobytes}"])
    head = ("prompts", "labelled", "share told", "share right of those", "kB in a snapshot")
    return [
        "# Patterns learned from labelled traffic",
        "",
        (
            "Labels are the data sets' own. What was learned speaks only where at least 80 % of "
            "what it said of labelled prompts, before it learned from them, was right; it leaves "
            "the others to the shipped rules. Those do not know these labels: they share two names "
            "with the first set (code, math), and their row counts only what they call so."
        ),
        "",
        *table(head, rows),
        "",
        f"{orders} orders of the traffic; ± is half of the 95 % interval of the mean.",
    ]


def _labelled(path: Path) -> list[Labelled]:
    with gzip.open(path, "rt", newline="") as file:
        found: list[Labelled] = []
        for row in csv.DictReader(file):
            reading = read(row["prompt"])
            found.append((row["category"], words_of(reading.words), classify_read(reading)[0]))
        return found


def _taught(train: Sequence[Labelled], seed: int) -> list[Telling]:
    """Returns what was learned after each of SIZES prompts in a random order."""
    traffic = random.Random(seed).sample(train, max(SIZES))
    sums, read_upto, taught = LabelSums(), 0, []
    for size in SIZES:
        sums, taken = learned(sums, [one[:2] for one in traffic[read_upto:size]])
        read_upto += taken
        taught.append(build_telling(sums))
    return taught


def _shares(told: Sequence[tuple[str, str | None]]) -> tuple[float, float]:
    """Returns the share of the test prompts that is told, and the share of those told rightly."""
    said = [label == pattern for label, pattern in told if pattern is not None]
    return len(said) / len(told), sum(said) / max(1, len(said))
