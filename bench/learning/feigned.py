"""A fall that hostile raters feign of the best model: how far it goes, and how it is undone.

Honest people rate for ten days; then for three some call every answer of the best model wrong.
After that a person sets aside whoever was not found by then.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from bench.learning.attackers import DAYS, PEOPLE, Crowd, Says
from bench.learning.attacks import Watched
from bench.learning.report import PRO, Options, spread, table
from bench.learning.ten_models import SERVED
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for
from shared.domain.learning.baselines import most_right
from shared.domain.learning.config import LearningConfig, RaterConfig
from shared.domain.learning.simulation import Task, World, measure, play

BEGIN, END = 10, 13
"""Days of the attack."""

ROUNDS = 2
"""How often each train task is asked: once before anything happens, about."""

CLOSE = 0.01
"""Accuracy below that before the attack that counts as being back."""

STEADY = 3
MOST_SEEDS = 7
EVERY = 200


class Attack(NamedTuple):
    """So many people, and which share of the answers rated is theirs: the best model's, or all."""

    label: str
    people: int
    of_target: float = 0.0
    of_all: float = 0.0


ATTACKS = (
    Attack("nobody", 0),
    Attack("2 people, 9 of 10 of its ratings", 2, of_target=0.9),
    Attack("3 people, likewise", 3, of_target=0.9),
    Attack("6 people, likewise", 6, of_target=0.9),
    Attack("12 people, a fifth of all ratings", 12, of_all=0.2),
)


class Defence(NamedTuple):
    """What is done: are raters judged, are they set aside, does a change fall with its proof?"""

    label: str
    judging: bool
    aside: bool
    falls: bool


DEFENCES = (
    Defence("none", judging=False, aside=False, falls=True),
    Defence("set aside late, the change stays", judging=False, aside=True, falls=False),
    Defence("set aside late", judging=False, aside=True, falls=True),
    Defence("as shipped", judging=True, aside=True, falls=True),
)


class Seen(NamedTuple):
    """What a run made of it: after so many requests, this share of the test was right."""

    requests: int
    correct: float


class Feigned(Watched):
    """Whetstone with people of whom some feign a fall for some days.

    Args:
        world: whose models may answer.
        config: of learning, with how raters are judged.
        attack: by whom.
        defence: against it.
        seed: of who rates what.
        target: place of the model that is said to have fallen.
    """

    def __init__(
        self,
        world: World,
        config: LearningConfig,
        attack: Attack,
        defence: Defence,
        seed: int,
        target: int,
    ) -> None:
        honest, ordered = Crowd("nobody", 0.0, seed), ROUNDS * len(world.train)
        super().__init__(world, config, honest, target, ordered, falls=defence.falls)
        self._attack, self._defence = attack, defence
        self._chance = random.Random(9000 + seed)
        self.seen: list[Seen] = []
        self.aside_at = 0
        self.began = self.ended = 0

    def note(self, task: Task, place: int, propensity: float) -> None:
        """See Learner; after the attack whoever feigned and still counts is set aside."""
        if self._days() < BEGIN:
            self.began = self.detectors.place
        if self._days() < END:
            self.ended = self.detectors.place
        elif self._defence.aside:
            for name in [one for one in self._rows if one.startswith("bad")]:
                self._aside(name)
        super().note(task, place, propensity)

    def _days(self) -> float:
        return self._number * DAYS / self._ordered

    def _who(self, place: int) -> tuple[str, Says]:
        share = self._attack.of_all or (self._attack.of_target if place == self._target else 0.0)
        if BEGIN <= self._days() < END and self._chance.random() < share:
            name = f"bad{self._chance.randrange(self._attack.people)}"
            return name, lambda right, target, _: 0 if target else right
        return super()._who(place)

    def _aside(self, name: str) -> None:
        if name in self._rows and name.startswith("bad"):
            self.aside_at = self._number
        super()._aside(name)

    def _learn(self) -> None:
        super()._learn()
        if self._days() >= BEGIN - 1:
            self.seen.append(Seen(self._number, measure(self._world.test, self, SERVED).correct))


class Outcome(NamedTuple):
    """What one play came to.

    `told` falls of the target were told in the attack, `left` of them stood at the end. Then the
    accuracy just before the attack, the lowest in it, just after the last one was set aside (after
    the attack where nobody was), and at the end. `back` is after how many requests from then it was
    back, None for not at all.
    """

    told: int
    left: int
    before: float
    lowest: float
    after: float
    end: float
    back: int | None


