"""Which answer is right where several give one and nobody knows: their votes, weighed.

A vote counts by what its worker gets right elsewhere (Dawid, Skene, "Maximum Likelihood Estimation
of Observer Error-Rates Using the EM Algorithm", Applied Statistics 28 (1979)), and two things keep
that honest where there is little to go by.

Each worker's table of mistakes is shrunk, step by step and as far as the votes themselves ask for:

    his mistakes where the truth is k -> his ability and his habits -> all workers

The middle step is that of MACE (Hovy, Berg-Kirkpatrick, Vaswani, Hovy, NAACL 2013): a worker knows
the answer, or else gives one by habit, whatever the truth is. How strong a step holds is estimated
(see dirichlet.strength), but that of the first cannot be told well from few votes: three strengths
are taken, and what they believe is averaged. And ability is judged against the item's difficulty
(`ease`): who fails where everyone fails has shown little.

Deterministic: rounds of expectation and maximisation from the shares of the votes. Running time
grows with votes x labels x rounds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import NamedTuple

from shared.domain.learning.dirichlet import strength

ITEM_STRENGTH = 2.0
"""How many answers that came as expected each item is thought to have had already."""

ROUNDS = 50
STRENGTHS = (1.0, None, math.inf)
"""How many votes a worker's ability and habits are worth in his table of mistakes.

Hardly any (nearly what Dawid and Skene do), as many as estimated, and all there can be.
"""

_SETTLED = 1e-4
"""Below this change of every probability the rounds end."""

_START = 4.0
_TINY = 1e-2


class Vote(NamedTuple):
    """One worker's answer to one item; of several votes on the same item, each counts."""

    item: str
    worker: str
    label: str


class Judged(NamedTuple):
    """An item's most probable label.

    `probability` is taken as if workers erred independently, and so is too sure where they do not.
    `ease` is how much more often (above 0) or less often its workers were right than elsewhere.
    """

    label: str
    probability: float
    ease: float


class Ability(NamedTuple):
    """A worker: `n` votes, and the share of answers known, 0..1, apart from lucky guesses."""

    n: int
    known: float


class Crowd(NamedTuple):
    """What a set of votes says of its items and workers; `rounds` of all three strengths."""

    items: Mapping[str, Judged]
    workers: Mapping[str, Ability]
    rounds: int


def ease(surprise: float, answers: float) -> float:
    """Returns how much easier an item was than its answerers' standing lets expect, -1..1.

    The item's effect in an additive model of answerers and items, shrunk as a random effect is
    (Robinson, "That BLUP is a Good Thing", Statistical Science 6 (1991)). To judge one answerer,
    leave his own answer out of both figures.

    Args:
        surprise: sum over the answers of (1 where right, 0 where wrong) - the answerer's standing.
        answers: how many they are; 0 gives 0.
    """
    return surprise / (answers + ITEM_STRENGTH)


def aggregate(votes: Iterable[Vote], known: Mapping[str, str] | None = None) -> Crowd:
    """Returns the most probable label of every item that has a vote, and each worker's ability.

    Args:
        votes: in any order; the same votes give the same answer.
        known: the true labels of some items, from which workers are learned all the surer.
    """
    rows = sorted(votes)
    if not rows:
        return Crowd({}, {}, 0)
    fits = [_Fit(rows, known or {}, held) for held in STRENGTHS]
    rounds = sum(fit.run() for fit in fits)
    middle = fits[STRENGTHS.index(None)]
    every = [
        [sum(ones) / len(fits) for ones in zip(*row, strict=True)]
        for row in zip(*(fit.beliefs for fit in fits), strict=True)
    ]
    return Crowd(middle.judged(every), middle.abilities(), rounds)


_Table = list[list[list[float]]]
"""By worker, label said and true label."""


