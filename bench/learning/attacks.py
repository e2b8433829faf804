"""Ratings from people of whom some are hostile: how far the policy moves, and who is blamed.

The system's own modules: ratings are judged as they are recorded (`raters.judge`), looked at once a
day as the monitor does (`raters.pushes`), and what is set aside is taken back by rows of sign -1.
The detectors of drift read the same rows, so that an attack may also be taken for a change, and a
run follows where something changed.
"""

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from bench.learning.attackers import ATTACKS, DAYS, PEOPLE, Crowd, Says
from bench.learning.detectors import Detectors, evidence
from bench.learning.report import PRO, Options, spread, table
from bench.learning.ten_models import SERVED
from shared.cli.datasets import read_world
from shared.cli.plots import Series, svg
from shared.cli.simulate import config_for
from shared.domain.learning.config import LearningConfig, RaterConfig
from shared.domain.learning.raters import (
    Given,
    Rater,
    expectation,
    first,
    judge,
    pushes,
    value_of,
)
from shared.domain.learning.simulation import (
    RIGHT,
    WRONG,
    Task,
    Whetstone,
    World,
    measure,
    play,
    rating_of,
)
from shared.domain.learning.state import fold
from shared.domain.learning.sums import RatingSums
from shared.domain.times import day_number, plus

START = "2026-03-01T00:00:00.000000Z"
SHARES = (0.05, 0.10, 0.20)
MOST_SEEDS = 7
"""With more the part would take hours, and moves by less than the intervals say."""

OTHER_DRAWS = "nobody, other draws"
"""A play without attack and defence that differs by exploration's random numbers alone."""

DEFENCES: Mapping[str, RaterConfig] = {
    "none": RaterConfig(judging=False),
    "as shipped": RaterConfig(),
}


class Watched(Whetstone):
    """Whetstone with people who rate, and with its detectors of drift.

    Args:
        world: whose models may answer.
        config: of learning, with how raters are judged.
        crowd: who rates.
        target: place of the model that is promoted.
        ordered: how many requests there will be.
        falls: whether a change falls with its proof.
    """

    def __init__(
        self,
        world: World,
        config: LearningConfig,
        crowd: Crowd,
        target: int,
        ordered: int,
        *,
        falls: bool = True,
    ) -> None:
        super().__init__(world, config, SERVED)
        self._crowd, self._target, self._ordered = crowd, target, ordered
        self._rules = config.raters
        self._number, self._day = 0, 0
        self._draw = random.Random(crowd.seed)
        self._raters: dict[str, Rater] = {}
        self._rows: dict[str, list[tuple[int, RatingSums]]] = defaultdict(list)
        self.detectors = Detectors(config.drift, falls=falls)
        self._stands = 0
        self.pushed: set[str] = set()
        self.doubted: set[str] = set()

    def note(self, task: Task, place: int, propensity: float) -> None:
        """See Learner: somebody rates the answer."""
        at = plus(START, self._number * DAYS * 86_400 / self._ordered)
        if day_number(at) != self._day:
            self._look()
            self._day = day_number(at)
        name, says = self._who(place)
        self._number += 1
        said = says(task.correct[place], place == self._target, self._draw)
        shown = task._replace(correct=tuple(said for _ in task.correct))
        row = rating_of(self._world, shown, place, propensity, self._cell(task))
        model = self._world.models[place]
        given = Given(
            str(model),
            value_of(RIGHT if said else WRONG, is_correct=bool(said)),
            expectation(self._policy.belief(task.pattern, self._cell(task), model)),
            at,
        )
        verdict = judge(self._raters.get(name) or first(name, at), given, self._rules)
        self._raters[name] = verdict.rater
        if verdict.rater.state == "doubted":
            self.doubted.add(name)
        if verdict.standing:
            known = self._state.changes.get((row.pattern, row.provider, row.model))
            epoch = known.epoch if known else 0
            counted = row._replace(standing=verdict.standing, epoch=epoch)
            self._waiting.append(counted)
            self._rows[name].append((self._number, counted))
            if self.detectors.take(evidence(counted, name, self._number, at)):
                self._learn()

    def _who(self, _place: int) -> tuple[str, Says]:
        """Returns who rates the next answer, which the model at a place gave."""
        return self._crowd.rater(self._number, self._ordered)

    def retrain(self) -> None:
        """See Learner: the day's look comes first."""
        self._look()
        self._learn()

    def _learn(self) -> None:
        """Folds in what stands of changes since the last run, and runs."""
        stands = self.detectors.noted.stands
        self._state = fold(self._state, changes=stands[self._stands :])
        self._stands = len(stands)
        super().retrain()

    def _look(self) -> None:
        if not self._rules.judging:
            return
        for push in pushes(self._raters.values(), self._day, self._rules):
            if push.others is not None and len(self._raters) >= self._rules.least_raters:
                self.pushed.update(push.raters)
                for name in push.raters:
                    self._aside(name)
        if self._rules.set_aside == "all":
            for name in [one.id for one in self._raters.values() if one.state == "doubted"]:
                self._aside(name)

    def _aside(self, name: str) -> None:
        self._raters[name] = self._raters[name].model_copy(update={"state": "aside"})
        at = plus(START, self._number * DAYS * 86_400 / self._ordered)
        changed = False
        for number, row in self._rows.pop(name, []):
            self._waiting.append(taken_back(row))
            changed |= self.detectors.take(evidence(row, name, number, at, sign=-1))
        if changed:
            self._learn()


