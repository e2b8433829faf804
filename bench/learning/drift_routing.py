"""What routing does about a model that has become worse: with drift handling and without."""

import random
import statistics
from collections.abc import Mapping
from typing import NamedTuple

from bench.learning.report import Options, spread, table
from shared.cli.plots import Series, svg
from shared.cli.simulate import config_for
from shared.domain.feedback import RatingEvidence
from shared.domain.learning.changes import GroupName, as_evidence, new_group
from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.drift_groups import advance
from shared.domain.learning.epochs import Changed, Name
from shared.domain.learning.preference import Preference
from shared.domain.learning.simulation import (
    FIRST_DAY,
    RIGHT,
    WRONG,
    Task,
    Whetstone,
    World,
)
from shared.domain.learning.state import fold
from shared.domain.models import Price
from shared.services.drifting import LEARN_AGAIN_AFTER

Answers = Mapping[str, tuple[list[int], list[int]]]
"""Outcomes before and after the change by model, item by item."""

PRICES = {"gpt-4": Price(30.0, 60.0), "gpt-3.5-turbo": Price(1.5, 2.0)}
"""US dollars for a million tokens, in and out, as of 2023."""

TOKENS_IN, TOKENS_OUT = 30, 150
EVERY = 50
"""Ratings between two runs."""

DAY = 100
"""Requests in a day."""

WITHIN = 150
HEAD = (
    "",
    "bars of the tiers",
    "back, median",
    "90 %",
    f"back within {WITHIN}",
    "right, 300 before",
    "0 to 150 after",
    "150 to 300",
    "the last 500",
)
SERVED = Preference(answer_worth_usd=1.0)
"""An answer is worth a dollar, so quality counts nearly alone."""


class Replay(NamedTuple):
    """What was served: for each request, which model would be taken and whether it was right."""

    best: list[int]
    right: list[int]


class Follower(Whetstone):
    """The learner with the detectors beside it, as the running system has them.

    Args:
        world: as there.
        config: as there.
        name: of the replay, for the ids of ratings.
        follows: whether changes are looked for.
    """

    def __init__(self, world: World, config: LearningConfig, name: str, *, follows: bool) -> None:
        super().__init__(world, config, SERVED)
        self._models, self._name, self._follows = world.models, name, follows
        self._groups = [new_group(GroupName("math", *model), "") for model in world.models]
        self._noted: list[tuple[Name, Changed]] = []
        self._rated, self._changed_at = 0, 0

    def rate(self, task: Task, place: int, propensity: float) -> None:
        """Takes in a rating, runs where one is due, and follows what has changed."""
        self._rated += 1
        name: Name = ("math", *self._models[place])
        known = self.state.changes.get(name)
        day = FIRST_DAY + self._rated // DAY
        self.note(task, place, propensity)
        self._waiting[-1] = self._waiting[-1]._replace(day=day, epoch=known.epoch if known else 0)
        if self._follows:
            self._look(place, task.correct[place], day)
        since = self._rated - self._changed_at
        soon = self._changed_at > 0 and (since == 0 or since in LEARN_AGAIN_AFTER)
        if soon or self._rated % EVERY == 0:
            self.retrain()

    def retrain(self) -> None:
        """See Learner; the log of changes is folded in first."""
        self._state = fold(self._state, changes=self._noted)
        super().retrain()

    def _look(self, place: int, correct: int, day: int) -> None:
        row = rating(correct, f"{self._name}.{self._rated}", day, self._models[place])
        moved = advance(self._groups[place], [(self._rated, row)], self._config.drift, "")
        self._groups[place] = moved.group
        self._noted += [(one.name, as_evidence(one)) for one in moved.proofs]
        if moved.changes:
            self._changed_at = self._rated


def rating(correct: int, feedback_id: str, day: int, model: ModelId) -> RatingEvidence:
    """Returns the row that a rating of an outcome leaves in the log."""
    return RatingEvidence(
        at="",
        day=day,
        feedback_id=feedback_id,
        request_id="",
        rater="",
        pattern="math",
        provider=model.provider,
        model=model.model,
        snapshot_id="",
        sign=1,
        quality=RIGHT if correct else WRONG,
        correct=correct,
        cost_nanousd=0,
        costed=0,
        latency_ms=0,
        timed=0,
        propensity=1.0,
    )