def one_play(
    world: World, config: LearningConfig, attack: Attack, defence: Defence, seed: int, target: int
) -> Outcome:
    """Plays all train tasks in two orders of the seed, and measures on test after each run."""
    count = len(world.train)
    chance = random.Random(seed)
    order = [place for _ in range(ROUNDS) for place in chance.sample(range(count), count)]
    learner = Feigned(world, config, attack, defence, seed, target)
    play(world, learner, order, random.Random(1000 + seed).random, every=EVERY)
    return _outcome(learner, world, target, ROUNDS * count)


def _outcome(learner: Feigned, world: World, target: int, count: int) -> Outcome:
    begin, end = (count * day // DAYS for day in (BEGIN, END))
    over = learner.aside_at or end
    before = [one.correct for one in learner.seen if one.requests <= begin][-1]
    within = [one.correct for one in learner.seen if begin < one.requests < over]
    runs = {one.requests: one for one in learner.seen if one.requests >= over}
    later = list(runs.values())
    told = [
        one
        for one in learner.detectors.noted.changes.values()
        if one.direction == "fall"
        and (one.provider, one.model) == world.models[target]
        and learner.began < one.place <= learner.ended
    ]
    return Outcome(
        len(told),
        sum(one.withdrawn is None for one in told),
        before,
        min(within, default=before),
        later[0].correct,
        learner.seen[-1].correct,
        _back(later, before, over),
    )


def _back(later: Sequence[Seen], before: float, over: int) -> int | None:
    """Returns after how many requests some runs in a row are about as good as before."""
    good = [one.correct >= before - CLOSE for one in later]
    for place, one in enumerate(later):
        if all(good[place : place + STEADY]):
            return one.requests - over
    return None


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    world = read_world(PRO)
    base, target = config_for(world, 1.0), most_right(world)
    seeds = min(MOST_SEEDS, options.seeds)
    rows = []
    for attack in ATTACKS:
        for defence in DEFENCES if attack.people else DEFENCES[:1]:
            rules = RaterConfig(judging=defence.judging)
            config = base.model_copy(update={"raters": rules})
            plays = [
                one_play(world, config, attack, defence, seed, target) for seed in range(seeds)
            ]
            rows.append(_row(attack, defence, plays))
    head = ("who feigns", "defence", "falls told", "left at the end", "accuracy before")
    more = ("lowest while feigned", "once set aside", "at the end", "requests until back")
    return [
        "# A feigned fall of the best model (MMLU-Pro)",
        "",
        *table((*head, *more), rows),
        "",
        f"{PEOPLE} honest people rate {ROUNDS * len(world.train):,} requests in {DAYS} days;",
        f"from day {BEGIN} to day {END} hostile ones rate too, and call every answer of",
        f"{world.models[target]} wrong and the others what they are.",
        "`none`: nobody is judged or set aside. `set aside late`: nobody is judged, and a person",
        "sets all of them aside when the attack is over; `the change stays` is the same without",
        "that a change falls with its proof, as it was before. `as shipped`: raters are judged,",
        "the monitor's check (here once a day) sets aside whom it finds, and a person the rest.",
        "",
        "Falls told: of that model in any pattern, in those days. Accuracy is on test, after a",
        f"run; runs are every {EVERY} requests and where a change is told or taken back. Once set",
        "aside: at the first run after all of them were, or after the attack where nobody was.",
        f"Requests until back: rated ones from then until accuracy is within {CLOSE:g} of before",
        f"in {STEADY} runs in a row, the median of the plays; in brackets how many came back.",
        f"{seeds} seeds; ± is half of the 95 % interval of the mean.",
    ]


def _row(attack: Attack, defence: Defence, plays: Sequence[Outcome]) -> list[str]:
    back = sorted(one.back for one in plays if one.back is not None)
    middle = f"{back[(len(back) - 1) // 2]}" if 2 * len(back) > len(plays) else "never"
    return [
        attack.label,
        defence.label,
        spread([one.told for one in plays], 1),
        spread([one.left for one in plays], 1),
        *(
            spread([getattr(one, name) for one in plays])
            for name in ("before", "lowest", "after", "end")
        ),
        f"{middle} ({len(back)} of {len(plays)})",
    ]
