"""Which pattern a prompt is of: told by the shipped rules, and as labelled traffic has taught.

Learns from train only, in the log's blocks, and counts on test only; the modules are the server's.
Then the same where one of the callers states wrong patterns.
"""

import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.learning.report import PRO, TWO, Options, spread, table
from shared.domain.learning.labels import (
    Labelled,
    LabelSums,
    Telling,
    build_telling,
    learned,
    words_of,
)
from shared.domain.learning.prompts import classify_read, read

SETS = {"MMLU-Pro, 14 categories": PRO, "MMLU, 57 subjects": TWO}
SIZES = (500, 1000, 2000, 4000)
"""Labelled prompts that were learned from."""

ORDERS, ATTACKED = 5, 3
"""Orders of the traffic at most: they differ little. Fewer where somebody is hostile."""

SHIPPED = {"code": "computer-science", "math": "math"}
"""Names that the shipped rules and the labels of MMLU-Pro share in all but spelling."""

ALONE = "app"
"""Who asks where one caller asks for everyone."""

CALLERS = 20
"""Honest ones, who label alike much, where one is hostile."""

HOSTILE = (0.05, 0.1, 0.2)
"""Shares of the labelled traffic that are the hostile caller's."""


class Prompt(NamedTuple):
    """A prompt's label, the hashes of its words, and what the shipped rules call it."""

    label: str
    words: tuple[int, ...]
    said: str


Answers = list[tuple[str, str | None]]
"""Of test prompts, their labels and what they are told to be; None where nothing is told."""


class Attack(NamedTuple):
    """What the hostile caller does: he gives any wrong label (`flips`), else that of the rarest.

    `stolen` says that he labels prompts of the commonest pattern only. `burst` says that his
    prompts come together, in blocks of their own, in the middle of the log.
    """

    flips: bool = False
    stolen: bool = False
    burst: bool = False


ATTACKS = {
    "any wrong label": Attack(flips=True),
    "everything is of the rarest pattern": Attack(),
    "the commonest pattern is the rarest": Attack(stolen=True),
    "the same, all at once": Attack(stolen=True, burst=True),
}


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    orders, rows = min(options.seeds, ORDERS), []
    for name, folder in SETS.items():
        train, test = (_labelled(folder / f"{part}.csv.gz") for part in ("train", "test"))
        if folder == PRO:
            by_rules = _shares([(one.label, SHIPPED.get(one.said)) for one in test])
            rows.append([f"{name}, shipped rules", "-", *map("{:.4f}".format, by_rules), "-"])
        played = [_taught(train, seed) for seed in range(orders)]
        for place, size in enumerate(SIZES):
            taught = [one[place] for one in played]
            found = [
                _shares([(one.label, telling.pattern_of(one.words)) for one in test])
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
        "",
        *_attacked(min(orders, ATTACKED)),
    ]


def _attacked(orders: int) -> list[str]:
    """Returns the section on a hostile caller."""
    train, test = (_labelled(PRO / f"{part}.csv.gz") for part in ("train", "test"))
    rows = [_attack_row("nobody", 0.0, Attack(), train, test, orders)]
    rows += [
        _attack_row(name, share, attack, train, test, orders)
        for name, attack in ATTACKS.items()
        for share in HOSTILE
    ]
    names = ("share told", "share right of those", "share of the commonest called the rarest")
    return [
        "## Where one caller states wrong patterns",
        "",
        (
            f"MMLU-Pro, {SIZES[-1]:,} labelled prompts: one caller's are wrong, {CALLERS} others "
            "share the rest evenly. With the cap nobody's prompts count for more than twice the "
            "least number that leaves half of all; without it each prompt counts. The last "
            "columns are of the test prompts of the commonest pattern."
        ),
        "",
        *table(
            (
                "the hostile caller says",
                "his share",
                *(f"{name}, {how}" for name in names for how in ("capped", "not")),
            ),
            rows,
        ),
        "",
        f"{orders} orders of the traffic.",
    ]


def _attack_row(
    name: str,
    share: float,
    attack: Attack,
    train: Sequence[Prompt],
    test: Sequence[Prompt],
    orders: int,
) -> list[str]:
    sizes = Counter(one.label for one in train).most_common()
    commonest, rarest = sizes[0][0], sizes[-1][0]
    capped: list[Answers] = []
    plain: list[Answers] = []
    for seed in range(orders):
        rows = _hostile(train, share, attack, (commonest, rarest), random.Random(seed))
        alone = [row._replace(caller=ALONE) for row in rows]
        for given, played in ((rows, capped), (alone, plain)):
            telling = build_telling(learned(LabelSums(), given)[0])
            played.append([(one.label, telling.pattern_of(one.words)) for one in test])
    shown = [_moved(found, commonest, rarest) for found in (capped, plain)]
    return [name, f"{share:.0%}", *(one for pair in zip(*shown, strict=True) for one in pair)]


def _moved(played: Sequence[Answers], commonest: str, rarest: str) -> list[str]:
    """Returns the share told, that told rightly of all orders, and that taken for the rarest."""
    told = [_shares(found)[0] for found in played]
    of_all = [one for found in played for one in found]
    taken = [said == rarest for label, said in of_all if label == commonest]
    right = f"{_shares(of_all)[1]:.3f}" if any(told) else "-"
    return [spread(told, 3), right, f"{sum(taken) / len(taken):.3f}"]


def _hostile(
    train: Sequence[Prompt],
    share: float,
    attack: Attack,
    ends: tuple[str, str],
    chance: random.Random,
) -> list[Labelled]:
    """Returns labelled traffic of honest callers, with a share of one who is not."""
    commonest, rarest = ends
    labels = sorted({one.label for one in train})
    stolen = [one for one in train if one.label == commonest]
    traffic = [
        Labelled(one.label, one.words, f"caller{chance.randrange(CALLERS)}")
        for one in chance.sample(train, SIZES[-1])
    ]
    for place in _places(len(traffic), share, chance, burst=attack.burst):
        own = chance.choice(stolen if attack.stolen else train)
        wrong = chance.choice([one for one in labels if one != own.label])
        traffic[place] = Labelled(wrong if attack.flips else rarest, own.words, "hostile")
    return traffic


def _places(count: int, share: float, chance: random.Random, *, burst: bool) -> Iterable[int]:
    """Returns which places of the log are the hostile caller's."""
    if not burst:
        return chance.sample(range(count), round(share * count))
    return range(count // 2, count // 2 + round(share * count))


def _labelled(path: Path) -> list[Prompt]:
    with gzip.open(path, "rt", newline="") as file:
        found: list[Prompt] = []
        for row in csv.DictReader(file):
            reading = read(row["prompt"])
            said = classify_read(reading)[0]
            found.append(Prompt(row["category"], words_of(reading.words), said))
        return found


def _taught(train: Sequence[Prompt], seed: int) -> list[Telling]:
    """Returns what was learned after each of SIZES prompts in a random order."""
    traffic = [
        Labelled(one.label, one.words, ALONE)
        for one in random.Random(seed).sample(train, max(SIZES))
    ]
    sums, read_upto, taught = LabelSums(), 0, []
    for size in SIZES:
        sums, taken = learned(sums, traffic[read_upto:size])
        read_upto += taken
        taught.append(build_telling(sums))
    return taught


def _shares(told: Sequence[tuple[str, str | None]]) -> tuple[float, float]:
    """Returns the share of the test prompts that is told, and the share of those told rightly."""
    said = [label == pattern for label, pattern in told if pattern is not None]
    return len(said) / len(told), sum(said) / max(1, len(said))
