"""Near-duplicate texts, found by a sketch of their word triples.

One-permutation MinHash (Li, Owen and Zhang 2012) with densification by rotation (Shrivastava and Li 2014), cut into bands
(Leskovec et al., Mining of Massive Datasets, section 3.4): with 2 bands of 2 values, two texts whose triples overlap with
Jaccard similarity s share a band with probability 1 - (1 - s^2)^2: 0.96 at 0.9, 0.87 at 0.8, 0.17 at 0.3. Candidates are then compared exactly.
"""

import zlib

BANDS = 2
BAND_VALUES = 2
NEAR = 0.7
"""Texts at or above this Jaccard similarity of word triples are near duplicates."""

_BINS = BANDS * BAND_VALUES
_MAX_WORDS = 2000
_EMPTY = 1 << 32


def bands(text: str) -> tuple[str, ...]:
    """Returns the `BANDS` band keys of a text (its first 2,000 words); texts that are alike share one or more."""
    lowest = [_EMPTY] * _BINS
    for shingle in _shingles(text):
        value, place = divmod(zlib.crc32(shingle.encode()), _BINS)
        if value < lowest[place]:
            lowest[place] = value
    full = _densify(lowest)
    return tuple(
        f"{band}:" + ".".join(map(str, full[band * BAND_VALUES : (band + 1) * BAND_VALUES])) for band in range(BANDS)
    )


def similarity(one: str, other: str) -> float:
    """Returns the Jaccard similarity (0..1) of the word triples of two texts."""
    first, second = set(_shingles(one)), set(_shingles(other))
    return len(first & second) / len(first | second)


def _shingles(text: str) -> list[str]:
    words = text.lower().split(None, _MAX_WORDS)[:_MAX_WORDS]
    if len(words) < 3:
        return [" ".join(words)]
    return [f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False)]


def _densify(lowest: list[int]) -> list[int]:
    """Fills each empty bin from the next full one; the distance is added, so that borrowed values differ from own ones."""
    filled = list(lowest)
    for place in range(_BINS):
        step = 0
        while filled[place] == _EMPTY:
            step += 1
            neighbour = lowest[(place + step) % _BINS]
            if neighbour != _EMPTY:
                filled[place] = neighbour + step * _EMPTY
    return filled