class _Fit:
    """The state between rounds; items, workers and labels are places in their sorted names.

    Args:
        rows: the votes, in order.
        known: the true labels of some items.
        held: how strong ability and habits hold in the tables of mistakes; None: estimated.
    """

    def __init__(self, rows: Sequence[Vote], known: Mapping[str, str], held: float | None) -> None:
        self._items = sorted({one.item for one in rows})
        self._workers = sorted({one.worker for one in rows})
        labels = {one.label for one in rows}
        self._labels = sorted(labels | {known[one] for one in self._items if one in known})
        self._classes = range(len(self._labels))
        self._votes = _places(rows, self._items, self._workers, self._labels)
        self._said = [[0.0] * len(self._labels) for _ in self._workers]
        answers = [[0.0] * len(self._labels) for _ in self._items]
        for item, worker, label in self._votes:
            self._said[worker][label] += 1
            answers[item][label] += 1
        self._answered = [sum(row) for row in answers]
        places = {name: place for place, name in enumerate(self._labels)}
        self._known = {
            place: [float(one == places[known[name]]) for one in self._classes]
            for place, name in enumerate(self._items)
            if name in known
        }
        self.beliefs = [
            self._known.get(place) or [count / sum(row) for count in row]
            for place, row in enumerate(answers)
        ]
        self._eases = [0.0] * len(self._items)
        even = 1 / len(self._labels)
        self._ability = [0.6] * len(self._workers)
        self._habit = [[even] * len(self._labels) for _ in self._workers]
        self._of_ability = self._of_habit = self._of_table = _START
        self._held = held

    def run(self) -> int:
        """Goes on until nothing moves, or ROUNDS are over; returns how many rounds it took."""
        rounds = 1
        while self.round() > _SETTLED and rounds < ROUNDS:
            rounds += 1
        return rounds

    def round(self) -> float:
        """Learns the workers from the items, then the items anew; returns the largest change."""
        table = self._table()
        owed = self._take_ease(table)
        for _ in range(3):
            self._learn_workers(table, owed)
        logs = self._logs(table)
        prior = self._prior()
        sums = [list(prior) for _ in self._items]
        for item, worker, label in self._votes:
            sums[item] = list(map(add, sums[item], logs[worker][label]))
        moved = 0.0
        for item, row in enumerate(sums):
            if item not in self._known:
                new = _normal(row)
                pairs = zip(new, self.beliefs[item], strict=True)
                moved = max(moved, *(abs(one - other) for one, other in pairs))
                self.beliefs[item] = new
        return moved

    def _table(self) -> _Table:
        """Returns how often each worker said a label where another (or it) was true, expected."""
        table = [[[0.0] * len(self._labels) for _ in self._labels] for _ in self._workers]
        for item, worker, label in self._votes:
            table[worker][label] = list(map(add, table[worker][label], self.beliefs[item]))
        return table

    def _take_ease(self, table: _Table) -> list[float]:
        """Finds each item's ease; returns how many right answers each worker owes to it."""
        right = [sum(rows[one][one] for one in self._classes) for rows in table]
        mean = sum(right) / len(self._votes)
        votes = [sum(said) for said in self._said]
        share = [
            (hits + self._of_ability * mean) / (count + self._of_ability)
            for hits, count in zip(right, votes, strict=True)
        ]
        totals = [0.0] * len(self._items)
        surprises = []
        for item, worker, label in self._votes:
            surprise = self.beliefs[item][label] - share[worker]
            surprises.append(surprise)
            totals[item] += surprise
        self._eases = [
            ease(total, count) for total, count in zip(totals, self._answered, strict=True)
        ]
        owed = [0.0] * len(self._workers)
        for (item, worker, _), surprise in zip(self._votes, surprises, strict=True):
            owed[worker] += ease(totals[item] - surprise, self._answered[item] - 1)
        return owed

    def _learn_workers(self, table: _Table, owed: Sequence[float]) -> None:
        """Learns ability and habits: who knew splits from who was lucky, ease is taken off."""
        counts, habits = [], []
        for worker, (rows, said) in enumerate(zip(table, self._said, strict=True)):
            able, habit = self._ability[worker], self._habit[worker]
            share = [able / (able + (1 - able) * one) for one in habit]
            knew = [share[one] * rows[one][one] for one in self._classes]
            habits.append([count - sure for count, sure in zip(said, knew, strict=True)])
            total = sum(said)
            earned = min(total - _TINY, max(_TINY, sum(knew) - owed[worker]))
            counts.append((earned, total - earned))
        mean = (sum(one for one, _ in counts) + 1) / (len(self._votes) + 2)
        pair = (mean, 1 - mean)
        self._of_ability = held = strength(((one, pair) for one in counts), self._of_ability)
        self._ability = [(one + held * mean) / (one + other + held) for one, other in counts]
        guesses = [sum(column) + 1 for column in zip(*habits, strict=True)]
        usual = [one / sum(guesses) for one in guesses]
        self._of_habit = held = strength(((one, usual) for one in habits), self._of_habit)
        self._habit = [
            [(one + held * of) / (sum(row) + held) for one, of in zip(row, usual, strict=True)]
            for row in habits
        ]

    def _logs(self, table: _Table) -> _Table:
        """Returns the logarithm of each worker's shrunk chance of saying a label, given the truth.

        One strength for all labels: with its own, one that absorbs others would do so unhindered.
        """
        expected = [
            [
                [able * (said == true) + (1 - able) * habit[said] for true in self._classes]
                for said in self._classes
            ]
            for able, habit in zip(self._ability, self._habit, strict=True)
        ]
        held = self._table_strength(table, expected)
        return [
            [
                [
                    math.log(of if held == math.inf else (count + held * of) / (total + held))
                    for count, of, total in zip(said, chance, totals, strict=True)
                ]
                for said, chance in zip(seen, prior, strict=True)
            ]
            for seen, prior in zip(table, expected, strict=True)
            for totals in [[sum(column) for column in zip(*seen, strict=True)]]
        ]

    def _table_strength(self, table: _Table, expected: _Table) -> float:
        if self._held is not None:
            return self._held
        rows = (
            ([said[true] for said in seen], [said[true] for said in prior])
            for seen, prior in zip(table, expected, strict=True)
            for true in self._classes
        )
        self._of_table = strength(rows, self._of_table, steps=2)
        return self._of_table

    def _prior(self) -> list[float]:
        """Returns the logarithm of how frequent each label is; each had one item before."""
        shares = [sum(column) + 1 for column in zip(*self.beliefs, strict=True)]
        return [math.log(share / sum(shares)) for share in shares]

    def judged(self, beliefs: Sequence[Sequence[float]]) -> dict[str, Judged]:
        """Returns each item's most probable label by `beliefs`, the first of equal ones."""
        found = {}
        for name, row, eased in zip(self._items, beliefs, self._eases, strict=True):
            best = max(self._classes, key=row.__getitem__)
            found[name] = Judged(self._labels[best], row[best], eased)
        return found

    def abilities(self) -> dict[str, Ability]:
        """Returns what was found of each worker."""
        return {
            name: Ability(int(sum(said)), able)
            for name, said, able in zip(self._workers, self._said, self._ability, strict=True)
        }


def _places(
    rows: Sequence[Vote], items: Sequence[str], workers: Sequence[str], labels: Sequence[str]
) -> list[tuple[int, int, int]]:
    at = [{name: place for place, name in enumerate(names)} for names in (items, workers, labels)]
    return [(at[0][one.item], at[1][one.worker], at[2][one.label]) for one in rows]


def _normal(logs: Sequence[float]) -> list[float]:
    """Returns the shares whose logarithms these are, but for a constant."""
    most = max(logs)
    odds = [math.exp(one - most) for one in logs]
    total = sum(odds)
    return [one / total for one in odds]
