"""Times the pure learning core: decision, classifier, and a fold of many groups into a snapshot.

Run from the root: `python bench/learning_core.py`. Each line names the baseline that it was
measured against in the same run: json.dumps of the answer for the two on the hot path, a plain
dictionary addition over the same rows for the fold.
"""

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import decide
from shared.domain.learning.prompts import classify
from shared.domain.learning.snapshot import build_snapshot, to_bytes
from shared.domain.learning.state import LearningState, fold
from shared.domain.learning.state_json import from_json, to_json
from shared.domain.learning.sums import RatingSums

GROUPS, DAYS, MODELS = 10_000, 5, 10
PROMPT = (
    "A small shop sells apples for 1.20 each and pears for 0.90 each. On Monday it sold three "
    "times as many apples as pears and took 153 in all. How many pears were sold, and what "
    "share of the takings came from apples? Show each step, and state any assumption that you "
    "make on the way to your answer."
)


def median_us(run: Callable[[], object], rounds: int = 5000) -> float:
    """Returns the median time of one call in microseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        run()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def seconds(run: Callable[[], object]) -> float:
    """Returns the best of three times of one call, in seconds."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def rating_rows() -> list[RatingSums]:
    """Returns GROUPS x DAYS rows that stand for a million ratings."""
    return [
        RatingSums(
            pattern=f"pattern{group // MODELS:04d}",
            provider="provider",
            model=f"model{group % MODELS}",
            cell="",
            day=20700 + day,
            n=20,
            quality=70 + group % 25,
            quality_squared=300 + 4 * (group % 25),
            correct=14 + group % 7,
            cost_nanousd=20_000 * (1 + group % MODELS),
            costed=20,
            latency_ms=16_000,
            timed=20,
        )
        for group in range(GROUPS)
        for day in range(DAYS)
    ]


def add_plainly(rows: list[RatingSums]) -> Counter[tuple[str, str, str]]:
    """Returns eight sums a group, as a plain loop would make them: the fold's baseline."""
    totals: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        total = totals.setdefault((row.pattern, row.provider, row.model), [0] * 8)
        total[0] += row.n
        total[1] += row.quality
        total[2] += row.quality_squared
        total[3] += row.correct
        total[4] += row.cost_nanousd
        total[5] += row.costed
        total[6] += row.latency_ms
        total[7] += row.timed
    return Counter({key: total[0] for key, total in totals.items()})


def report(name: str, figure: float, unit: str, baseline: float, against: str) -> None:
    """Prints one line."""
    print(f"{name:<34} {figure:10.3f} {unit:<2}  {figure / baseline:6.1f} x {against}")


def main() -> None:
    """Measures and prints."""
    rows, config = rating_rows(), LearningConfig()
    state = fold(LearningState.empty(config), ratings=rows)
    snapshot = build_snapshot(state, config)
    candidates = [ModelId("provider", f"model{number}") for number in range(MODELS)]
    answer = {"provider": "provider", "model": "model1", "propensity": 0.955, "why": PROMPT[:100]}
    json_us = median_us(lambda: json.dumps(answer))

    def decision() -> object:
        return decide(
            snapshot.policy,
            "pattern0500",
            candidates,
            u=0.5,
            exploration_rate=config.exploration_rate,
        )

    report("decide, 10 candidates", median_us(decision), "us", json_us, "json.dumps of its answer")
    report(
        f"classify, {len(PROMPT)} characters",
        median_us(lambda: classify(PROMPT)),
        "us",
        json_us,
        "same",
    )
    long = PROMPT * 350
    report(
        f"classify, {len(long)} characters",
        median_us(lambda: classify(long), 500),
        "us",
        json_us,
        "same",
    )
    plain_s = seconds(lambda: add_plainly(rows))
    against = "a plain loop of additions"
    fold_s = seconds(lambda: fold(LearningState.empty(config), ratings=rows))
    report(f"fold {GROUPS} groups x {DAYS} days", fold_s, "s", plain_s, against)
    few = rows[:1000]
    few_s = seconds(lambda: fold(state, ratings=few))
    report("fold 1000 more rows onto it", few_s, "s", plain_s, against)
    report("build_snapshot", seconds(lambda: build_snapshot(state, config)), "s", plain_s, against)
    report("snapshot to_bytes", seconds(lambda: to_bytes(snapshot)), "s", plain_s, against)
    data = to_json(state)
    report("state to_json", seconds(lambda: to_json(state)), "s", plain_s, against)
    report("state from_json", seconds(lambda: from_json(data)), "s", plain_s, against)
    print(f"state {len(data) / 1e6:.1f} MB, snapshot {len(to_bytes(snapshot)) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
