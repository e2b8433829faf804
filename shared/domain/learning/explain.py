"""What changed and what it means, in one sentence each with the figures beside it.

Written for people who know no statistics. A dry run shows exactly these changes before anyone
applies them, and what nearly changed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, islice

from pydantic import JsonValue

from shared.domain.learning.config import ModelId
from shared.domain.learning.explain_agents import pattern_changes, trust_changes, trust_not_told
from shared.domain.learning.explain_routing import not_changed, routing_changes
from shared.domain.learning.explain_serving import BY_TABLE, Serving
from shared.domain.learning.labels import LEAST_PROMPTS, RIGHT_SHARE, Telling
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.spelling import in_100, per_1000
from shared.domain.learning.trust import ALL_TYPES, TrustCard
from shared.domain.learning.wording import Change

UNCHANGED = 100
"""As many things that did not change are told, at most."""

_SHOWN = 5


def changes(old: Snapshot | None, new: Snapshot, serving: Serving = BY_TABLE) -> list[Change]:
    """Returns what differs: routing rows, then trust, then patterns, each in order of name.

    Every change has `kind`, `subject`, `why` (one sentence), `notes` (further ones: what it rests
    on, what would undo it), `old`, `new` and `evidence` (figures).
    Kinds are `routing` (old and new are {"provider", "model"} or null for the default), `trust`
    (overall scores; `change` is disabled, enabled or moved) and `pattern` (success rates; `change`
    is discovered, confirmed, weakening or retired).

    Args:
        old: what is served now; None for the configured default alone.
        new: what would be.
        serving: how the workspace's preference decides beside the table.
    """
    return [
        *routing_changes(old, new, serving),
        *trust_changes(old, new),
        *pattern_changes(old, new),
    ]


def unchanged(old: Snapshot | None, new: Snapshot, serving: Serving = BY_TABLE) -> list[Change]:
    """Returns what stays as it is although something speaks for a change: the evidence is thin.

    At most `UNCHANGED`: routing rows, then overall trust, each in order of name, with `kind`,
    `subject`, `old`, `new`, `why` and `evidence`.
    """
    return list(islice(chain(not_changed(old, new, serving), trust_not_told(old, new)), UNCHANGED))


def insights(
    snapshot: Snapshot,
    made: Sequence[Change],
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
) -> dict[str, JsonValue]:
    """Returns the latest cycle in words and figures.

    Members: `patterns_discovered`, `patterns_confirmed`, `patterns_retired`, `rules_updated`
    (counts), `model_accuracy` (per model, over all patterns), `before` and `after` (see
    evaluation), `key_insights` and `recommended_actions` (sentences, most important first, empty
    where there is nothing to say).

    Args:
        snapshot: the new one.
        made: `changes` that led to it.
        before: `PolicyFigures.figures()` of the old policy.
        after: likewise of the new one.
    """
    discovered = _count(made, "pattern", "discovered")
    return {
        "patterns_discovered": discovered,
        "patterns_confirmed": len(snapshot.patterns) - discovered,
        "patterns_retired": _count(made, "pattern", "retired"),
        "rules_updated": sum(change["kind"] == "routing" for change in made),
        "model_accuracy": _model_accuracy(snapshot.policy),
        "before": dict(before),
        "after": dict(after),
        "key_insights": _key_insights(snapshot, made, before, after),
        "recommended_actions": _actions(snapshot),
    }


def telling_in_words(telling: Telling) -> str:
    """Returns which patterns prompts are told apart by, and how often that was right."""
    if not telling.patterns:
        return (
            "The shipped rules tell which pattern a prompt is of. Requests that state theirs teach "
            f"it, from {LEAST_PROMPTS} labelled prompts of two patterns on."
        )
    names = ", ".join(one.pattern for one in telling.patterns[:_SHOWN])
    more = len(telling.patterns) - _SHOWN
    names += f" and {more} more" if more > 0 else ""
    if telling.least is None or telling.right is None:
        return (
            f"Labelled prompts of {names} are learned from, but are not yet told rightly "
            f"{in_100(RIGHT_SHARE)} times in 100, so the shipped rules tell which pattern a prompt "
            "is of."
        )
    return (
        f"Prompts that state no pattern are told by what those that did have taught: {names}. "
        "Where it spoke, it was right "
        f"{in_100(telling.right)} times in 100 ({telling.said} prompts that it had not seen)."
    )


def _count(made: Sequence[Change], kind: str, change: str) -> int:
    return sum(one["kind"] == kind and one.get("change") == change for one in made)


def _model_accuracy(policy: RoutingPolicy) -> list[JsonValue]:
    """Pools each model's figures over the patterns, by effective ratings; most correct first."""
    rows = defaultdict(list)
    for row in policy.rows:
        for one in row.ranking:
            rows[one.id].append(one)
    pooled: list[tuple[float, ModelId, JsonValue]] = []
    for model, ones in rows.items():
        weight = sum(one.n_effective for one in ones)
        correctness = sum(one.n_effective * one.correctness for one in ones) / weight
        quality = sum(one.n_effective * one.mean_quality for one in ones) / weight
        figures: JsonValue = {
            "provider": model.provider,
            "model": model.model,
            "n": sum(one.n for one in ones),
            "correctness": round(correctness, 6),
            "mean_quality": round(quality, 6),
        }
        pooled.append((-correctness, model, figures))
    return [figures for _, _, figures in sorted(pooled, key=lambda one: one[:2])]


