"""Off-policy estimates as a run records and shows them, and what they mean in a sentence."""

from pydantic import JsonValue

from shared.domain.learning.base import Figure, Learned


class Interval(Learned):
    """An estimate with the ends of its two-sided 95 % interval."""

    mean: Figure
    low: Figure
    high: Figure


class Estimates(Learned):
    """A figure by both estimators; None where no interval can be given."""

    snips: Interval | None
    dr: Interval | None


class PolicyEstimate(Learned):
    """A policy on the logged traffic.

    `effective` is the effective sample size of the choices that agree with the policy, `support`
    the share (0..1) of the traffic whose chosen model was ever drawn by chance there. `refused`
    says why there are no figures, and is empty where there are. Costs are US dollars.
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
    """Returns in one sentence or two what the estimates mean."""
    if difference.refused:
        which = "proposed" if after.refused else "current"
        refused = after.refused or before.refused
        return f"What the {which} policy would have earned cannot be told: {refused}"
    correct, cost = difference.correctness, difference.cost_usd
    said = "Nothing can be told about correctness."
    if correct and correct.dr:
        gap = correct.dr
        verdict = "better" if gap.low > 0 else "worse" if gap.high < 0 else "no clear difference"
        said = (
            f"On the logged traffic the proposed policy is right {gap.mean * 100:+.1f} points more "
            f"often ({gap.low * 100:+.1f} to {gap.high * 100:+.1f}): {verdict}."
        )
    if cost and cost.dr:
        said += (
            f" It costs ${cost.dr.mean * 1000:+.3f} more per 1,000 requests "
            f"({cost.dr.low * 1000:+.3f} to {cost.dr.high * 1000:+.3f})."
        )
    return said
