"""The one spelling of a learning state, as kept between runs: equal states give equal bytes.

Each group is a line of its own, so that a run spells only those that new evidence came to.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json as loaded

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
from shared.domain.learning.labellers import Given
from shared.domain.learning.labels import LabelSums
from shared.domain.learning.state import (
    LearningState,
)
from shared.errors import CorruptData

FORMAT = 11
"""Of the bytes, and of what the sums mean: a state of another format is folded anew."""

_PLAIN = 1 << 256
"""Whole numbers from here on are spelled in hexadecimal, as text."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Kept(NamedTuple):
    """A state and the bytes that it was read from; none where it was never kept."""

    state: LearningState
    data: bytes = b""


def to_json(state: LearningState, before: Kept | None = None) -> bytes:
    """Returns the one spelling of a state: equal states give equal bytes.

    The first line is all but the groups, so that it can be read alone, with how many of each kind
    follow, a line each. Groups are in order of their key. Weighted sums are whole numbers, large
    ones in hexadecimal: they can have thousands of bits, which decimal conversion handles slowly
    and, beyond a limit, refuses.

    Args:
        state: what to spell.
        before: what it was folded on from. Groups that are the very same objects there are not
            spelled anew; the bytes are the same without.
    """
    rest = {
        "changes": [[*name, *state.changes[name]] for name in sorted(state.changes)],
        "changes_watermark": state.changes_watermark,
        "format": FORMAT,
        "groups": [len(state.logged), len(state.outcomes), len(state.ratings)],
        "half_life_days": state.half_life_days,
        "keep": state.keep,
        "labels": _spell_labels(state.labels),
        "labels_watermark": state.labels_watermark,
        "last_day": state.last_day,
        "outcomes_watermark": state.outcomes_watermark,
        "quality": [[key, *state.quality[key]] for key in sorted(state.quality)],
        "ratings_watermark": state.ratings_watermark,
    }
    old, known = (before.state, before.data.split(b"\n")[1:]) if before else (state, [])
    lines = iter(known)
    return b"\n".join(
        [
            _encode(rest).encode(),
            *_lines(state.logged, _spell_logged, old.logged, lines),
            *_lines(state.outcomes, _spell, old.outcomes, lines),
            *_lines(state.ratings, _spell, old.ratings, lines),
        ]
    )


K = TypeVar("K", bound=tuple[Any, ...])
V = TypeVar("V")


def _lines(
    groups: Mapping[K, V],
    spell: Callable[[V], list[Any]],
    old: Mapping[K, V],
    lines: Iterator[bytes],
) -> Iterator[bytes]:
    """Yields a line for each group, in order; takes those of the `old` groups, which come first."""
    known = dict(zip(old, islice(lines, len(old)), strict=False))
    for key in sorted(groups):
        same = key in known and groups[key] is old[key]
        yield known[key] if same else _encode([*key, *spell(groups[key])]).encode()


def _spell(evidence: Evidence[Any]) -> list[object]:
    weighted = _spell_numbers((*evidence.decayed, *evidence.squares))
    return [*evidence.raw, *weighted, evidence.first_second, evidence.last_second]


def _spell_numbers(values: Iterable[int]) -> list[int | str]:
    return [value if -_PLAIN < value < _PLAIN else f"{value:x}" for value in values]


def _unspell_numbers(row: list[Any]) -> list[int]:
    return [int(value, 16) if isinstance(value, str) else value for value in row]


def _spell_labels(labels: LabelSums) -> dict[str, object]:
    return {
        "callers": [[caller, *labels.callers[caller]] for caller in sorted(labels.callers)],
        "patterns": [
            [name, n, sorted(labels.words[name].items())]
            for name, n in sorted(labels.prompts.items())
        ],
        "right": labels.right,
        "said": labels.said,
    }


