"""Bundles of sessions: by them it is told how far an off-policy estimate may be off.

Requests of one session go together, and so do several ratings of one request. Sessions are
independent of each other; so each falls, as a whole and by a hash, into one of BUNDLES, and how
much the sums of the bundles differ says how uncertain the total is: the random groups of survey
sampling (Wolter, "Introduction to Variance Estimation", 2nd ed. 2007, chapter 2). Sums by bundle
are kept where sums by session could not be. Where ratings are many, only some sessions fall into a
bundle: one in 4**t, and each counts there as 2**t, so that its square stands for those left out.
Invariant: the bundle of a row is told when it is written, so a row that takes it back meets it.
"""

import hashlib
from typing import NamedTuple

BUNDLES = 32

NO_BUNDLE = -1
"""Of a row whose session is in no bundle."""

FULL = 8192
"""Ratings that count, up to which every session falls into a bundle."""

MOST_THINNED = 4
"""Then one session in 256 is looked at."""


class Place(NamedTuple):
    """A bundle, and what a session in it counts as."""

    bundle: int
    factor: int


def thinning_of(ratings: float) -> int:
    """Returns t where of so many ratings that count, one session in 4**t is looked at; 0..4."""
    thinned = 0
    while thinned < MOST_THINNED and ratings > FULL * 4**thinned:
        thinned += 1
    return thinned


def bundle_of(unit: str, thinned: int) -> int:
    """Returns where a session falls, as evidence has it: bundle + BUNDLES * t, or NO_BUNDLE.

    Args:
        unit: a session, or a request that belongs to none.
        thinned: of `thinning_of`.
    """
    digest = int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8).digest(), "big")
    chance, bundle = divmod(digest, BUNDLES)
    return NO_BUNDLE if chance % 4**thinned else bundle + BUNDLES * thinned


def place_of(told: int) -> Place:
    """Returns what `bundle_of` told of a row that is in a bundle."""
    thinned, bundle = divmod(told, BUNDLES)
    return Place(bundle, 1 << thinned)
