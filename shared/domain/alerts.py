"""The rules that raise alerts: what each one means, when it fires, and where its remedy is written.

A workspace may change a rule's threshold, severity and whether it is on; those changes are
`AlertRule` records, everything else is here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.domain.operations import AlertRule, Severity

RuleName = Literal[
    "quality_regression",
    "agent_disabled",
    "drift",
    "canary_reverted",
    "experiment_stopped",
    "dead_letters",
    "oldest_pending",
    "error_rate",
    "latency_p99",
    "learning_not_run",
    "outbox_backlog",
    "index_behind",
    "index_large",
    "raters_pushing",
    "raters_doubted",
]

RUNBOOK = "docs/operations-runbook.md"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it ships.

    Args:
        severity: of its alerts.
        threshold: it fires at this value and beyond (below it, for `agent_disabled`).
        unit: what the threshold counts.
        description: one sentence for people.
    """

    severity: Severity
    threshold: float
    unit: str
    description: str


RULES: Mapping[RuleName, Rule] = {
    "quality_regression": Rule(
        "critical",
        0.10,
        "relative fall, 0..1",
        "Rated quality fell after a training run, by more than chance explains.",
    ),
    "drift": Rule(
        "warning",
        0.05,
        "fall of the value, 0..1",
        "A model's ratings in a pattern fell from what they were, by more than chance explains.",
    ),
    "agent_disabled": Rule(
        "critical",
        0.3,
        "trust, 0..1",
        "An agent's trust fell below this, and its recommendations are no longer boosted.",
    ),
    "canary_reverted": Rule(
        "critical",
        0.0,
        "unused: the settings of the canary decide",
        "What a run learned was worse in its canary than what is current, and was taken back.",
    ),
    "experiment_stopped": Rule(
        "warning",
        0.0,
        "unused: the experiment's limits decide",
        "A guardrail stopped an experiment: an arm was worse than its limit allows.",
    ),
    "dead_letters": Rule(
        "critical",
        1,
        "events",
        "Events were given up after all tries: what they ask for has not been done.",
    ),
    "oldest_pending": Rule(
        "warning",
        86_400,
        "seconds",
        "The oldest entry that waits for a decision has waited this long.",
    ),
    "error_rate": Rule(
        "critical",
        0.01,
        "share of requests, 0..1",
        "Requests are answered with 5xx, as a share of those since the check before.",
    ),
    "latency_p99": Rule(
        "warning",
        1.0,
        "seconds",
        "One request in a hundred since the check before took this long.",
    ),
    "learning_not_run": Rule(
        "warning",
        172_800,
        "seconds",
        "New evidence waits, and no training run has succeeded for this long.",
    ),
    "outbox_backlog": Rule(
        "warning",
        1_000,
        "events",
        "Events wait to be published.",
    ),
    "index_behind": Rule(
        "warning",
        10,
        "versions",
        "Search does not show this many published changes.",
    ),
    "index_large": Rule(
        "warning",
        0.5,
        "share of gcp.index_room_mib, 0..1",
        "The search index is about to outgrow the memory of the instances that hold it.",
    ),
    "raters_pushing": Rule(
        "critical",
        0.0,
        "unused: the settings of learning.raters decide",
        "Raters favoured one model together, or ran it down, unlike all others.",
    ),
    "raters_doubted": Rule(
        "warning",
        0.0,
        "unused: the settings of learning.raters decide",
        "Somebody's ratings are at odds with what was expected of the answers, beyond chance.",
    ),
}
"""Every rule, by name; docs/operations-runbook.md has a section for each."""


def runbook(rule: RuleName) -> str:
    """Returns where the remedy of a rule is written, within this repository."""
    return f"{RUNBOOK}#{rule}"


def default_rule(name: RuleName) -> AlertRule:
    """Returns a rule as it ships."""
    rule = RULES[name]
    return AlertRule(
        id=name,
        description=rule.description,
        severity=rule.severity,
        threshold=rule.threshold,
    )
