"""Off-policy estimates as a run records and shows them, and what they mean in a sentence."""

from pydantic import JsonValue

from shared.domain.learning.base import Figure, Learned


class Interval(Learned):
    """An estimate with the ends of its two-sided 95 % interval."""

    mean: Figure
    low: Figure
    high: Figure


class Estimates(Learned):
    """A figure by both estimators."""

    snips: Interval
    dr: Interval


class PolicyEstimate(Learned):
    """A policy on the logged traffic.

    `effective` is the effective number of sessions whose choices agree with the policy (a request
    of no session is one by itself), told from bundles of sessions and so to a quarter or so.
    `support` is the share (0..1) of the traffic whose chosen model was ever drawn by chance there.
    `refused` says why there are no figures, and is empty where there are. Costs are US dollars.
    """

    effective: Figure
    support: Figure
    refused: str
    quality: Estimates | None = None
    correctness: Estimates | None = None
    cost_usd: Estimates | None = None


class OffPolicy(Learned):
    """Two policies on the same traffic; `difference` is proposed less current."""

    logged: Figure
    current: PolicyEstimate
    proposed: PolicyEstimate
    difference: PolicyEstimate
    words: str

    def figures(self) -> dict[str, JsonValue]:
        """Returns the estimates as JSON, for the record of a run."""
        document: dict[str, JsonValue] = self.model_dump(mode="json")
        return document


def in_words(before: PolicyEstimate, after: PolicyEstimate, difference: PolicyEstimate) -> str:
    """Returns in one sentence or two what the estimates mean, for who knows no statistics."""
    if difference.refused:
        which = "proposed" if after.refused else "current"
        refused = after.refused or before.refused
        return f"How good the {which} policy would have been cannot be told. {refused}"
    correct, cost = difference.correctness, difference.cost_usd
    said = "Nothing can be told about how often the policies are right."
    if correct:
        said = (
            "On the requests that were logged, the proposed policy would have been right "
            f"{_right_more(correct.dr)}."
        )
    if cost:
        said += f" For 1,000 requests it would have cost {_dollars_more(cost.dr)}."
    return said


def _right_more(gap: Interval) -> str:
    if gap.low == gap.high == 0:
        return "exactly as often as the current one"
    verdict = "better" if gap.low > 0 else "worse" if gap.high < 0 else "no clear difference"
    times = [
        _more(100 * share, "{:.1f}", "more", "fewer") for share in (gap.mean, gap.low, gap.high)
    ]
    return (
        f"in {times[0]} of 100 requests than the current one (the ratings fit with anything from "
        f"{times[1]} to {times[2]}): {verdict}"
    )


def _dollars_more(gap: Interval) -> str:
    if gap.low == gap.high == 0:
        return "the same"
    mean, low, high = (
        _more(1000 * cost, "${:.3f}", "more", "less") for cost in (gap.mean, gap.low, gap.high)
    )
    return f"{mean} (anything from {low} to {high})"


def _more(value: float, spelled: str, above: str, below: str) -> str:
    return f"{spelled.format(abs(value))} {above if value >= 0 else below}"
