"""Near-duplicate texts, found by a sketch of their word triples.

Bottom-k (Broder 1997; Cohen, Kaplan 2007) from both ends: the two smallest hashes of the triples
are one band, the two largest the other. As with MinHash cut into bands (Leskovec et al., Mining of
Massive Datasets, section 3.4), two texts whose triples overlap with Jaccard similarity s share a
band with probability 1 - (1 - s^2)^2: 0.96 at 0.9, 0.87 at 0.8, 0.17 at 0.3. Candidates are then
compared exactly.
"""

import zlib

BANDS = 2
BAND_VALUES = 2
NEAR = 0.7
"""Texts at or above this Jaccard similarity of word triples are near duplicates."""

_MAX_WORDS = 2000


def bands(text: str) -> tuple[str, ...]:
    """Returns the band keys of a text (its first 2,000 words); texts that are alike share one."""
    ordered = sorted(_hashes(text))
    ends = ordered[:BAND_VALUES], ordered[-BAND_VALUES:]
    return tuple([f"{band}:" + ".".join(map(str, end)) for band, end in enumerate(ends)])


def similarity(one: str, other: str) -> float:
    """Returns the Jaccard similarity (0..1) of the word triples of two texts."""
    first, second = _hashes(one), _hashes(other)
    return len(first & second) / len(first | second)


def _hashes(text: str) -> set[int]:
    """Returns 32-bit hashes of the word triples; of all words together where there are fewer."""
    words = text.lower().encode().split(None, _MAX_WORDS)[:_MAX_WORDS]
    triples = map(b" ".join, zip(words, words[1:], words[2:], strict=False))
    return set(map(zlib.crc32, triples)) or {zlib.crc32(b" ".join(words))}