def _key_insights(
    snapshot: Snapshot,
    made: Sequence[Change],
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
) -> list[JsonValue]:
    said: list[JsonValue] = [one["why"] for one in made if one.get("change") == "disabled"]
    said += [one["why"] for one in made if one["kind"] == "routing"][:_SHOWN]
    old, new = before.get("cost_usd"), after.get("cost_usd")
    if isinstance(old, float) and isinstance(new, float) and old > 0 and old != new:
        said.append(
            f"The expected cost per 1,000 requests goes from {per_1000(old, new)} "
            f"to {per_1000(new, old)} ({new / old - 1:+.0%})."
        )
    said += [one["why"] for one in made if one.get("change") == "discovered"][:_SHOWN]
    moving = [one for one in _overall(snapshot) if one.trend.direction != "stable"]
    said += [f"{one.agent_id} is {one.trend.direction}." for one in moving[:_SHOWN]]
    said += [telling_in_words(snapshot.telling)] if snapshot.telling.least is not None else []
    return said


def _overall(snapshot: Snapshot) -> list[TrustCard]:
    return [one for one in snapshot.trust if one.recommendation_type == ALL_TYPES]


def _actions(snapshot: Snapshot) -> list[JsonValue]:
    """Names what a person could do next; at most a few of each kind."""
    unproven = [row.pattern for row in snapshot.policy.rows if row.choice is None]
    priceless = {
        str(one.id)
        for row in snapshot.policy.rows
        for one in row.ranking
        if one.mean_cost_usd is None and one.tier != "LOW"
    }
    said: list[JsonValue] = []
    said += [
        f"Review {one.agent_id}: its overall trust is {one.overall:.2f} and it is disabled."
        for one in _overall(snapshot)
        if one.disabled
    ][:_SHOWN]
    said += [
        f"Ask {one.agent_id} to lower its stated confidence: it says {one.mean_confidence:.0%} "
        f"and {one.approval_rate:.0%} are approved."
        for one in _overall(snapshot)
        if one.mean_confidence is not None
        and one.approval_rate is not None
        and one.mean_confidence > one.approval_high
    ][:_SHOWN]
    if unproven:
        names = ", ".join(unproven[:_SHOWN])
        said.append(f"Collect more ratings for {names}: no model has proved itself there.")
    if priceless:
        names = ", ".join(sorted(priceless)[:_SHOWN])
        said.append(f"Set prices for {names}: a model of unknown cost counts as the dearest.")
    return said
