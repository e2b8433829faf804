"""What besides the table decides who answers: the workspace's preference, and neighbourhoods.

The table is decided by a model's ratings in a pattern. Where the workspace has set what an answer
is worth, or a floor, that decides among the table's proven models, prompt by prompt; and models are
believed to be better or worse by how much of a prompt is figures. Both are told here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import Best
from shared.domain.learning.evidence import ModelEvidence
from shared.domain.learning.neighbourhoods import CELLS, FIGURES, MIXED, WORDS
from shared.domain.learning.preference import NO_PREFERENCE, Preference
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.spelling import in_100

_TOLD = 0.05
"""Neighbourhoods that move a belief by less, 0..1, are not worth a sentence."""

_PROMPTS = {
    "": "all prompts",
    WORDS: "prompts in words",
    MIXED: "prompts with some figures",
    FIGURES: "prompts with many figures",
}


class Serving(NamedTuple):
    """How policies are served in a workspace: what each takes by pattern and neighbourhood.

    `configured` are the models that requests go to which name none; empty where none is known.
    """

    preference: Preference
    best: Callable[[RoutingPolicy, str, str], Best | None]
    configured: frozenset[ModelId] = frozenset()

    def lacks(self, model: ModelId | None) -> bool:
        """Whether a model is not configured, as where it was removed."""
        return bool(self.configured) and model is not None and model not in self.configured


def _by_table(policy: RoutingPolicy, pattern: str, cell: str) -> None:
    del policy, pattern, cell


BY_TABLE = Serving(NO_PREFERENCE, _by_table)
"""Where nothing is set: the table decides."""


class Served(NamedTuple):
    """Who answers the prompts of one neighbourhood, before and after, and why."""

    cell: str
    old: ModelId | None
    new: ModelId
    why: str

    def figures(self) -> JsonValue:
        """Returns it as evidence."""
        return {
            "neighbourhood": self.cell,
            "old": None if self.old is None else {**self.old._asdict()},
            "new": {**self.new._asdict()},
            "why": self.why,
        }


def served(
    pattern: str, old: RoutingPolicy, new: RoutingPolicy, config: LearningConfig, serving: Serving
) -> tuple[Served, ...]:
    """Returns who answers a pattern by neighbourhood; nothing where the table decides."""
    if not serving.preference.asks:
        return ()
    found = []
    for cell in CELLS if config.beliefs.neighbourhoods else ("",):
        before, after = serving.best(old, pattern, cell), serving.best(new, pattern, cell)
        if after is not None:
            found.append(Served(cell, before and before.greedy, after.greedy, after.reason))
    return tuple(found)


def moved(found: Sequence[Served]) -> list[Served]:
    """Returns the neighbourhoods whose prompts go to another model than before."""
    return [one for one in found if one.old != one.new]


def setting(preference: Preference) -> str:
    """Returns what the workspace has set."""
    if preference.quality_floor is not None:
        return f"a score of at least {100 * preference.quality_floor:g} of 100 is asked for"
    return f"a perfect answer is worth ${preference.answer_worth_usd:g}"


def why_served(pattern: str, preference: Preference, found: Sequence[Served]) -> str:
    """Returns why prompts go elsewhere although the table stays; `found` has the moved ones."""
    first = found[0]
    kinds = " and ".join(_PROMPTS[one.cell] for one in found if one.new == first.new)
    instead = f"instead of {first.old}" if first.old else "from now on"
    return (
        f"In {pattern}, {first.new} answers {kinds} {instead}, because in this workspace "
        f"{setting(preference)}: {first.why}"
    )


def then_answers(preference: Preference, found: Sequence[Served]) -> str:
    """Returns the end of a sentence on the table: who answers, as the preference decides that."""
    names = list(dict.fromkeys(str(one.new) for one in found))
    if not moved(found):
        goes = "goes" if len(names) == 1 else "go"
        return (
            f"; {' and '.join(names)} {goes} on answering, because in this workspace "
            f"{setting(preference)}."
        )
    kinds = ", ".join(f"{_PROMPTS[one.cell]} go to {one.new}" for one in found)
    answers = f"{names[0]} answers" if len(names) == 1 else kinds
    return f"; in this workspace {setting(preference)}, so {answers}."


def configured_notes(model: ModelId | None, serving: Serving) -> Iterator[str]:
    """Yields that a model only answers requests that name it, where it is not configured."""
    if serving.lacks(model):
        yield (
            f"{model} is not among the configured models, so it answers only requests that name "
            "it among their candidates."
        )


def preference_notes(preference: Preference, found: Sequence[Served]) -> Iterator[str]:
    """Yields who answers under the workspace's preference, where it has one."""
    if not found:
        return
    head = f"In this workspace {setting(preference)}, and that decides among the proven models"
    if len({one.new for one in found}) == 1:
        yield f"{head}: {found[0].new} answers. {found[0].why}"
        return
    kinds = ", ".join(f"{_PROMPTS[one.cell]} go to {one.new}" for one in found)
    yield f"{head}: {kinds}."
    for one in found:
        yield f"{_PROMPTS[one.cell].capitalize()}: {one.why}"


def neighbourhood_notes(found: Sequence[ModelEvidence], preference: Preference) -> Iterator[str]:
    """Yields what neighbourhoods make of models, where that is worth a sentence."""
    told = False
    for one in found:
        scores = one.neighbourhoods
        if not any(abs(each.score - one.believed) >= _TOLD for each in scores):
            continue
        told = True
        each = ", ".join(f"{in_100(score.score)} in {_PROMPTS[score.cell]}" for score in scores)
        yield (
            f"{one.id} is thought to score {in_100(one.believed)} of 100 here (half for right "
            f"answers, half for ratings), but not with every kind of prompt: {each}."
        )
    if told and not preference.asks:
        yield (
            "Kinds of prompts decide which models are tried by chance; who answers otherwise is "
            "decided by the ratings of all kinds together."
        )
