"""The one spelling of a learning state, as kept between runs: equal states give equal bytes."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from shared.domain.learning.epochs import Changed
from shared.domain.learning.figures import (
    Evidence,
    F,
    Logged,
    LoggedFigures,
    OutcomeFigures,
    OutcomeKey,
    QualityFigures,
    RatingFigures,
    RatingKey,
    SquaredWeights,
)
from shared.domain.learning.state import (
    LearningState,
)
from shared.errors import CorruptData

FORMAT = 6
"""Of the bytes, and of what the sums mean: a state of another format is folded anew."""


def to_json(state: LearningState) -> bytes:
    """Returns the one spelling of a state: equal states give equal bytes.

    The groups of ratings and outcomes are a line of their own, so that the rest can be read alone.
    Groups are in order of their key, raw sums are decimal, weighted ones hexadecimal (they can have
    thousands of bits, which decimal conversion handles slowly and, beyond a limit, refuses).
    """
    rest = {
        "changes": [[*name, *state.changes[name]] for name in sorted(state.changes)],
        "changes_watermark": state.changes_watermark,
        "format": FORMAT,
        "half_life_days": state.half_life_days,
        "keep": state.keep,
        "last_day": state.last_day,
        "outcomes_watermark": state.outcomes_watermark,
        "quality": [[key, *state.quality[key]] for key in sorted(state.quality)],
        "ratings_watermark": state.ratings_watermark,
    }
    groups = {
        "logged": [[*key, *_spell_logged(state.logged[key])] for key in sorted(state.logged)],
        "outcomes": [[*key, *_spell(state.outcomes[key])] for key in sorted(state.outcomes)],
        "ratings": [[*key, *_spell(state.ratings[key])] for key in sorted(state.ratings)],
    }
    lines = [json.dumps(one, sort_keys=True, separators=(",", ":")) for one in (rest, groups)]
    return "\n".join(lines).encode()


def _spell(evidence: Evidence[Any]) -> list[object]:
    weighted = [*evidence.decayed, *evidence.squares]
    spelled = [f"{value:x}" for value in weighted]
    return [*evidence.raw, *spelled, evidence.first_second, evidence.last_second]


def _spell_logged(logged: Logged) -> list[str]:
    return [f"{value:x}" for value in (*logged.once, *logged.twice)]


def from_json(data: bytes) -> LearningState:
    """Returns the state that `to_json` wrote.

    Raises:
        CorruptData: the bytes are no state, or one of another format.
    """
    rest, _, groups = data.partition(b"\n")
    return _parsed(rest, groups)


def without_groups(data: bytes) -> LearningState:
    """Returns the state that `to_json` wrote, but with no ratings or outcomes by group.

    Raises:
        CorruptData: the bytes are no state, or one of another format.
    """
    return _parsed(data.partition(b"\n")[0], b'{"logged":[],"outcomes":[],"ratings":[]}')


def _parsed(rest: bytes, groups: bytes) -> LearningState:
    try:
        return _read(json.loads(rest), groups)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        msg = f"not a learning state of format {FORMAT}: {error}; rebuild it from the evidence log"
        raise CorruptData(msg) from error


def _read(document: dict[str, Any], lines: bytes) -> LearningState:
    if document["format"] != FORMAT:
        msg = f"format {document['format']!r}"
        raise ValueError(msg)
    groups = json.loads(lines)
    return LearningState(
        half_life_days=float(document["half_life_days"]),
        keep=float(document["keep"]),
        ratings_watermark=int(document["ratings_watermark"]),
        outcomes_watermark=int(document["outcomes_watermark"]),
        changes_watermark=int(document["changes_watermark"]),
        last_day=document["last_day"],
        ratings={
            RatingKey(*row[:5]): _unspell(RatingFigures._make, row[5:]) for row in groups["ratings"]
        },
        logged={RatingKey(*row[:5]): _unspell_logged(row[5:]) for row in groups["logged"]},
        outcomes={
            OutcomeKey(*row[:6]): _unspell(OutcomeFigures._make, row[6:])
            for row in groups["outcomes"]
        },
        quality={row[0]: QualityFigures._make(row[1:]) for row in document["quality"]},
        changes={(row[0], row[1], row[2]): Changed(*row[3:]) for row in document["changes"]},
    )


def _unspell_logged(row: list[str]) -> Logged:
    values, half = [int(value, 16) for value in row], len(LoggedFigures._fields)
    return Logged(LoggedFigures._make(values[:half]), LoggedFigures._make(values[half:]))


def _unspell(make: Callable[[Iterable[int]], F], row: list[Any]) -> Evidence[F]:
    size = (len(row) - len(SquaredWeights._fields) - 2) // 2
    weighted: list[int] = [int(value, 16) for value in row[size:-2]]
    return Evidence(
        make(row[:size]),
        make(weighted[:size]),
        SquaredWeights._make(weighted[size:]),
        row[-2],
        row[-1],
    )
