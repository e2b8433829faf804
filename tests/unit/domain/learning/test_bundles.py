"""Where sessions fall: as wholes, evenly, and ever fewer of them where there are many."""

import statistics
from collections import Counter

import pytest

from shared.domain.learning.bundles import (
    BUNDLES,
    FULL,
    NO_BUNDLE,
    bundle_of,
    place_of,
    thinning_of,
)

SESSIONS = [f"session:{number}" for number in range(40_000)]


def test_a_session_always_falls_into_the_same_bundle():
    assert bundle_of("session:a", 0) == bundle_of("session:a", 0)


def test_sessions_fall_evenly():
    counts = Counter(bundle_of(one, 0) for one in SESSIONS)
    assert set(counts) == set(range(BUNDLES))
    assert min(counts.values()) > 0.9 * len(SESSIONS) / BUNDLES


@pytest.mark.parametrize("thinned", range(5))
def test_squares_of_what_sessions_count_for_stand_for_all_sessions(thinned):
    told = [bundle_of(one, thinned) for one in SESSIONS]
    squares = [0 if one == NO_BUNDLE else place_of(one).factor ** 2 for one in told]
    assert statistics.fmean(squares) == pytest.approx(1, abs=0.2)


def test_a_session_that_is_looked_at_is_in_the_same_bundle_however_thin():
    thin = [one for one in SESSIONS if bundle_of(one, 3) != NO_BUNDLE]
    places = [(place_of(bundle_of(one, 1)), place_of(bundle_of(one, 3))) for one in thin]
    assert places
    assert all(less.bundle == more.bundle for less, more in places)
    assert {(less.factor, more.factor) for less, more in places} == {(2, 8)}


def test_the_more_ratings_count_the_fewer_sessions_are_looked_at():
    assert [thinning_of(n) for n in (0, FULL, FULL + 1, 4 * FULL + 1, 10**12)] == [0, 0, 1, 2, 4]
