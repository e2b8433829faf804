"""The judge of a canary: is the new revision worse than the old one, and is it shown to be as good?

Requests are shared out by chance, so both revisions get the same mix, and of all errors the canary
has its share of the requests, unless it makes more of them. Three things are judged:

* errors: answers with 5xx, of each service by itself;
* latency: requests slower than the 99th percentile that the service had before the canary;
* quality: people's ratings, 1 to 5, of what each revision routed.

Of each there are two e-values (see `deploying.sequential`): against "not worse", of which the
weighted mean reverts the canary as soon as it reaches 1/`false_revert`; and against "worse by the
margin", which must reach 1/`false_promote` in everything that is required before the canary can be
promoted. Neither is inconclusive: never promoted without evidence. Invariant: pure, so that a
verdict can be recomputed from what was recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from shared.domain.learning.sequential import combined, mean_above, share_above, share_below
from shared.domain.learning.stats import Sample, sample, wilson
from shared.domain.traffic import Traffic

Kind = Literal["errors", "latency", "quality"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Verdict = Literal["revert", "promote", "wait"]

SLOW = 0.01
"""The share of requests that are slower than the 99th percentile."""

_NEAR_SLOW = 0.10

_PRIOR_RATINGS = 1.0
"""What the variance of one rating is thought to be before any is seen."""

_STRENGTH = 10.0
"""How many draws the beta distribution of the canary's share of what is bad weighs."""

_STRENGTH_OF_RARE = 100.0
"""As `_STRENGTH`, of the share of its requests that are bad, which is small."""

_RATIO = 2.0
"""The ratio of rates that the test against "not worse" looks for first."""

_SURE_OF_STABLE = 0.95


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of a canary.

    Args:
        false_revert: chance at most of reverting a release that is no worse; over all looks.
        false_promote: chance at most, for each kind, of calling a release safe whose harm is the
            margin or more.
        error_margin: share of requests, 0..1, by which the canary's errors must be shown not to
            exceed the old revision's; where that has more errors than this, as many again.
        slow_margin: as `error_margin`, of slow requests.
        quality_margin: share of the old revision's mean rating that may be lost, 0..1.
        least_ratings: ratings of each revision before quality is looked at.
        required: what must be shown safe before the canary is promoted.
    """

    false_revert: float = 0.05
    false_promote: float = 0.05
    error_margin: float = 0.01
    slow_margin: float = 0.01
    quality_margin: float = 0.10
    least_ratings: int = 50
    required: tuple[Kind, ...] = KINDS


@dataclass(frozen=True, slots=True)
class Pair:
    """What the old and the new revision of a service did in the same time.

    `slow_bounds_s` are bucket bounds around the 99th percentile before the canary (see
    `slow_bounds`); empty where nothing is known of it.
    """

    stable: Traffic
    canary: Traffic
    slow_bounds_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Ratings:
    """How many ratings of 1, 2, 3, 4 and 5 the decisions of a revision got."""

    counts: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)

    @property
    def n(self) -> int:
        """All of them."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Their mean, 1..5; 0 where there are none."""
        return sum(score * n for score, n in enumerate(self.counts, 1)) / self.n if self.n else 0.0

    def as_sample(self) -> Sample:
        """Returns mean and variance; needs a rating."""
        mean = self.mean
        spread = sum(n * (score - mean) ** 2 for score, n in enumerate(self.counts, 1)) / self.n
        return sample(self.n, mean, spread, _PRIOR_RATINGS)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything since the canary began: by service, and people's ratings."""

    services: Mapping[str, Pair]
    stable_ratings: Ratings = field(default_factory=Ratings)
    canary_ratings: Ratings = field(default_factory=Ratings)


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison. `harm` and `safety` are e-values, 1 where nothing is known."""

    kind: Kind
    subject: str
    stable: float
    canary: float
    n: int
    harm: float
    safety: float

    def sentence(self) -> str:
        """Returns it in words."""
        shown = "{:.2f}" if self.kind == "quality" else "{:.2%}"
        what = {"errors": "errors", "latency": "slow requests", "quality": "mean rating"}[self.kind]
        return (
            f"{self.subject}: {what} {shown.format(self.canary)} against"
            f" {shown.format(self.stable)} of the old revision, n = {self.n},"
            f" evidence of harm {self.harm:.3g}, of safety {self.safety:.3g}"
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do now, why, and all that it rests on. `harm` is the evidence over everything."""

    verdict: Verdict
    reason: str
    harm: float
    findings: tuple[Finding, ...]


def judge(seen: Observation, limits: Limits) -> Judgement:
    """Returns what the evidence so far says: `wait` where it says neither."""
    singles = [*_of_services(seen, limits), _quality(seen, limits)]
    harm = _harm(singles)
    wholes = [_whole(kind, seen, limits) for kind in ("errors", "latency")]
    findings = (*singles, *(one for one in wholes if one))
    if harm >= 1 / limits.false_revert:
        worst = max(singles, key=lambda one: one.harm)
        return Judgement("revert", f"worse: {worst.sentence()}", harm, findings)
    unproven = [
        kind for kind in limits.required if not _is_safe(kind, findings, 1 / limits.false_promote)
    ]
    if unproven:
        reason = f"too little evidence that all is well: {', '.join(unproven)}"
        return Judgement("wait", reason, harm, findings)
    return Judgement("promote", "as good as the old revision, within the margins", harm, findings)


