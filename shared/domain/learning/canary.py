"""The judge of a policy canary: promote, revert or wait, by evidence that holds at every look.

It reverts where the mean of two e-values, that rated quality is worse and that correctness is,
reaches 1 / FALSE_REVERT: a policy that is no worse in either is reverted in FALSE_REVERT of all
canaries at most, however often one looks (Ville; Vovk, Wang 2021). It promotes where quality is
shown to have fallen by less than the margin: a policy whose quality falls by the margin or more is
promoted in FALSE_PROMOTE of all canaries at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from shared.domain.learning.comparing import Pair, compared
from shared.domain.learning.sequential import combined
from shared.domain.learning.spelling import per_1000
from shared.domain.learning.trials import CANDIDATE, CURRENT, ArmCounts, Comparison, Metric

FALSE_REVERT = 0.05
FALSE_PROMOTE = 0.05

_JUDGED: tuple[Metric, ...] = ("quality", "correctness")
_EVENLY = (1.0, 1.0)
_ENDS = 40.0
"""Evidence at each end of an interval: together they miss in 1 of 20 canaries at most."""

Verdict = Literal["wait", "promote", "revert"]


@dataclass(frozen=True, slots=True)
class Rules:
    """When a canary may end. `margin` is the relative fall that is not let pass, 0..1."""

    margin: float
    min_ratings: int
    min_s: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do now and why. `quarantine` says that the fall is real and above the margin.

    `harm` is the evidence that the candidate is worse, `safety` that it did not fall by the margin.
    """

    verdict: Verdict
    quarantine: bool
    words: str
    harm: float
    safety: float
    findings: tuple[Comparison, ...]

    def evidence(self) -> dict[str, JsonValue]:
        """Returns the figures for a receipt."""
        return {
            "evidence_of_harm": round(self.harm, 6),
            "evidence_of_safety": round(self.safety, 6),
            "reverts_at": 1 / FALSE_REVERT,
            "promotes_at": 1 / FALSE_PROMOTE,
            "findings": [one.model_dump(mode="json") for one in self.findings],
        }


def judge(
    counts: Mapping[str, ArmCounts], share: float, running_s: float, rules: Rules
) -> Judgement:
    """Returns what the evidence so far says.

    Args:
        counts: of both arms.
        share: of the traffic that the candidate serves.
        running_s: seconds since the canary began.
        rules: what it must come to.
    """
    current = counts.get(CURRENT, ArmCounts())
    candidate = counts.get(CANDIDATE, ArmCounts())
    pairs = pairs_of(current, candidate, share)
    findings = tuple([compared(CANDIDATE, pair, _ENDS) for pair in pairs])
    harm, safety = (
        combined([one.worse for one in findings], _EVENLY),
        safety_of(pairs, rules.margin),
    )
    if harm >= 1 / FALSE_REVERT:
        worst = max(findings, key=lambda one: one.worse)
        real = _fall(worst) > rules.margin
        size = f"a real fall of more than {rules.margin:.0%}" if real else "a real fall"
        words = f"The candidate is worse: {sentence(worst)} This is {size}."
        return Judgement("revert", real, words, harm, safety, findings)
    waits = _waits(findings[0], running_s, rules)
    if safety >= 1 / FALSE_PROMOTE and not waits:
        words = f"The candidate holds up within {rules.margin:.0%}: {sentence(findings[0])}"
        return Judgement("promote", False, words, harm, safety, findings)  # noqa: FBT003
    words = f"Not decided yet: {waits or _unproven(safety, rules)} {sentence(findings[0])}"
    return Judgement("wait", False, words, harm, safety, findings)  # noqa: FBT003


def pairs_of(current: ArmCounts, candidate: ArmCounts, share: float) -> list[Pair]:
    """Returns the comparisons that a canary is judged by; quality first."""
    return [Pair(metric, current, candidate, share) for metric in _JUDGED]


def harm_of(pairs: Sequence[Pair]) -> float:
    """Returns the evidence that the candidate is worse."""
    return combined([pair.worse() for pair in pairs], _EVENLY)


def safety_of(pairs: Sequence[Pair], margin: float) -> float:
    """Returns the evidence that the candidate's quality fell by less than `margin`."""
    return pairs[0].better(than=margin) if min(pairs[0].sizes) else 1.0


def sentence(found: Comparison) -> str:
    """Returns a comparison in words."""
    name, metric = _NAMES[found.metric], found.metric
    if found.first_mean is None or found.mean is None or found.low is None or found.high is None:
        return f"{name}: {found.n:,} counted so far, {found.n_first:,} of the other side."
    low, high = _more(metric, found.low), _more(metric, found.high)
    return (
        f"{name} {_figure(metric, found.mean)} ({found.n:,} counted) against "
        f"{_figure(metric, found.first_mean)} ({found.n_first:,} counted); the real difference may "
        f"be anything from {low} to {high}."
    )


_NAMES: Mapping[Metric, str] = {
    "quality": "mean rating",
    "correctness": "right answers",
    "value": "mean score",
    "error_share": "failed answers",
    "cost": "mean cost of 1,000 answers",
    "latency": "mean time to an answer",
}


def _figure(metric: Metric, value: float) -> str:
    """Returns a mean as people say it."""
    if metric == "quality":
        return f"{value:.2f}"
    if metric == "cost":
        return per_1000(value)
    return f"{value:,.0f} ms" if metric == "latency" else f"{100 * value:.1f} of 100"


def _more(metric: Metric, difference: float) -> str:
    """Returns a difference as people say it; shares differ by points of 100."""
    size = _figure(metric, abs(difference)).replace("of 100", "points")
    return f"{size} {'more' if difference >= 0 else 'less'}"


def _fall(found: Comparison) -> float:
    if not found.first_mean or found.mean is None:
        return 0.0
    return (found.first_mean - found.mean) / found.first_mean


def _waits(quality: Comparison, running_s: float, rules: Rules) -> str:
    if quality.n < rules.min_ratings:
        return f"{quality.n} of at least {rules.min_ratings} ratings of the candidate are in;"
    if running_s < rules.min_s:
        return f"it runs for {rules.min_s / 3600:g} hours at least;"
    return ""


def _unproven(safety: float, rules: Rules) -> str:
    return (
        f"that quality fell by less than {rules.margin:.0%} is not proven (the evidence is "
        f"{safety:.1f}, and {1 / FALSE_PROMOTE:g} is needed);"
    )
