"""Why a pattern goes to a model, why that changed, and why it did not: a sentence and the figures.

The sentence says what decided: what the new model was seen to do against the old one, and what it
costs. What the figures rest on follows in notes.
"""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from shared.domain.learning.config import ModelId
from shared.domain.learning.evidence import (
    ModelEvidence,
    evidence_of,
    ratings_needed,
    wrong_until_lost,
)
from shared.domain.learning.explain_serving import (
    BY_TABLE,
    Served,
    Serving,
    configured_notes,
    moved,
    neighbourhood_notes,
    preference_notes,
    served,
    then_answers,
    why_served,
)
from shared.domain.learning.ranking import ModelFigures, PatternPolicy
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.spelling import at_least_in_100, certainly, per_1000
from shared.domain.learning.wording import Change, counts_less, ratings, right, shortfall

_NO_MODEL = "the first model of the list"

_NOTED = 5
"""Models whose lack of proof is noted."""


class ExplainedRow(PatternPolicy):
    """A row of the routing table in plain words; `notes` are further sentences."""

    ranking: tuple[ModelEvidence, ...]
    notes: tuple[str, ...]


def routing_changes(
    old: Snapshot | None, new: Snapshot, serving: Serving = BY_TABLE
) -> list[Change]:
    """Returns a change for each pattern that goes to another model, in order of pattern.

    Also where only the workspace's preference sends prompts elsewhere, and the table stays; `old`
    and `new` are then what answers instead.
    """
    before = _policy(old, new)
    found = []
    for pattern in sorted({*before.by_pattern, *new.policy.by_pattern}):
        was, now = before.choice(pattern), new.policy.choice(pattern)
        answers = served(pattern, before, new.policy, new.config, serving)
        elsewhere = moved(answers) if was == now else []
        if was == now and not elsewhere:
            continue
        if elsewhere:
            was, now = elsewhere[0].old, elsewhere[0].new
        row = before.by_pattern.get(pattern)
        preference = serving.preference
        change = _change(pattern, was, now, row, new, answers=answers, serving=serving)
        if elsewhere:
            change["why"] = why_served(pattern, preference, elsewhere)
        found.append(change)
    return found


def _policy(old: Snapshot | None, new: Snapshot) -> RoutingPolicy:
    return old.policy if old else RoutingPolicy(default_model=new.policy.default_model)


def _change(
    pattern: str,
    was: ModelId | None,
    now: ModelId | None,
    before: PatternPolicy | None,
    new: Snapshot,
    *,
    answers: Sequence[Served],
    serving: Serving,
) -> Change:
    preference = serving.preference
    row = new.policy.by_pattern.get(pattern)
    first, second = (_seen_of(model, row, new, before) for model in (now, was))
    if row is None:
        why = (
            f"No rating of {pattern} counts any more, so {_name(now)} answers as the default "
            f"instead of {_name(was)}."
        )
    elif row.choice is None or first is None:
        settled = before is not None and before.choice is not None
        why = _why_default(pattern, was, now, second, new, settled=settled)
    else:
        first_in_table = "comes first in the table" if answers else "takes over"
        why = _why_taken(pattern, was, first, second, new, take=first_in_table)
        if answers:
            why = why.removesuffix(".") + then_answers(preference, answers)
    evidence: dict[str, JsonValue] = {
        name: _figures(one) if one else None for name, one in (("old", second), ("new", first))
    }
    if answers:
        evidence["served"] = [one.figures() for one in answers]
    known = [one for one in (first, second) if one]
    return {
        "kind": "routing",
        "subject": pattern,
        "pattern": pattern,
        "old": _model(was),
        "new": _model(now),
        "why": why,
        "notes": [
            *configured_notes(now, serving),
            *_back(first, second, new),
            *preference_notes(preference, answers),
            *neighbourhood_notes(known, preference),
            *_notes(known),
        ],
        "evidence": evidence,
    }


def _seen_of(
    model: ModelId | None, row: PatternPolicy | None, new: Snapshot, before: PatternPolicy | None
) -> ModelEvidence | None:
    if row is None:
        return None
    found = next((one for one in row.ranking if one.id == model), None)
    return evidence_of(found, row.pattern, new, before) if found else None


def _figures(one: ModelEvidence) -> JsonValue:
    return one.model_dump(mode="json", exclude={"why"})


def _name(model: ModelId | None) -> str:
    return str(model) if model else _NO_MODEL


def _model(model: ModelId | None) -> JsonValue:
    return {"provider": model.provider, "model": model.model} if model else None


