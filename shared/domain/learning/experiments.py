"""What an experiment says so far: each arm against the first, in figures and in words.

Every interval and every word holds however often one looks: the arms share an error of ERROR
(Bonferroni), its two directions take half each; the guardrails share GUARDRAIL_ERROR, the chance
that any of them stops an experiment whose arms all keep their limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.learning.canary import sentence
from shared.domain.learning.comparing import Pair, compared
from shared.domain.learning.trials import Arm, ArmCounts, Comparison, Guardrail, Metric

ERROR = 0.05
GUARDRAIL_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is known, in words, and why the experiment must stop (None where it need not)."""

    findings: tuple[Comparison, ...]
    words: str
    stopped_by: str | None


def analyse(
    arms: Sequence[Arm],
    counts: Mapping[str, ArmCounts],
    metric: Metric,
    guardrails: Sequence[Guardrail],
) -> Analysis:
    """Returns what the counts say of the arms; the first arm is what the others are held against.

    Args:
        arms: two or more.
        counts: by arm.
        metric: the primary one.
        guardrails: what no arm may worsen.
    """
    first, *others = arms
    bar = 2 * len(others) / ERROR
    findings: list[Comparison] = []
    verdicts: list[str] = []
    for arm in others:
        names = dict.fromkeys([metric, *(one.metric for one in guardrails)])
        pairs = {name: _pair(name, first, arm, counts) for name in names}
        found = {name: compared(arm.name, pair, bar) for name, pair in pairs.items()}
        findings += found.values()
        verdicts.append(_verdict(first.name, found[metric], bar))
    stopped_by = _broken(first, others, counts, guardrails)
    words = " ".join([*verdicts, *([stopped_by] if stopped_by else [])])
    return Analysis(tuple(findings), words, stopped_by)


def _pair(metric: Metric, first: Arm, arm: Arm, counts: Mapping[str, ArmCounts]) -> Pair:
    share = arm.share / (first.share + arm.share)
    known, others = (counts.get(one.name, ArmCounts()) for one in (first, arm))
    return Pair(metric, known, others, share)


def _verdict(first: str, found: Comparison, bar: float) -> str:
    if found.better >= bar:
        said = f"{found.arm} is better than {first}"
    elif found.worse >= bar:
        said = f"{found.arm} is worse than {first}"
    else:
        said = f"No difference between {found.arm} and {first} is shown yet"
    return f"{said}: {sentence(found)}"


def _broken(
    first: Arm,
    others: Sequence[Arm],
    counts: Mapping[str, ArmCounts],
    guardrails: Sequence[Guardrail],
) -> str | None:
    bar = max(1, len(others) * len(guardrails)) / GUARDRAIL_ERROR
    for arm in others:
        for guardrail in guardrails:
            pair = _pair(guardrail.metric, first, arm, counts)
            if min(pair.sizes) and pair.worse(guardrail.limit) >= bar:
                shown = sentence(compared(arm.name, pair, bar))
                return (
                    f"Stopped by a guardrail: {arm.name} worsens {guardrail.metric} by more than "
                    f"{guardrail.limit:.0%} of {first.name}: {shown}"
                )
    return None
