"""Telling a prompt's pattern as the workspace does: learned from prompts whose callers stated one.

Of a prompt only hashes of its words are kept. What was learned speaks only where it was right often
enough on labelled prompts that it had not seen yet; elsewhere the shipped rules answer (prompts).
Invariant: the sums are a fold over the log in the order of its places, in whole blocks of BLOCK, so
how much is read at once leaves no trace.
"""

import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, islice, repeat
from typing import NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.labellers import Given, taken
from shared.domain.learning.stats import wilson

HASHES = 8192
"""Different hashes of words."""

MOST_WORDS = 64
"""Different words of a prompt that count, the first ones."""

BLOCK = 100
"""Labelled prompts that are told by what the ones before them taught, and then learned from."""

LEAST_PATTERNS, MOST_PATTERNS = 2, 64
LEAST_PROMPTS = 30
"""A pattern can be told from so many labelled prompts on."""

FULL = 2000
"""Labelled prompts of a pattern at which their counts are halved: the old ones fade."""

RECENT = 600
"""Told prompts at which the counts of what was told rightly are halved likewise."""

PLENTY = 500
"""Labelled prompts of a pattern from which on only a sample is logged."""

SAMPLED = 8
"""One in so many is logged then."""

RIGHT_SHARE = 0.8
"""The least share of right answers where what was learned speaks."""

_SMOOTHING = 400.0
"""Words that every pattern is thought to have of those that all prompts have."""

_PER_NAT, _FURTHEST, _ZERO = 5, 28, 63
"""Weights are fifths of a nat, at most 28 to either side, spelled as a character around `?`."""

_ROOM = 100_000
"""Characters that the weights of a snapshot may take."""

_BAND, _BANDS = 3, 20
"""Width of a band of margins, and how many there are; the last is open."""

_LEAST_BAND = 4
"""Never told below that: odds of 11 to 1, as other prompts than the labelled ones come too."""


def words_of(words: Sequence[str]) -> tuple[int, ...]:
    """Returns the hashes of a text's words, each once, ascending: 0..8191, at most 64."""
    return tuple(sorted({_hash(word) for word in islice(dict.fromkeys(words), MOST_WORDS)}))


def _hash(word: str) -> int:
    return zlib.crc32(word.encode()) % HASHES


class _Weights(dict[str, int]):
    """The weights of words as they come, so that one that came before is not hashed again."""

    def __init__(self, table: Mapping[int, int]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, word: str) -> int:
        if len(self) >= HASHES:
            self.clear()
        found = self[word] = self._table.get(_hash(word), 0)
        return found


def spelled(words: Iterable[int]) -> str:
    """Returns hashes as they are logged, with spaces between."""
    return " ".join(map(str, words))


def unspelled(words: str) -> tuple[int, ...]:
    """Returns the hashes that `spelled` wrote."""
    return tuple(map(int, words.split()))


def is_sampled(request_id: str, known: int) -> bool:
    """Returns whether a labelled prompt is logged; `known` prompts of its pattern were learned."""
    return known < PLENTY or zlib.crc32(request_id.encode()) % SAMPLED == 0


class Labelled(NamedTuple):
    """A labelled prompt: its stated pattern, hashes of its words, and who gave it (hashed)."""

    pattern: str
    words: tuple[int, ...]
    caller: str


@dataclass(frozen=True, slots=True)
class LabelSums:
    """Counts of labelled prompts up to a place of their log.

    `words` has for each pattern how many of its prompts have a word. `said` and `right` count the
    prompts that what came before could tell, and told rightly, by band of margins. `callers` are
    those who gave prompts lately; see labellers.
    """

    prompts: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    said: tuple[int, ...] = (0,) * _BANDS
    right: tuple[int, ...] = (0,) * _BANDS
    callers: Mapping[str, Given] = field(default_factory=dict)


class ToldPattern(Learned):
    """A pattern that can be told: labelled prompts that count, and its weight before any word."""

    pattern: str
    prompts: int
    prior: int