def slow_bounds(before: Traffic) -> tuple[float, ...]:
    """Returns the bucket bounds around the 99th percentile, in seconds; () without requests.

    The smallest bound that less than 1 % of the requests exceed, and before it, where no more than
    10 % exceed that, the one below: latencies are known by bucket only, and slowness may begin on
    either side.
    """
    requests, below = sum(before.counts), 0
    lower: tuple[float, ...] = ()
    for bound, count in zip(before.bounds[:-1], before.counts, strict=False):
        below += count
        above = (requests - below) / requests if requests else 0.0
        if above < SLOW:
            return (*lower, bound) if requests else ()
        lower = (bound,) if above <= _NEAR_SLOW else ()
    return before.bounds[-2:-1]


def _of_services(seen: Observation, limits: Limits) -> list[Finding]:
    found = []
    for name, pair in sorted(seen.services.items()):
        requests = (pair.stable.requests, pair.canary.requests)
        errors = (pair.stable.errors, pair.canary.errors)
        found.append(_shares("errors", name, errors, requests, limits.error_margin))
        found += [
            _shares(
                "latency",
                f"{name}, over {bound:g} s",
                (_slower(pair.stable, bound), _slower(pair.canary, bound)),
                (sum(pair.stable.counts), sum(pair.canary.counts)),
                limits.slow_margin,
            )
            for bound in pair.slow_bounds_s
        ]
    return found


def _whole(kind: Kind, seen: Observation, limits: Limits) -> Finding | None:
    """Returns the comparison over all services together, which is what safety is shown by."""
    pairs = list(seen.services.values())
    if kind == "errors":
        errors = (sum(one.stable.errors for one in pairs), sum(one.canary.errors for one in pairs))
        asked = (
            sum(one.stable.requests for one in pairs),
            sum(one.canary.requests for one in pairs),
        )
        return _shares(kind, "all services", errors, asked, limits.error_margin)
    timed = [one for one in pairs if one.slow_bounds_s]
    slow = (
        sum(_slower(one.stable, one.slow_bounds_s[-1]) for one in timed),
        sum(_slower(one.canary, one.slow_bounds_s[-1]) for one in timed),
    )
    requests = (
        sum(sum(one.stable.counts) for one in timed),
        sum(sum(one.canary.counts) for one in timed),
    )
    return _shares(kind, "all services", slow, requests, limits.slow_margin) if timed else None


def _shares(
    kind: Kind, subject: str, bad: tuple[int, int], n: tuple[int, int], margin: float
) -> Finding:
    """Compares shares of bad requests, each given as (stable, canary)."""
    stable = bad[0] / n[0] if n[0] else 0.0
    canary = bad[1] / n[1] if n[1] else 0.0
    if not (n[0] and n[1]):
        return Finding(kind, subject, stable, canary, n[1], 1.0, 1.0)
    mine = n[1] / (n[0] + n[1])
    expected = _RATIO * n[1] / (n[0] + _RATIO * n[1])
    harm = share_above(bad[1], bad[0] + bad[1], mine, expected, _STRENGTH)
    floor = wilson(bad[0], n[0], _SURE_OF_STABLE)[0]
    worse = min(0.999, floor + max(margin, floor))
    hoped = min(worse / 2, max(stable, worse / 10))
    safety = share_below(bad[1], n[1], worse, hoped, _STRENGTH_OF_RARE)
    return Finding(kind, subject, stable, canary, n[1], harm, safety)


def _quality(seen: Observation, limits: Limits) -> Finding:
    stable, canary = seen.stable_ratings, seen.canary_ratings
    n = min(stable.n, canary.n)
    if n < max(1, limits.least_ratings):
        return Finding("quality", "ratings", stable.mean, canary.mean, canary.n, 1.0, 1.0)
    old, new = stable.as_sample(), canary.as_sample()
    margin = limits.quality_margin * old.mean
    lost, kept = old.mean - new.mean, 1 - limits.quality_margin
    mine, others = new.variance / new.n, old.variance / old.n
    harm = mean_above(lost, mine + others, margin)
    safety = mean_above(margin - lost, mine + kept * kept * others, margin)
    return Finding("quality", "ratings", old.mean, new.mean, canary.n, harm, safety)


def _harm(findings: Sequence[Finding]) -> float:
    """Returns the evidence of harm over all findings: each kind weighs the same."""
    kinds = {kind: [one.harm for one in findings if one.kind == kind] for kind in KINDS}
    means = [combined(values, [1.0] * len(values)) for values in kinds.values()]
    return combined(means, [1.0] * len(means))


def _is_safe(kind: Kind, findings: Sequence[Finding], bar: float) -> bool:
    """Tells whether the widest comparison of a kind shows it safe."""
    subject = "ratings" if kind == "quality" else "all services"
    return any(one.safety >= bar for one in findings if one.kind == kind and one.subject == subject)


def _slower(traffic: Traffic, bound_s: float) -> int:
    return sum(
        count
        for bound, count in zip(traffic.bounds, traffic.counts, strict=True)
        if bound > bound_s
    )
