"""Simulated releases: what an old and a new revision do, look after look, from a seed."""

from dataclasses import dataclass

import numpy as np

from deploying.judging import Judgement, Limits, Observation, Pair, Ratings, judge, slow_bounds
from shared.domain.traffic import Traffic

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, float("inf"))
LOOKS = 12
"""Every ten minutes for two hours."""

_GOOD = np.array([0.02, 0.04, 0.12, 0.36, 0.46])
_BAD = np.array([0.30, 0.30, 0.20, 0.15, 0.05])
_SCORES = np.arange(1, 6)


def scores(drop: float) -> np.ndarray:
    """Returns chances of 1..5 whose mean is `drop` (a share) below that of a good release, 4.2."""
    good, bad = _GOOD @ _SCORES, _BAD @ _SCORES
    mixed = drop * good / (good - bad)
    return (1 - mixed) * _GOOD + mixed * _BAD


def latencies(scale: float) -> np.ndarray:
    """Returns the chances of the buckets: log-normal, median 50 ms times `scale`."""
    draws = np.exp(np.random.default_rng(7).normal(np.log(0.05 * scale), 0.8, 200_000))
    return np.histogram(draws, bins=[0, *BOUNDS])[0] / 200_000


@dataclass(frozen=True)
class Release:
    """What happens between two looks, and in what the new revision of one service differs.

    Args:
        requests: of each service between two looks, on average.
        ratings: between two looks, on average.
        services: how many.
        error_share: of the old revision.
        more_errors: factor on it.
        slower: factor on the latencies.
        drop: share of the mean rating that is lost.
        share: of the requests that the canary gets.
    """

    requests: int = 1000
    ratings: int = 250
    services: int = 3
    error_share: float = 0.002
    more_errors: float = 1.0
    slower: float = 1.0
    drop: float = 0.0
    share: float = 0.1


class Simulation:
    """Plays a release; each call to `play` is another replication of it."""

    def __init__(self, release: Release, seed: int, limits: Limits | None = None) -> None:
        self.release, self.limits = release, limits or Limits()
        self._random = np.random.default_rng(seed)
        self._usual, self._other = latencies(1.0), latencies(release.slower)
        self._bounds = slow_bounds(self._traffic(self._random.multinomial(20_000, self._usual), 0))

    def play(self) -> tuple[Judgement, int, Observation]:
        """Returns the verdict, the look at which it fell, and what was seen until then."""
        old = np.zeros((self.release.services, 16), int)
        new, ratings = old.copy(), np.zeros((2, 5), int)
        look = 0
        while look < LOOKS:
            look += 1
            for service in range(self.release.services):
                self._serve(old[service], new[service], differs=service == 0)
            self._rate(ratings)
            seen = self._seen(old, new, ratings)
            judgement = judge(seen, self.limits)
            if judgement.verdict == "revert":
                break
        return judgement, look, seen

    def _serve(self, old: np.ndarray, new: np.ndarray, *, differs: bool) -> None:
        one, random = self.release, self._random
        n = random.poisson(one.requests)
        mine = random.binomial(n, one.share)
        old[:15] += random.multinomial(n - mine, self._usual)
        new[:15] += random.multinomial(mine, self._other if differs else self._usual)
        old[15] += random.binomial(n - mine, one.error_share)
        worse = min(1.0, one.error_share * (one.more_errors if differs else 1))
        new[15] += random.binomial(mine, worse)

    def _rate(self, ratings: np.ndarray) -> None:
        n = self._random.poisson(self.release.ratings)
        mine = self._random.binomial(n, self.release.share)
        ratings[0] += self._random.multinomial(n - mine, scores(0.0))
        ratings[1] += self._random.multinomial(mine, scores(self.release.drop))

    def _seen(self, old: np.ndarray, new: np.ndarray, ratings: np.ndarray) -> Observation:
        pairs = {
            f"service-{number}": Pair(
                self._traffic(one[:15], one[15]), self._traffic(two[:15], two[15]), self._bounds
            )
            for number, (one, two) in enumerate(zip(old, new, strict=True))
        }
        first, second = (Ratings(tuple(map(int, one))) for one in ratings)
        return Observation(pairs, first, second)

    @staticmethod
    def _traffic(counts: np.ndarray, errors: int) -> Traffic:
        return Traffic(int(counts.sum()), int(errors), BOUNDS, tuple(map(int, counts)))


def verdicts(release: Release, replications: int, seed: int = 1) -> dict[str, float]:
    """Returns the share of each verdict over seeded replications."""
    simulation = Simulation(release, seed)
    found = [simulation.play()[0].verdict for _ in range(replications)]
    return {one: found.count(one) / replications for one in ("revert", "promote", "wait")}