class Telling(Learned):
    """Weights of words for patterns, and from which margin on they may speak.

    `words` are hashes, and `weights` has a text for each with a character for each pattern. `least`
    is the margin that is needed, None where no margin proves enough. `said` labelled prompts
    reached it before they were learned from, and a share of `right` of them was told rightly.
    """

    patterns: tuple[ToldPattern, ...] = ()
    words: tuple[int, ...] = ()
    weights: tuple[str, ...] = ()
    least: int | None = None
    said: int = 0
    right: Figure | None = None

    def known(self, pattern: str) -> int:
        """Returns how many labelled prompts of a pattern count; 0 where it cannot be told."""
        return self._known.get(pattern, 0)

    def pattern_of(self, words: Iterable[int]) -> str | None:
        """Returns the pattern of a prompt; None where what is known of its words proves none."""
        if self.least is None:
            return None
        pattern, margin = self.best(words)
        return pattern if margin >= self.least else None

    def pattern_of_text(self, words: Sequence[str]) -> str | None:
        """Returns the pattern of a text by its words in order; None as `pattern_of`.

        Two words with one hash count twice here, which is rare and saves hashing.
        """
        if self.least is None:
            return None
        different = islice(dict.fromkeys(words), MOST_WORDS)
        pattern, margin = self._first(sum(map(self._seen.__getitem__, different), self._prior))
        return pattern if margin >= self.least else None

    def best(self, words: Iterable[int]) -> tuple[str, int]:
        """Returns the likeliest pattern and its margin before the second, in fifths of a nat.

        Sixteen bits of a whole number for each pattern: one addition a word, however many patterns.
        """
        table = self._table
        return self._first(sum(map(table.get, words, repeat(0)), self._prior))

    def _first(self, total: int) -> tuple[str, int]:
        scores = self._scores.unpack(total.to_bytes(self._scores.size, "little"))
        second, first = sorted(scores)[-2:]
        return self.patterns[scores.index(first)].pattern, first - second

    def prepare(self) -> None:
        """Makes the table of words now, so that no request waits for it (tens of milliseconds)."""
        if self.patterns:
            self.best(())

    @cached_property
    def _seen(self) -> _Weights:
        return _Weights(self._table)

    @cached_property
    def _known(self) -> dict[str, int]:
        return {one.pattern: one.prompts for one in self.patterns}

    @cached_property
    def _scores(self) -> struct.Struct:
        return struct.Struct(f"<{len(self.patterns)}H")

    @cached_property
    def _prior(self) -> int:
        return self._packed([one.prior for one in self.patterns])

    @cached_property
    def _table(self) -> dict[int, int]:
        return {
            word: self._packed([ord(mark) - _ZERO for mark in text])
            for word, text in zip(self.words, self.weights, strict=True)
        }

    def _packed(self, weights: Sequence[int]) -> int:
        shifted = [weight + _FURTHEST for weight in weights]
        return int.from_bytes(self._scores.pack(*shifted), "little")


NOTHING = Telling()


def learned(sums: LabelSums, rows: Sequence[Labelled]) -> tuple[LabelSums, int]:
    """Returns the sums with the whole blocks among the next rows, and how many rows those are.

    Each block is first told by what the sums before it teach, which is how often that is right:
    prequential, as Dawid has it (1984), so that nothing is judged by what it was made from.

    Args:
        sums: of all rows before; stays as it was.
        rows: labelled prompts, in the order of their places.
    """
    whole = len(rows) - len(rows) % BLOCK
    for start in range(0, whole, BLOCK):
        sums = _with_block(sums, rows[start : start + BLOCK])
    return sums, whole