def _why_default(
    pattern: str,
    was: ModelId | None,
    now: ModelId | None,
    seen: ModelFigures | None,
    new: Snapshot,
    *,
    settled: bool,
) -> str:
    if not settled:
        return (
            f"No model has proved itself in {pattern}, so the default answers, and that was "
            f"changed from {_name(was)} to {_name(now)}."
        )
    reason = shortfall(seen, new.config) if seen else f"{_name(was)} has no ratings there"
    return (
        f"No model has proved itself in {pattern} any more ({reason}), so {_name(now)} answers "
        f"as the default instead of {_name(was)}."
    )


def _why_taken(
    pattern: str,
    was: ModelId | None,
    first: ModelFigures,
    second: ModelFigures | None,
    new: Snapshot,
    *,
    take: str,
) -> str:
    against = second.mean_cost_usd if second and second.tier != "LOW" else None
    head = f"In {pattern}, {_seen(first, new)} at {_price(first, against)}"
    take = f"so {first.id} {take}"
    if was is None:
        return f"{head}, {take}; nothing was settled before."
    if second is None:
        return f"{head}; {was} has no ratings there, {take}."
    if second.tier == "LOW":
        return f"{head}; {shortfall(second, new.config)}, {take}."
    price = per_1000(second.mean_cost_usd, first.mean_cost_usd)
    told = f"{right(second)} ({ratings(second)}) at {price}"
    return f"{head}; {told}, {take}: {_verdict(first, second, new)}."


def _seen(one: ModelFigures, snapshot: Snapshot) -> str:
    sure = certainly(snapshot.config.confidence_level)
    least = f"{sure} at least {at_least_in_100(one.correctness_lower)} in 100"
    return f"{right(one)} ({ratings(one)}, {least})"


def _price(one: ModelFigures, against: float | None) -> str:
    cost = per_1000(one.mean_cost_usd, against)
    return cost if one.mean_cost_usd is None else f"{cost} per 1,000 answers"


def _verdict(first: ModelFigures, second: ModelFigures, new: Snapshot) -> str:
    """Returns what decided between two models that both are good enough to be chosen."""
    if not second.holds_up:
        return f"{second.id} may be noticeably worse than the best there"
    if second.mean_cost_usd is None:
        return "what the other costs is not known"
    if first.mean_cost_usd is not None and first.mean_cost_usd < second.mean_cost_usd:
        if first.confidence >= second.confidence:
            return "it has proved more, and costs less"
        allowed = f"{100 * new.config.quality_margin:g}"
        return f"it is as good, give or take {allowed} of 100 in the score, and costs less"
    return "it has proved more at the same cost"


def _notes(found: list[ModelEvidence]) -> Iterator[str]:
    """Yields what figures rest on, for people who want to know more."""
    for one in found:
        if one.rests_on is not None:
            own, elsewhere = round(100 * one.rests_on.own), round(100 * one.rests_on.elsewhere)
            yield (
                f"How good {one.id} is thought to be here comes to {own} % from its ratings here, "
                f"to {elsewhere} % from those in other patterns and to "
                f"{max(0, 100 - own - elsewhere)} % from what is thought of an untried model."
            )
        if counts_less(one):
            yield (
                f"The {one.n:,} ratings of {one.id} count as {one.n_effective:,.0f}: old ones, "
                "those from before a change and those of raters who are doubted count less."
            )
        if one.changed_on is not None:
            yield (
                f"{one.id} changed on {one.changed_on}, so its ratings from before count little."
            )
        if one.withdrawn_on is not None:
            yield (
                f"A change of {one.id} was taken back on {one.withdrawn_on}, as too many of the "
                "ratings that proved it were: those from before it count as if it had not been."
            )


def _back(first: ModelFigures | None, second: ModelFigures | None, new: Snapshot) -> Iterator[str]:
    """Yields what would undo a change, where that is easily said."""
    if first and first.tier != "LOW" and first.id != new.policy.default_model:
        wrong = wrong_until_lost(first, new.config)
        if wrong is not None:
            times = "1 wrong answer" if wrong == 1 else f"{wrong:,} wrong answers in a row"
            yield f"At the latest, {times} of {first.id} would undo this."
    needed = ratings_needed(second, new.config) if second else 0
    if second and needed:
        more = "1 more good rating" if needed == 1 else f"{needed} more good ratings"
        yield f"{second.id} needs {more} to be chosen again."


