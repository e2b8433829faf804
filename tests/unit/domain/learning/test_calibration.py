"""Calibration: whether stated confidence is borne out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.calibration import Band, Calibration, calibration


def test_nothing_known_takes_confidence_as_stated() -> None:
    assert calibration({}) == Calibration()
    assert calibration({3: Band(0.0, 0.35, 0.0)}) == Calibration()
    assert Calibration().calibrated(0.7) == 0.7


def test_overstated_confidence_is_taken_for_what_was_approved() -> None:
    curve = calibration({9: Band(95.0, 0.95, 0.5)})
    assert curve.calibrated(0.97) == pytest.approx((0.5 * 95 + 0.95 * 5) / 100)
    assert curve.error == pytest.approx(0.45)
    assert curve.error_low is not None
    assert curve.error_high is not None
    assert 0.3 < curve.error_low < 0.45 < curve.error_high < 0.6


def test_little_evidence_leaves_confidence_near_what_was_stated() -> None:
    assert calibration({9: Band(1.0, 0.9, 0.0)}).calibrated(0.9) == pytest.approx(0.75)


def test_what_is_borne_out_may_have_no_error() -> None:
    curve = calibration({2: Band(50.0, 0.25, 0.25), 8: Band(50.0, 0.85, 0.85)})
    assert curve.error == 0
    assert curve.error_low == 0


def test_bands_that_fall_are_pooled() -> None:
    curve = calibration({4: Band(40.0, 0.45, 0.8), 9: Band(40.0, 0.95, 0.4)})
    assert curve.calibrated(0.45) == curve.calibrated(0.95)


def test_between_bands_confidence_stays_between_them() -> None:
    curve = calibration({2: Band(400.0, 0.2, 0.6), 8: Band(400.0, 0.8, 0.7)})
    assert curve.calibrated(0.5) == pytest.approx(0.6, abs=0.01)
    assert curve.calibrated(0.95) == 0.95
    assert curve.calibrated(0.05) == 0.05


BANDS = st.dictionaries(
    st.integers(0, 9),
    st.tuples(st.floats(0.1, 500), st.floats(0, 0.099), st.floats(0, 1)),
    min_size=1,
)


@given(BANDS, st.floats(0, 1), st.floats(0, 1))
def test_more_stated_is_never_taken_for_less(
    given_bands: dict[int, tuple[float, float, float]], one: float, other: float
) -> None:
    curve = calibration(
        {place: Band(n, place / 10 + part, rate) for place, (n, part, rate) in given_bands.items()}
    )
    low, high = sorted((one, other))
    assert 0 <= curve.calibrated(low) <= curve.calibrated(high) <= 1
    assert curve.error_low is not None
    assert curve.error is not None
    assert curve.error_high is not None
    assert 0 <= curve.error_low <= curve.error + 1e-6
    assert curve.error <= curve.error_high + 1e-6