def _with_block(sums: LabelSums, block: Sequence[Labelled]) -> LabelSums:
    telling = build_telling(sums)
    counts, callers = taken(sums.callers, [row.caller for row in block])
    said, right = list(sums.said), list(sums.right)
    prompts = Counter(sums.prompts)
    words = {name: Counter(counts) for name, counts in sums.words.items()}
    for pattern, found, _ in compress(block, counts):
        if telling.patterns:
            told, margin = telling.best(found)
            band = min(margin // _BAND, _BANDS - 1)
            said[band] += 1
            right[band] += told == pattern
        if _has_room(prompts, words, pattern):
            prompts[pattern] += 1
            words.setdefault(pattern, Counter()).update(found)
            if prompts[pattern] >= FULL:
                prompts[pattern] //= 2
                words[pattern] = Counter({w: n // 2 for w, n in words[pattern].items() if n > 1})
    if sum(said) >= RECENT:
        said, right = [n // 2 for n in said], [n // 2 for n in right]
    return LabelSums(prompts, words, tuple(said), tuple(right), callers)


def _has_room(prompts: Counter[str], words: dict[str, Counter[int]], pattern: str) -> bool:
    """Returns whether a pattern is counted; a new one may replace one with next to no prompts."""
    if pattern in prompts or len(prompts) < MOST_PATTERNS:
        return True
    rarest = min(prompts, key=lambda name: (prompts[name], name))
    if prompts[rarest] >= LEAST_PROMPTS:
        return False
    del prompts[rarest], words[rarest]
    return True


def build_telling(sums: LabelSums, level: float = 0.8) -> Telling:
    """Returns what the labelled prompts teach; nothing where fewer than two patterns have enough.

    Naive Bayes on the words that a prompt has (Manning, Raghavan, Schuetze 2008, chapter 13): the
    weight of a word for a pattern is log P(word | pattern) / P(word), with Dirichlet smoothing
    toward all prompts (Zhai, Lafferty 2004), so that a word nobody has seen says nothing. The words
    that say most by their counts are kept, as many as there is room for.

    Args:
        sums: counts of labelled prompts.
        level: of the lower bound (Wilson) that the share told rightly has to reach RIGHT_SHARE by.
    """
    names = sorted(name for name, n in sums.prompts.items() if n >= LEAST_PROMPTS)
    if len(names) < LEAST_PATTERNS:
        return NOTHING
    of_all = sum(sums.prompts[name] for name in names)
    least, said, right = _threshold(sums, level)
    weights = _weights([sums.words[name] for name in names])
    words = sorted(weights)
    return Telling(
        patterns=tuple(
            ToldPattern(pattern=name, prompts=n, prior=_units(math.log(n / of_all)))
            for name in names
            for n in (sums.prompts[name],)
        ),
        words=tuple(words),
        weights=tuple(weights[word] for word in words),
        least=least,
        said=said,
        right=right / said if said else None,
    )


def _weights(counts: Sequence[Mapping[int, int]]) -> dict[int, str]:
    """Returns the weights of the words that say most: a character for each of the patterns."""
    total = Counter[int]()
    for one in counts:
        total.update(one)
    of_all, sizes = total.total(), [sum(one.values()) for one in counts]
    if not of_all:
        return {}
    absent = [math.log(_SMOOTHING / (size + _SMOOTHING)) for size in sizes]
    says_absent = [-size * log / of_all for size, log in zip(sizes, absent, strict=True)]
    marks = [_mark(log) for log in absent]
    spelled_words = {word: marks.copy() for word in total}
    says = {word: n * sum(says_absent) for word, n in total.items()}
    for place, one in enumerate(counts):
        for word, n in one.items():
            share = total[word] / of_all
            log = math.log((n / share + _SMOOTHING) / (sizes[place] + _SMOOTHING))
            says[word] += abs((n - sizes[place] * share) * log) - total[word] * says_absent[place]
            spelled_words[word][place] = _mark(log)
    kept = sorted(says, key=lambda word: (-round(says[word], 6), word))
    room = _ROOM // (len(counts) + 8)
    return {word: "".join(spelled_words[word]) for word in kept[:room]}


def _units(log: float) -> int:
    return max(-_FURTHEST, min(_FURTHEST, round(_PER_NAT * log)))


def _mark(log: float) -> str:
    return chr(_ZERO + _units(log))


def _threshold(sums: LabelSums, level: float) -> tuple[int | None, int, int]:
    """Returns the least margin from which on enough was told rightly, and (said, right) there."""
    best: tuple[int | None, int, int] = None, 0, 0
    said = right = 0
    for band in reversed(range(_LEAST_BAND, _BANDS)):
        said += sums.said[band]
        right += sums.right[band]
        if said >= LEAST_PROMPTS and wilson(right, said, level)[0] >= RIGHT_SHARE:
            best = band * _BAND, said, right
    return best
