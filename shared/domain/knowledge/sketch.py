"""Near-duplicate texts, found by a sketch of their word triples.

MinHash (Broder 1997) cut into bands (Leskovec et al., Mining of Massive Datasets, section 3.4):
with 2 bands of 2 values, two texts whose triples overlap with Jaccard similarity s share a band
with probability 1 - (1 - s^2)^2: 0.96 at 0.9, 0.87 at 0.8, 0.17 at 0.3. Candidates are then
compared exactly.
"""

import zlib

BANDS = 2
BAND_VALUES = 2
NEAR = 0.7
"""Texts at or above this Jaccard similarity of word triples are near duplicates."""

_MAX_WORDS = 2000
_TRIPLE = 3
_MASK = 0xFFFFFFFF
_SECOND = 0x9E3779B1
_FIRST = 0x85EBCA77
_ORDERS = (0x2545F491, 0x9D2C5680, 0xC2B2AE3D, 0x5BD1E995)
"""Each puts the hashes into another order; the smallest one in each is a value of the sketch."""


def bands(text: str) -> tuple[str, ...]:
    """Returns the band keys of a text (its first 2,000 words); texts that are alike share one."""
    hashes = _hashes(text)
    lowest = [min([one ^ order for one in hashes]) for order in _ORDERS]
    return tuple(
        f"{band}:" + ".".join(map(str, lowest[band * BAND_VALUES : (band + 1) * BAND_VALUES]))
        for band in range(BANDS)
    )


def similarity(one: str, other: str) -> float:
    """Returns the Jaccard similarity (0..1) of the word triples of two texts."""
    first, second = set(_hashes(one)), set(_hashes(other))
    return len(first & second) / len(first | second)


def _hashes(text: str) -> list[int]:
    """Returns 32-bit hashes of the word triples; of all words together where there are fewer."""
    words = text.lower().encode().split(None, _MAX_WORDS)[:_MAX_WORDS]
    hashes = [zlib.crc32(word) for word in words]
    if len(hashes) < _TRIPLE:
        return [zlib.crc32(repr(hashes).encode())]
    triples = zip(hashes, hashes[1:], hashes[2:], strict=False)
    return [(a * _FIRST ^ b * _SECOND ^ c) & _MASK for a, b, c in triples]