KEYS = {"pattern", "provider", "model", "cell", "day", "standing", "epoch", "bundle"}


def taken_back(row: RatingSums) -> RatingSums:
    """Returns the row that takes a rating back."""
    figures = {name: -getattr(row, name) for name in row._fields if name not in KEYS}
    return row._replace(**figures)


class Outcome(NamedTuple):
    """What one play came to: choices on test, figures, and who was blamed, as shares of people."""

    places: list[int]
    correct: float
    cost_usd: float
    hostile_found: float
    honest_pushed: float
    honest_doubted: float


def one_play(world: World, config: LearningConfig, crowd: Crowd, target: int) -> Outcome:
    """Plays the train tasks in the seed's order, then measures on test."""
    order = random.Random(crowd.seed).sample(range(len(world.train)), len(world.train))
    learner = Watched(world, config, crowd, target, len(order))
    draws = 2000 if crowd.attack == OTHER_DRAWS else 1000
    play(world, learner, order, random.Random(draws + crowd.seed).random)
    point = measure(world.test, learner, SERVED)
    names = list(learner._raters)  # noqa: SLF001 - who has rated, which the learner keeps
    bad = [name for name in names if name.startswith("bad")]
    good = [name for name in names if not name.startswith("bad")]
    blamed = learner.pushed | learner.doubted
    return Outcome(
        [learner.best(task, SERVED) for task in world.test],
        point.correct,
        point.cost_usd,
        sum(name in blamed for name in bad) / max(1, len(bad)),
        sum(name in learner.pushed for name in good) / max(1, len(good)),
        sum(name in learner.doubted for name in good) / max(1, len(good)),
    )


def promoted(world: World) -> int:
    """Returns the place of the model that hostile raters promote: the third best on train."""
    shares = [sum(column) for column in zip(*(task.correct for task in world.train), strict=True)]
    return sorted(range(len(shares)), key=lambda place: -shares[place])[2]


def report(options: Options) -> list[str]:
    """Returns the page, and writes its plot; see bench/learning/__main__.py."""
    world = read_world(PRO)
    base, target = config_for(world, 1.0), promoted(world)
    seeds = min(MOST_SEEDS, options.seeds)
    found: dict[tuple[str, float, str], list[Outcome]] = {}
    cases = [
        ("nobody", 0.0),
        (OTHER_DRAWS, 0.0),
        *((attack, share) for attack in ATTACKS for share in SHARES),
    ]
    for attack, share in cases:
        for defence, rules in DEFENCES.items():
            if attack == OTHER_DRAWS and rules.judging:
                continue
            config = base.model_copy(update={"raters": rules})
            found[attack, share, defence] = [
                one_play(world, config, Crowd(attack, share, seed), target) for seed in range(seeds)
            ]
    _plot(options, found)
    rows = [_row(*case, found) for case in found]
    head = ("attack", "share", "defence", "choices changed", "test accuracy", "USD per 1,000")
    blamed = ("hostile found", "honest set aside", "honest ever doubted")
    return [
        "# Hostile raters (MMLU-Pro)",
        "",
        *table((*head, *blamed), rows),
        "",
        f"{PEOPLE} people of four habits (exact, generous, strict, noisy) rate over {DAYS} days;",
        "a share of the ratings comes from hostile ones instead.",
        f"Promoted is {world.models[target]}. Choices changed: share of test prompts that go",
        "elsewhere than in the play of the same seed without attack and without defence. How many",
        f"change by chance alone is in the row `{OTHER_DRAWS}`.",
        "Who promotes says that the promoted model is right and all others are wrong; who",
        "praises rates the others honestly. Two know the defence: one is honest with every other",
        "rating, one keeps within what a habit may be (calls a fifth of the promoted model's wrong",
        "answers right and 13 % of the others' right ones wrong).",
        f"{seeds} seeds; ± is half of the 95 % interval of the mean.",
    ]


def _changed(one: Outcome, other: Outcome) -> float:
    pairs = zip(one.places, other.places, strict=True)
    return sum(a != b for a, b in pairs) / len(one.places)


def _row(
    attack: str, share: float, defence: str, found: Mapping[tuple[str, float, str], list[Outcome]]
) -> list[str]:
    plays, plain = found[attack, share, defence], found["nobody", 0.0, "none"]
    moved = [_changed(one, other) for one, other in zip(plays, plain, strict=True)]
    return [
        attack,
        f"{share:.0%}",
        defence,
        spread(moved, 3),
        spread([one.correct for one in plays]),
        spread([one.cost_usd * 1000 for one in plays], 3),
        spread([one.hostile_found for one in plays], 2) if share else "",
        spread([one.honest_pushed for one in plays], 3),
        spread([one.honest_doubted for one in plays], 3),
    ]


def _plot(options: Options, found: Mapping[tuple[str, float, str], list[Outcome]]) -> None:
    def mean(case: tuple[str, float, str]) -> float:
        return sum(one.correct for one in found[case]) / len(found[case])

    series = [
        Series(
            f"{attack}: {defence}",
            [
                (100 * share, mean((attack, share, defence) if share else ("nobody", 0.0, defence)))
                for share in (0.0, *SHARES)
            ],
        )
        for attack in ("promote one model", "promote, sybils", "promote, half honest")
        for defence in ("none", "as shipped")
    ]
    drawn = svg("Accuracy under attack", "% hostile ratings", "test accuracy", series)
    (options.out / "attacks.svg").write_text(drawn)
