"""Who rates in the attacks that are played: honest people of four habits, and hostile ones."""

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

PEOPLE, DAYS = 60, 20
"""Who rates: honest ones, of whom a share is replaced by hostile ones; over so many days."""

SYBIL_RATINGS = 3
BURST_DAY, BURST_SHARE = 10, 0.6

Says = Callable[[int, bool, random.Random], int]
"""(right 0 or 1, whether the promoted model answered, draws) to what a rater says, 0 or 1."""

HABITS: Mapping[str, Says] = {
    "exact": lambda right, _, __: right,
    "generous": lambda right, _, draw: int(right or draw.random() < 0.25),
    "strict": lambda right, _, draw: int(right and draw.random() >= 0.15),
    "noisy": lambda right, _, draw: right ^ int(draw.random() < 0.15),
}
"""Honest raters, in equal parts."""

ATTACKS: Mapping[str, Says] = {
    "always the best": lambda _, __, ___: 1,
    "always the worst": lambda _, __, ___: 0,
    "the opposite": lambda right, _, __: 1 - right,
    "promote one model": lambda _, target, __: int(target),
    "promote, in a burst": lambda _, target, __: int(target),
    "promote, sybils": lambda _, target, __: int(target),
    "praise one model": lambda right, target, _: int(target or right),
    "promote, half honest": lambda right, target, draw: (
        int(target) if draw.random() < 0.5 else right
    ),
    "promote, within habits": lambda right, target, draw: (
        int(right or draw.random() < 0.2) if target else int(right and draw.random() >= 0.13)
    ),
}


class Crowd(NamedTuple):
    """Who rates the request at a place of the order, and what they say."""

    attack: str
    share: float
    seed: int

    def rater(self, number: int, count: int) -> tuple[str, Says]:
        """Returns the name of who rates request `number` of `count`, hostile ones as `bad...`."""
        draw = random.Random(f"{self.seed}:{number}")
        if self._hostile(number, count, draw):
            says = ATTACKS[self.attack]
            if self.attack == "promote, sybils":
                return f"bad{self._earlier(number) // SYBIL_RATINGS}", says
            return f"bad{draw.randrange(max(1, round(PEOPLE * self.share)))}", says
        person = draw.randrange(PEOPLE)
        return f"{list(HABITS)[person % len(HABITS)]}{person}", list(HABITS.values())[
            person % len(HABITS)
        ]

    def _hostile(self, number: int, count: int, draw: random.Random) -> bool:
        if not self.share:
            return False
        if self.attack != "promote, in a burst":
            return draw.random() < self.share
        begin = count * BURST_DAY // DAYS
        within = begin <= number < begin + round(count * self.share / BURST_SHARE)
        return within and draw.random() < BURST_SHARE

    def _earlier(self, number: int) -> int:
        """Returns about how many hostile ratings there were before, for sybils' names."""
        return round(number * self.share)