def not_changed(
    old: Snapshot | None, new: Snapshot, serving: Serving = BY_TABLE
) -> Iterator[Change]:
    """Yields the patterns that stay as they are although a model looks good: it lacks evidence."""
    before = _policy(old, new)
    for row in new.policy.rows:
        now = new.policy.choice(row.pattern)
        only_table = serving.preference.asks or serving.lacks(now)
        stays = "stays in the table" if only_table else "goes on answering"
        if now != before.choice(row.pattern):
            continue
        found = _held_back(row, now, new)
        if found is None:
            continue
        one, why = found
        evidence = evidence_of(one, row.pattern, new, before.by_pattern.get(row.pattern))
        yield {
            "kind": "routing",
            "subject": row.pattern,
            "pattern": row.pattern,
            "old": _model(now),
            "new": _model(now),
            "why": f"Nothing changes in {row.pattern}: {why}, so {_name(now)} {stays}.",
            "evidence": {"held_back": _figures(evidence)},
        }


def _held_back(
    row: PatternPolicy, now: ModelId | None, new: Snapshot
) -> tuple[ModelFigures, str] | None:
    """Returns the model that comes nearest to taking a row over, and what it lacks."""
    config = new.config
    chosen = next((one for one in row.ranking if one.id == now), None)
    others = [one for one in row.ranking if one.id != now and _may_take_over(one, chosen)]
    thin = [one for one in others if one.tier == "LOW" and ratings_needed(one, config)]
    looks_good = [
        one
        for one in thin
        if one.mean_quality >= config.medium.quality
        and one.correctness >= config.medium.correctness
    ]
    if looks_good:
        one = max(looks_good, key=lambda one: one.n_effective)
        return one, shortfall(one, config)
    unsure = [one for one in others if one.tier != "LOW" and _may_be_as_good(one, row, new)]
    if unsure:
        one = unsure[0]
        return one, (
            f"{one.id} costs less, but {ratings(one)} are too few to be sure that it is not "
            "noticeably worse than the best"
        )
    if row.choice is None and others:
        return others[0], shortfall(others[0], config)
    return None


def _may_be_as_good(one: ModelFigures, row: PatternPolicy, new: Snapshot) -> bool:
    """Whether a model looks good enough, and only lacks the proof."""
    best = max((other for other in row.ranking if other.tier != "LOW"), key=lambda o: o.confidence)
    return one.value >= best.value - new.config.quality_margin


def _may_take_over(one: ModelFigures, chosen: ModelFigures | None) -> bool:
    """Whether a model would be chosen with more evidence: a dearer one need not be better."""
    if chosen is None or chosen.tier == "LOW":
        return True
    if one.mean_cost_usd is None or chosen.mean_cost_usd is None:
        return False
    return one.mean_cost_usd < chosen.mean_cost_usd


def explained_row(
    row: PatternPolicy, snapshot: Snapshot, serving: Serving = BY_TABLE
) -> ExplainedRow:
    """Returns a row of a routing table in plain words, with what its figures rest on."""
    answers = served(row.pattern, snapshot.policy, snapshot.policy, snapshot.config, serving)
    found = [evidence_of(one, row.pattern, snapshot) for one in row.ranking]
    chosen = next((one for one in found if one.id == row.choice), None)
    shown = tuple(
        one.model_copy(update={"why": _why_ranked(one, row, snapshot, first=bool(answers))})
        for one in found
    )
    notes = [
        *configured_notes(row.choice, serving),
        *(_back(chosen, None, snapshot) if chosen else ()),
        *preference_notes(serving.preference, answers),
        *neighbourhood_notes([chosen] if chosen else [], serving.preference),
        *_notes([chosen] if chosen else []),
    ]
    why = row.why
    if chosen is None:
        default = _name(snapshot.policy.default_model)
        why = (
            f"No model has proved itself in {row.pattern} yet, so {default} answers as the default."
        )
        notes += [f"Not yet: {shortfall(one, snapshot.config)}." for one in found[:_NOTED]]
    return ExplainedRow(
        pattern=row.pattern, choice=row.choice, why=why, ranking=shown, notes=tuple(notes)
    )


def _why_ranked(one: ModelFigures, row: PatternPolicy, snapshot: Snapshot, *, first: bool) -> str:
    """Returns why a model stands where it does; `first` where the table does not choose."""
    if one.tier == "LOW":
        return f"Not chosen: {shortfall(one, snapshot.config)}."
    seen = _seen(one, snapshot)
    if not one.holds_up:
        return f"Stands by: {seen}; it may be noticeably worse than the best here."
    if one.id == row.choice:
        return f"{'First' if first else 'Chosen'}: {seen}."
    return f"Stands by: {seen}; as good as the best, as far as it matters, but not cheaper."
