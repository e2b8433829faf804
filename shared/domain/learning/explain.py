"""What changed and what it means, in one sentence each with the figures beside it.

Written for people who know no statistics. A dry run shows exactly these changes before anyone
applies them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import JsonValue

from shared.domain.learning.config import ModelId
from shared.domain.learning.patterns import PatternCard
from shared.domain.learning.routing import PatternPolicy, RoutingPolicy
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.trust import ALL_TYPES, TrustCard, neutral

Change = dict[str, JsonValue]

TRUST_MOVED = 0.05
"""A score that moved less is not worth a line."""

_SHOWN = 5


def changes(old: Snapshot | None, new: Snapshot) -> list[Change]:
    """Returns what differs: routing rows, then trust, then patterns, each in order of name.

    Every change has `kind`, `subject`, `why` (one sentence), `old`, `new` and `evidence` (figures).
    Kinds are `routing` (old and new are {"provider", "model"} or null for the default), `trust`
    (overall scores; `change` is disabled, enabled or moved) and `pattern` (success rates; `change`
    is discovered, weakening or retired).

    Args:
        old: what is served now; None for the configured default alone.
        new: what would be.
    """
    return [
        *_routing_changes(old.policy if old else None, new.policy),
        *_trust_changes(old.trust if old else (), new.trust, new.config.trust.min_n),
        *_pattern_changes(old.patterns if old else (), new.patterns),
    ]


def _routing_changes(old: RoutingPolicy | None, new: RoutingPolicy) -> list[Change]:
    before = old or RoutingPolicy(default_model=new.default_model)
    found = []
    for pattern in sorted({*before.by_pattern, *new.by_pattern}):
        was, now = before.choice(pattern), new.choice(pattern)
        if was != now:
            found.append(_routing_change(pattern, was, now, new.by_pattern.get(pattern)))
    return found


def _routing_change(
    pattern: str, was: ModelId | None, now: ModelId | None, row: PatternPolicy | None
) -> Change:
    evidence: dict[str, JsonValue] = {
        name: next((one.model_dump(mode="json") for one in row.ranking if one.id == model), None)
        if row and model
        else None
        for name, model in (("old", was), ("new", now))
    }
    why = row.why if row else f"There is no evidence on {pattern} any more, so the default answers."
    return {
        "kind": "routing",
        "subject": pattern,
        "pattern": pattern,
        "old": _model(was),
        "new": _model(now),
        "why": why,
        "evidence": evidence,
    }


def _model(model: ModelId | None) -> JsonValue:
    return {"provider": model.provider, "model": model.model} if model else None


def _trust_changes(
    old: Sequence[TrustCard], new: Sequence[TrustCard], min_n: float
) -> list[Change]:
    before, after = _by(old, _card_key), _by(new, _card_key)
    found = []
    for key in sorted({*before, *after}):
        was, now = before.get(key, neutral(*key)), after.get(key, neutral(*key))
        proven = max(was.attempted, now.attempted) >= min_n
        moved = proven and abs(was.overall - now.overall) > TRUST_MOVED
        if moved or was.disabled != now.disabled:
            found.append(_trust_change(was, now))
    return found


def _card_key(card: TrustCard) -> tuple[str, str]:
    return card.agent_id, card.recommendation_type


def _trust_change(was: TrustCard, now: TrustCard) -> Change:
    change = "moved"
    if was.disabled != now.disabled:
        change = "disabled" if now.disabled else "enabled"
    where = f"in {now.recommendation_type}" if now.recommendation_type else "over all types"
    rate = "none" if now.approval_rate is None else f"{now.approval_rate:.0%}"
    move = f"Trust in {now.agent_id} {where} went from {was.overall:.2f} to {now.overall:.2f}"
    reason = f"{rate} of {now.n} completed recommendations were approved"
    verdict = {"disabled": ", so it is disabled", "enabled": ", so it is enabled again"}
    return {
        "kind": "trust",
        "subject": now.agent_id,
        "recommendation_type": now.recommendation_type,
        "change": change,
        "old": was.overall,
        "new": now.overall,
        "why": f"{move}: {reason}{verdict.get(change, '')}.",
        "evidence": now.model_dump(mode="json"),
    }


def _pattern_changes(old: Sequence[PatternCard], new: Sequence[PatternCard]) -> list[Change]:
    before, after = _by(old, lambda one: one.key), _by(new, lambda one: one.key)
    retired = "It no longer stands out from its base rate beyond chance."
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was is None and now is not None:
            found.append(_pattern_change(now, "discovered", now.words))
        elif was is not None and now is None:
            found.append(_pattern_change(was, "retired", retired))
        elif was and now and now.state == "weakening" != was.state:
            found.append(_pattern_change(now, "weakening", now.words))
    return found


def _pattern_change(card: PatternCard, change: str, why: str) -> Change:
    return {
        "kind": "pattern",
        "subject": card.key,
        "change": change,
        "old": card.success_rate if change == "retired" else None,
        "new": None if change == "retired" else card.success_rate,
        "why": why,
        "evidence": card.model_dump(mode="json"),
    }


C = TypeVar("C")
K = TypeVar("K")


def _by(cards: Iterable[C], key: Callable[[C], K]) -> dict[K, C]:
    return {key(card): card for card in cards}


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
            f"The expected cost per 1,000 requests goes from ${old * 1000:.2f} "
            f"to ${new * 1000:.2f} ({new / old - 1:+.0%})."
        )
    said += [one["why"] for one in made if one.get("change") == "discovered"][:_SHOWN]
    moving = [one for one in _overall(snapshot) if one.trend.direction != "stable"]
    said += [f"{one.agent_id} is {one.trend.direction}." for one in moving[:_SHOWN]]
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
