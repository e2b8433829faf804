"""Plays routing on real data against baselines, with seeds and intervals; writes tables and plots.

    python -m bench.learning [--seeds 20] [--out bench/learning/results]

Learns on train prompts only and measures on test prompts only. The learner is the running system's
own modules; see shared/domain/learning/simulation.py.
"""

import argparse
import math
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.cli.datasets import read_world
from shared.cli.plots import Series, svg
from shared.cli.simulate import WORTHS, config_for, singles
from shared.domain.learning.baselines import (
    Bandit,
    Fixed,
    Uniform,
    best_by_pattern,
    best_single,
    cheapest,
    oracle,
)
from shared.domain.learning.config import ModelId, OffPolicyConfig
from shared.domain.learning.gains import Point, apgr, area
from shared.domain.learning.offpolicy import compare
from shared.domain.learning.preference import Preference
from shared.domain.learning.simulation import (
    Learner,
    Whetstone,
    World,
    frontier,
    measure,
    pattern_means,
    play,
    rating_of,
)
from shared.domain.learning.state import LearningState, fold

HERE = Path(__file__).resolve().parent
PRO, TWO = HERE.parent.parent / "demo" / "data", HERE / "data" / "mmlu_2models"
SERVED = Preference(answer_worth_usd=1.0)
"""What routing is served under: an answer is worth a dollar, so quality counts nearly alone."""

CEILING = 0.000497
"""US dollars a request: what the best by pattern with full information costs on test."""


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Returns the mean and the half width of its 95 % interval over the seeds."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    half = 2.09 * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def ten_models(seeds: int, out: Path) -> list[str]:
    """Returns the table of the ten models under bandit feedback, and writes its plots."""
    world = read_world(PRO)
    dots = singles(world)
    least, most = min(dots).cost_usd, max(dots).cost_usd
    makers: dict[str, Callable[[], Learner]] = {
        "Whetstone": lambda: Whetstone(world, config_for(world, 1.0), SERVED),
        "ε-greedy by pattern, 10 %": lambda: Bandit(world, 0.1),
        "Thompson by pattern": lambda: Bandit(world, None),
        "uniform": lambda: Uniform(world),
        "always the cheapest": lambda: cheapest(world),
        "always the best (hindsight)": lambda: best_single(world),
        "best by pattern (full information)": lambda: best_by_pattern(world),
        "oracle": lambda: oracle(world),
    }
    rows: list[str] = []
    curves: list[Series] = []
    front: list[Point] = []
    for name, make in makers.items():
        figures: list[tuple[float, ...]] = []
        for seed in range(1 if isinstance(make(), Fixed) else seeds):
            learner = make()
            order = random.Random(seed).sample(range(len(world.train)), len(world.train))
            played = play(world, learner, order, random.Random(1000 + seed).random)
            point = measure(world.test, learner, SERVED)
            aiq, under = math.nan, math.nan
            if isinstance(learner, Whetstone):
                points = frontier(world.test, learner, WORTHS)
                aiq = area(points, least, most)
                under = max(one.correct for one in points if one.cost_usd <= CEILING)
                front = front or points
            figures.append((played.regret[-1], point.correct, point.cost_usd * 1000, aiq, under))
            if seed == 0 and name not in {"oracle", "always the cheapest", "uniform"}:
                steps = range(0, len(played.regret), 20)
                curves.append(Series(name, [(step, played.regret[step]) for step in steps]))
        columns = list(zip(*figures, strict=True))
        shown = [spread(columns[0], 0), spread(columns[1]), spread(columns[2], 3)]
        shown += ["" if math.isnan(column[0]) else spread(column) for column in columns[3:]]
        rows.append(f"| {name} | " + " | ".join(shown) + " |")
    plot = svg("Right answers missed (seed 0)", "requests", "regret", curves)
    (out / "regret.svg").write_text(plot)
    trade = [(one.cost_usd * 1000, one.correct) for one in sorted(front)]
    alone = [
        Series(model.model, [(dot.cost_usd * 1000, dot.correct)])
        for model, dot in zip(world.models, dots, strict=True)
    ]
    title = "Cost and correctness on test prompts (seed 0)"
    series = [Series("Whetstone, by trade-off", trade), *alone]
    (out / "frontier.svg").write_text(svg(title, "USD per 1,000 requests", "correct", series))
    full = Whetstone(world, config_for(world, 1.0))
    tell_everything(full, world)
    whole = area(frontier(world.test, full, WORTHS), least, most)
    return [
        "## Ten models, bandit feedback (MMLU-Pro)",
        "",
        "| policy | regret on train | test accuracy | USD per 1,000 | AIQ | accuracy at ≤ $0.497 |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"AIQ with full information {whole:.4f}; single models only {area(dots, least, most):.4f}.",
        "Regret is in right answers against each pattern's best model in hindsight.",
    ]