def recoveries(answers: Answers, options: Options) -> list[str]:
    """Returns the section on routing, and draws its plot."""
    rows, lines = [], []
    for bars, config in (("none", _config(bars=False)), ("as shipped", _config(bars=True))):
        for follows in (False, True):
            replays = [
                _replay(answers, config, seed, follows=follows) for seed in range(options.seeds)
            ]
            label = "with drift handling" if follows else "without"
            rows.append([label, bars, *_figures(replays, answers)])
            if bars == "none":
                lines.append(Series(label, _curve(replays)))
    plot = svg("Right answers served around the change at 1,000", "requests", "share right", lines)
    (options.out / "drift.svg").write_text(plot)
    return [
        f"## What routing does ({options.seeds} replays, seeds 0 to {options.seeds - 1})",
        "",
        "The prime questions under bandit feedback: each is asked once before the change and",
        "once after it, and only the chosen model's outcome is told; a run every 50 ratings.",
        "Before, gpt-4 is better by 34 points, afterwards worse by 25. `back` is the number of",
        "requests after the change until gpt-3.5-turbo is taken and stays for the next 100; the",
        "rest is what was served, exploring included. Means with 95 % intervals.",
        "",
        *table(
            HEAD,
            rows,
        ),
        "",
        "![Share of right answers served, mean of 50 requests and all replays](drift.svg)",
    ]


def _config(*, bars: bool) -> LearningConfig:
    models = [ModelId("openai", name) for name in PRICES]
    world = World(tuple(models), tuple(PRICES.values()), (), ())
    open_config = config_for(world, 0.05)
    if not bars:
        return open_config
    shipped = LearningConfig()
    return shipped.model_copy(update={"default_model": open_config.default_model})


def _replay(answers: Answers, config: LearningConfig, seed: int, *, follows: bool) -> Replay:
    chance = random.Random(seed)
    models = tuple(ModelId("openai", name) for name in PRICES)
    prices = tuple(PRICES.values())
    learner = Follower(World(models, prices, (), ()), config, f"{seed}", follows=follows)
    draw, seen = random.Random(1000 + seed).random, Replay([], [])
    for period in (0, 1):
        columns = [answers[model.model][period] for model in models]
        for item in chance.sample(range(len(columns[0])), len(columns[0])):
            correct = tuple(column[item] for column in columns)
            cost = tuple(price.cost_usd(TOKENS_IN, TOKENS_OUT) for price in prices)
            task = Task("math", f"Is {item} prime?", TOKENS_IN, correct, (TOKENS_OUT,) * 2, cost)
            seen.best.append(learner.best(task, SERVED))
            place, propensity = learner.choose(task, draw)
            seen.right.append(correct[place])
            learner.rate(task, place, propensity)
    return seen


def _figures(replays: list[Replay], answers: Answers) -> list[str]:
    change = len(next(iter(answers.values()))[0])
    back = sorted(_back(one.best[change:]) for one in replays)
    windows = ((change - 300, change), (change, change + 150), (change + 150, change + 300))
    served = [
        spread([statistics.fmean(one.right[start:end]) for one in replays], 3)
        for start, end in (*windows, (2 * change - 500, 2 * change))
    ]
    quick = sum(one <= WITHIN for one in back)
    return [
        _requests(back[len(back) // 2]),
        _requests(back[round(0.9 * len(back)) - 1]),
        f"{quick} of {len(back)}",
        *served,
    ]


def _back(best: list[int]) -> int:
    """Returns after how many requests the other model is taken and stays so for the next 100."""
    for start in range(len(best) - 100):
        if all(best[start : start + 100]):
            return start
    return len(best)


def _requests(count: int) -> str:
    return "never" if count >= 1000 else str(count)


def _curve(replays: list[Replay], width: int = 50) -> list[tuple[float, float]]:
    length = len(replays[0].right)
    return [
        (end, statistics.fmean(statistics.fmean(one.right[end - width : end]) for one in replays))
        for end in range(width, length + 1, width // 2)
    ]
