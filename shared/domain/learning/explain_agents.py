"""Why an agent's trust moved, and what became of patterns: a sentence and the figures."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from pydantic import JsonValue

from shared.domain.learning.patterns import PatternCard
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.spelling import apart, in_100
from shared.domain.learning.trust import ALL_TYPES, WEIGHTS, TrustCard, neutral
from shared.domain.learning.wording import Change

TRUST_MOVED = 0.05
"""A score that moved less is not worth a line."""

_OVERALL_AND_ONE = 2
"""Cards of an agent that has recommended things of one type only."""


def trust_changes(old: Snapshot | None, new: Snapshot) -> list[Change]:
    """Returns a change for each score that moved far, on enough, or that (dis)abled an agent.

    An agent's only type is not told beside its overall score: they are the same.
    """
    found = []
    kinds = Counter(one.agent_id for one in new.trust)
    for was, now in _pairs(old.trust if old else (), new.trust):
        if now.recommendation_type and kinds[now.agent_id] == _OVERALL_AND_ONE:
            continue  # its only type: told by the overall score
        proven = max(was.attempted, now.attempted) >= new.config.trust.min_n
        if (proven and _moved(was, now)) or was.disabled != now.disabled:
            found.append(_trust_change(was, now, new))
    return found


def trust_not_told(old: Snapshot | None, new: Snapshot) -> Iterator[Change]:
    """Yields the overall scores that moved far on too little to conclude anything."""
    needed = new.config.trust.min_n
    for was, now in _pairs(old.trust if old else (), new.trust):
        few = max(was.attempted, now.attempted) < needed
        if few and _moved(was, now) and now.recommendation_type == ALL_TYPES:
            yield {
                "kind": "trust",
                "subject": now.agent_id,
                "old": was.overall,
                "new": now.overall,
                "why": f"Nothing is concluded about {now.agent_id}: it has made "
                f"{now.attempted} of the {needed:g} recommendations that takes, and its trust went "
                f"from {was.overall:.2f} to {now.overall:.2f} so far.",
                "evidence": {"old": _card(was), "new": _card(now)},
            }


def _moved(was: TrustCard, now: TrustCard) -> bool:
    return abs(was.overall - now.overall) > TRUST_MOVED


def _pairs(
    old: Sequence[TrustCard], new: Sequence[TrustCard]
) -> Iterator[tuple[TrustCard, TrustCard]]:
    before, after = _by(old, _card_key), _by(new, _card_key)
    for key in sorted({*before, *after}):
        yield before.get(key, neutral(*key)), after.get(key, neutral(*key))


def _card_key(card: TrustCard) -> tuple[str, str]:
    return card.agent_id, card.recommendation_type


def _card(card: TrustCard) -> JsonValue:
    return card.model_dump(mode="json", exclude={"calibration"})


_TOLD = 0.05
"""Ease and evaluators that change less are not worth a word."""

_SIDES = {
    "accuracy": "how many of its recommendations were approved",
    "consistency": "how even the quality of its recommendations is",
    "timeliness": "how many of its recommendations came in time",
    "reliability": "how many of its recommendations were named by an outcome at all",
}


def _trust_change(was: TrustCard, now: TrustCard, new: Snapshot) -> Change:
    change = "moved"
    if was.disabled != now.disabled:
        change = "disabled" if now.disabled else "enabled"
    where = f"in {now.recommendation_type}" if now.recommendation_type else "over all types"
    bar = new.config.trust.disable_below
    decided = now.overall if change == "moved" else bar
    move = f"Trust in {now.agent_id} {where} {_went(was.overall, now.overall, decided)}"
    verdict = {
        "disabled": f"; that is below {bar:g}, so it is disabled",
        "enabled": f"; that is no longer below {bar:g}, so it is enabled again",
    }
    if now.overall < bar:
        verdict["enabled"] = "; that is too few to disable an agent by now, so it is enabled again"
    return {
        "kind": "trust",
        "subject": now.agent_id,
        "recommendation_type": now.recommendation_type,
        "change": change,
        "old": was.overall,
        "new": now.overall,
        "why": f"{move}{_reason(was, now)}{verdict.get(change, '')}.",
        "notes": _trust_notes(now, new),
        "evidence": {"old": _card(was), "new": _card(now)},
    }


def _went(was: float, now: float, bar: float) -> str:
    """Returns how a score moved, told so that it is seen on which side of the bar it is now."""
    if was == now:
        return f"stays at {apart(now, bar, 2)}"
    told = max((apart(now, bar, 2), apart(now, was, 2)), key=len)
    return f"{'rises' if now > was else 'falls'} from {apart(was, now, 2)} to {told}"


def _reason(was: TrustCard, now: TrustCard) -> str:
    """Returns what moved a score most, with what was approved before and after."""
    if now.approval_rate is None:
        return f": none of its {now.attempted:,} recommendations has an outcome"
    seen = f"{in_100(now.approval_rate)}% of {now.n:,} with an outcome were approved"
    if was.approval_rate is not None:
        seen += f" (before: {in_100(was.approval_rate)}% of {was.n:,})"
    if was.overall == now.overall:
        return f": {seen}"
    side = max(WEIGHTS, key=lambda name: abs(_pull(name, was, now)))
    if side == "accuracy":
        return f", mostly by {_SIDES[side]}: {seen}"
    before, after = getattr(was, side), getattr(now, side)
    return (
        f", mostly by {_SIDES[side]}: its score for that went from {apart(before, after, 2)} to "
        f"{apart(after, before, 2)}; {seen}"
    )


def _pull(name: str, was: TrustCard, now: TrustCard) -> float:
    """Returns how far one side moved the overall score, on its logarithm: they are multiplied."""
    return WEIGHTS[name] * math.log(getattr(now, name) / getattr(was, name))


def _trust_notes(now: TrustCard, new: Snapshot) -> list[JsonValue]:
    """Returns what a score was corrected by, and what would undo it where that is easily said."""
    rules = new.config.trust
    notes: list[JsonValue] = []
    if abs(now.ease) >= _TOLD:
        kind = "easier" if now.ease > 0 else "harder"
        notes.append(
            f"Its tasks were {kind} than usual by {abs(now.ease):.0%}, which is taken off."
        )
    if now.evaluator_weight <= 1 - _TOLD:
        notes.append(f"Those who judged it count {now.evaluator_weight:.0%} of a proven judge.")
    imagined = rules.prior_strength / (now.n_effective + rules.prior_strength)
    notes.append(
        f"Every agent starts from 0.5; that still makes up {imagined:.0%} of this score, and what "
        "was seen of it the rest."
    )
    if now.disabled:
        notes.append(
            f"It is heard again once its trust is {rules.disable_below:g} or more, or when an "
            "administrator reinstates it."
        )
    return notes


def pattern_changes(old: Snapshot | None, new: Snapshot) -> list[Change]:
    """Returns a change for each pattern that is new, confirmed, weakening or retired."""
    before = _by(old.patterns if old else (), lambda one: one.key)
    after = _by(new.patterns, lambda one: one.key)
    gone = _by(new.retired, lambda one: one.key)
    found = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was is None and now is not None:
            found.append(_pattern_change(was, now, "discovered", now.words))
        elif was is not None and now is None:
            found.append(_pattern_change(was, None, "retired", _retired(was, gone.get(key))))
        elif was and now and now.state not in {was.state, "new"}:
            words = f"{now.words}{_CONFIRMED if now.state == 'confirmed' else ''}"
            found.append(_pattern_change(was, now, now.state, words))
    return found


_CONFIRMED = " It is confirmed: it holds on more outcomes than it takes."


def _retired(was: PatternCard, found: PatternCard | None) -> str:
    if found is not None:
        return found.words
    return (
        f"{was.key} no longer stands out from what is usual beyond chance; before, "
        f"{in_100(was.success_rate)}% of {was.n:,} were approved."
    )


def _pattern_change(
    was: PatternCard | None, now: PatternCard | None, change: str, why: str
) -> Change:
    card = now or was
    return {
        "kind": "pattern",
        "subject": card.key if card else "",
        "change": change,
        "old": was.success_rate if was else None,
        "new": now.success_rate if now else None,
        "why": why,
        "notes": [],
        "evidence": {
            "old": was.model_dump(mode="json") if was else None,
            "new": now.model_dump(mode="json") if now else None,
        },
    }


C = TypeVar("C")
K = TypeVar("K")


def _by(cards: Iterable[C], key: Callable[[C], K]) -> dict[K, C]:
    return {key(card): card for card in cards}