def tell_everything(learner: Whetstone, world: World) -> None:
    """Tells the learner every model's outcome of every train task."""
    for task in world.train:
        for place in range(len(world.models)):
            learner.note(task, place, 1.0)
    learner.retrain()


def gaps(learner: Whetstone, world: World) -> list[float]:
    """Returns how much better the first model is believed to be, for each test task."""
    beliefs = learner.policy.beliefs
    return [
        beliefs.of(task.pattern, "", world.models[0]).value
        - beliefs.of(task.pattern, "", world.models[1]).value
        for task in world.test
    ]


def two_models(seeds: int) -> list[str]:
    """Returns the figures of the two models."""
    world = read_world(TWO)
    strong, weak = ([task.correct[place] for task in world.test] for place in (0, 1))
    full = Whetstone(world, config_for(world, 1.0))
    tell_everything(full, world)
    scores = gaps(full, world)
    chance = random.Random(0)
    boots = []
    for _ in range(500):
        drawn = chance.choices(range(len(scores)), k=len(scores))
        boots.append(
            apgr(
                [scores[one] for one in drawn],
                [strong[one] for one in drawn],
                [weak[one] for one in drawn],
            )
        )
    boots.sort()
    found = []
    for seed in range(seeds):
        learner = Whetstone(world, config_for(world, 1.0))
        order = random.Random(seed).sample(range(len(world.train)), len(world.train))
        play(world, learner, order, random.Random(1000 + seed).random)
        found.append(apgr(gaps(learner, world), strong, weak))
    return [
        "## Two models (MMLU)",
        "",
        (
            f"APGR with full information {apgr(scores, strong, weak):.4f} "
            f"(bootstrap over test prompts, 95 %: {boots[12]:.3f} to {boots[487]:.3f}); "
            f"bandit feedback {spread(found)} over {seeds} seeds. Random 0.50."
        ),
    ]


def coverage(replications: int) -> list[str]:
    """Returns how often off-policy intervals cover, on logs simulated from the ten models."""
    world = read_world(PRO)
    means = pattern_means(world)
    best = {pattern: row.index(max(row)) for pattern, row in means.items()}
    tasks, count = world.train, len(world.models)
    truth = statistics.fmean(task.correct[best[task.pattern]] for task in tasks)
    config = config_for(world, 1.0)
    rule = OffPolicyConfig(min_support=0.9)
    lines = []
    for name, even in (("uniform log", 1.0), ("70 % on one model, the rest even", 0.3)):
        hits, squares, plain, refused = {"snips": 0, "dr": 0}, {"snips": 0.0, "dr": 0.0}, 0.0, 0
        odds = [even / count + (1 - even) * (place == 1) for place in range(count)]
        for seed in range(replications):
            chance = random.Random(seed)
            rows, ips = [], 0.0
            for task in chance.choices(tasks, k=4000):
                place = chance.choices(range(count), odds)[0]
                rows.append(rating_of(world, task, place, odds[place]))
                ips += task.correct[place] * (place == best[task.pattern]) / odds[place]
            state = fold(LearningState.empty(config), ratings=rows)

            def chosen(pattern: str, cell: str) -> ModelId:  # noqa: ARG001 - one for all cells
                return world.models[best[pattern]]

            found = compare(state, chosen, chosen, rule).proposed.correctness
            if found is None or found.snips is None or found.dr is None:
                refused += 1
                continue
            for method, one in (("snips", found.snips), ("dr", found.dr)):
                hits[method] += one.low <= truth <= one.high
                squares[method] += (one.mean - truth) ** 2
            plain += (ips / 4000 - truth) ** 2
        kept = replications - refused
        lines.append(
            f"| {name} | {hits['snips'] / kept:.1%} | {hits['dr'] / kept:.1%} "
            f"| {math.sqrt(plain / kept):.4f} | {math.sqrt(squares['snips'] / kept):.4f} "
            f"| {math.sqrt(squares['dr'] / kept):.4f} | {refused} |"
        )
    return [
        "## Off-policy estimates of correctness",
        "",
        (
            f"{replications} logs of 4,000 requests each, drawn from the train prompts; the policy "
            "that is judged takes each pattern's best model."
        ),
        "",
        "| log | SNIPS covers | DR covers | error of plain IPS | of SNIPS | of DR | refused |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *lines,
    ]


def main() -> None:
    """Runs everything and writes results.md and the plots."""
    parser = argparse.ArgumentParser(prog="python -m bench.learning", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Learning on real data",
        "",
        f"Seeds: {chosen.seeds}. Made by `make bench-learning`.",
    ]
    for part in (
        ten_models(chosen.seeds, chosen.out),
        two_models(chosen.seeds),
        coverage(chosen.replications),
    ):
        lines += ["", *part]
        print("\n".join(["", *part]), flush=True)
    (chosen.out / "results.md").write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