def _unspell_labels(document: dict[str, Any]) -> LabelSums:
    patterns = document["patterns"]
    return LabelSums(
        prompts={name: n for name, n, _ in patterns},
        words={name: dict(words) for name, _, words in patterns},
        said=tuple(document["said"]),
        right=tuple(document["right"]),
        callers={row[0]: Given(*row[1:]) for row in document["callers"]},
    )


def _spell_logged(logged: Logged) -> list[int | str]:
    """Spells the sums of all, then those of each bundle behind its number."""
    by_bundle = [(bundle, *logged.bundles[bundle]) for bundle in sorted(logged.bundles)]
    return _spell_numbers(chain(logged.whole, *by_bundle))


def from_json(data: bytes) -> LearningState:
    """Returns the state that `to_json` wrote, its groups in the order of the lines.

    Raises:
        CorruptData: the bytes are no state, or one of another format.
    """
    first, *lines = data.split(b"\n")
    return _parsed(first, lines)


def without_groups(data: bytes) -> LearningState:
    """Returns the state that `to_json` wrote, but with no ratings or outcomes by group.

    Raises:
        CorruptData: the bytes are no state, or one of another format.
    """
    return _parsed(data.partition(b"\n")[0], None)


def _parsed(first: bytes, lines: list[bytes] | None) -> LearningState:
    try:
        return _read(loaded(first), lines)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        msg = f"not a learning state of format {FORMAT}: {error}; rebuild it from the evidence log"
        raise CorruptData(msg) from error


def _read(document: dict[str, Any], lines: list[bytes] | None) -> LearningState:
    if document["format"] != FORMAT:
        msg = f"format {document['format']!r}"
        raise ValueError(msg)
    logged, outcomes, ratings = _sections(document["groups"], lines)
    return LearningState(
        half_life_days=float(document["half_life_days"]),
        keep=float(document["keep"]),
        ratings_watermark=int(document["ratings_watermark"]),
        outcomes_watermark=int(document["outcomes_watermark"]),
        changes_watermark=int(document["changes_watermark"]),
        labels_watermark=int(document["labels_watermark"]),
        last_day=document["last_day"],
        labels=_unspell_labels(document["labels"]),
        ratings={RatingKey(*row[:5]): _unspell(RatingFigures._make, row[5:]) for row in ratings},
        logged={RatingKey(*row[:5]): _unspell_logged(row[5:]) for row in logged},
        outcomes={
            OutcomeKey(*row[:6]): _unspell(OutcomeFigures._make, row[6:]) for row in outcomes
        },
        quality={row[0]: QualityFigures._make(row[1:]) for row in document["quality"]},
        changes={(row[0], row[1], row[2]): Changed(*row[3:]) for row in document["changes"]},
    )


def _sections(counts: list[int], lines: list[bytes] | None) -> Iterator[list[list[Any]]]:
    """Yields the groups of each kind, or none of any where there are no lines to read."""
    if lines is not None and sum(counts) != len(lines):
        msg = f"{len(lines)} of {sum(counts)} groups"
        raise ValueError(msg)
    rest = iter(lines or ())
    for count in counts:
        yield loaded(b"[%b]" % b",".join(islice(rest, count)))


_SIZE = len(LoggedFigures._fields)


def _unspell_logged(row: list[Any]) -> Logged:
    values = _unspell_numbers(row)
    return Logged(
        LoggedFigures._make(values[:_SIZE]),
        {
            values[start]: LoggedFigures._make(values[start + 1 : start + 1 + _SIZE])
            for start in range(_SIZE, len(values), _SIZE + 1)
        },
    )


def _unspell(make: Callable[[Iterable[int]], F], row: list[Any]) -> Evidence[F]:
    size = (len(row) - len(SquaredWeights._fields) - 2) // 2
    weighted = _unspell_numbers(row[size:-2])
    return Evidence(
        make(row[:size]),
        make(weighted[:size]),
        SquaredWeights._make(weighted[size:]),
        row[-2],
        row[-1],
    )
