"""A model that is changed behind its name: when it is noticed, how often without cause, and then.

Two versions of two models answered the same questions. Each replay serves those of March 2023 in a
random order and then those of June; nothing tells the learner when.
"""

import csv
import gzip
import random
import statistics
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from bench.learning.drift_routing import rating, recoveries
from bench.learning.report import HERE, Options, spread, table
from shared.domain.learning.config import DriftConfig, ModelId
from shared.domain.learning.drift import Alarm, Watch
from shared.domain.learning.simulation import FIRST_DAY
from shared.domain.learning.stats import wilson

DATA = HERE / "data" / "llm_drift" / "records.csv.gz"
BEFORE, AFTER = "2023-03", "2023-06"
CONFIG = DriftConfig()
MODEL = ModelId("openai", "any")
WITHIN = 60
STATIONARY = 10_000
LATER = 400
"""Ratings after a change that are replayed, at most."""


HEAD = (
    "task and model",
    "share right",
    "ratings before",
    f"found within {WITHIN}",
    "ever",
    "median delay",
    "90 %",
    "95 %",
    "wrong way",
    "before",
)


class Case(NamedTuple):
    """One model at one task, with so many ratings before the change."""

    task: str
    model: str
    known: int


CASES = (
    Case("prime", "gpt-4", 1000),
    Case("prime", "gpt-4", 300),
    Case("prime", "gpt-4", 100),
    Case("prime", "gpt-3.5-turbo", 1000),
    Case("leetcode_easy", "gpt-4", 50),
    Case("leetcode_easy", "gpt-3.5-turbo", 50),
)


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    return [
        "# Models that change behind their name",
        "",
        *_detection(options.replications),
        "",
        *_stationary(max(2, options.replications // 25)),
        "",
        *recoveries(outcomes("prime"), options),
    ]


@cache
def _records() -> dict[tuple[str, str, str], list[int]]:
    found: dict[tuple[str, str, str], list[int]] = {}
    with gzip.open(DATA, "rt") as file:
        for row in csv.DictReader(file):
            key = row["task"], row["model"], row["period"]
            found.setdefault(key, []).append(int(row["correct"]))
    return found


def outcomes(task: str) -> dict[str, tuple[list[int], list[int]]]:
    """Returns the outcomes before and after by model, item by item."""
    known = _records()
    models = sorted({model for name, model, _ in known if name == task})
    return {model: (known[task, model, BEFORE], known[task, model, AFTER]) for model in models}


def alarms(answers: Sequence[int], name: str) -> Iterator[Alarm]:
    """Yields the changes that the detector finds in these outcomes, rated in this order."""
    watch = Watch()
    for place, correct in enumerate(answers, start=1):
        row = rating(correct, f"{name}.{place}", FIRST_DAY, MODEL)
        alarm = watch.take(row, place, CONFIG)
        if alarm is not None:
            yield alarm


def _detection(replays: int) -> list[str]:
    rows = [_replayed(case, replays) for case in CASES]
    return [
        f"## When it is noticed ({replays} random orders of each, seeds 0 to {replays - 1})",
        "",
        f"`found within {WITHIN}`: in what share of the replays the change had been proven, in",
        f"the right direction, {WITHIN} ratings after it, with a 95 % interval. The delay is in",
        "ratings of that model after the change. `wrong way` counts replays in which a fall was",
        "told of a rise or a rise of a fall; `before` counts alarms, of either direction, while",
        "nothing had changed.",
        "",
        *table(
            HEAD,
            rows,
        ),
    ]


def _replayed(case: Case, replays: int) -> list[str]:
    first, second = outcomes(case.task)[case.model]
    fell = statistics.fmean(second) < statistics.fmean(first)
    delays, wrong, early = [], 0, 0
    for seed in range(replays):
        chance = random.Random(seed)
        known = chance.sample(first, case.known)
        later = chance.sample(second, min(LATER, len(second)))
        found = list(alarms(known + later, f"{case.model}.{seed}"))
        early += sum(one.place <= case.known for one in found)
        late = [one for one in found if one.place > case.known]
        wrong += any(one.direction != ("fall" if fell else "rise") for one in late)
        right = [one.place for one in late if one.direction == ("fall" if fell else "rise")]
        delays += [right[0] - case.known] if right else []
    delays.sort()
    soon = sum(delay <= WITHIN for delay in delays)
    low, high = wilson(soon, replays, 0.975)
    shown = [f"{statistics.fmean(one):.3f}" for one in (first, second)]
    return [
        f"{case.task}, {case.model}",
        " → ".join(shown),
        str(case.known),
        f"{soon / replays:.1%} ({low:.1%} to {high:.1%})",
        f"{len(delays) / replays:.1%}",
        *(_quantile(delays, share, replays) for share in (0.5, 0.9, 0.95)),
        str(wrong),
        f"{early} in {replays * case.known:,}",
    ]


def _quantile(delays: list[int], share: float, replays: int) -> str:
    """Returns the delay that this share of all replays kept; those without an alarm are longer."""
    place = round(share * replays) - 1
    return str(delays[place]) if place < len(delays) else "not found"


def _stationary(streams: int) -> list[str]:
    rows, everyone = [], list[int]()
    for task, model, period in sorted(_records()):
        known = _records()[task, model, period]
        counts = []
        for seed in range(streams):
            answers = random.Random(seed).choices(known, k=STATIONARY)
            counts.append(sum(1 for _ in alarms(answers, f"{task}.{model}.{period}.{seed}")))
        everyone += counts
        share = f"{statistics.fmean(known):.3f}"
        rows.append([f"{task}, {model}, {period}", share, spread(counts, 2), str(max(counts))])
    rows.append(["all", "", spread(everyone, 2), str(max(everyone))])
    return [
        f"## False alarms in {STATIONARY:,} ratings while nothing changes",
        "",
        f"Drawn with replacement from one version's answers, {streams} streams each (seeds 0 to",
        f"{streams - 1}); mean with a 95 % interval. The theorem allows a mean of",
        f"{STATIONARY * CONFIG.false_alarm_rate:g}, falls and rises together.",
        "",
        *table(["model", "share right", "alarms", "most in a stream"], rows),
    ]
