"""Each part of the learning report runs alone, and its figures are what their names say."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from bench.learning.__main__ import PARTS
from bench.learning.calibration import error
from bench.learning.report import spread, table

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_reported(part):
    assert callable(import_module(f"bench.learning.{part}").report)


def test_an_unknown_part_is_refused_by_name():
    command = [sys.executable, "-m", "bench.learning", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no part nothing" in done.stderr


def test_an_interval_is_students():
    assert spread([1.0, 2.0, 3.0], 2) == "2.00 ± 2.48"
    assert spread([0.5], 2) == "0.50"


def test_a_table_has_a_line_for_each_row():
    assert table(("a", "b"), [("1", "2")]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_predictions_that_come_true_have_no_calibration_error():
    assert error([(0.25, int(number % 4 == 0)) for number in range(400)]) < 1e-9


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    assert error([(0.9, 1)] * 50 + [(0.5, 0)] * 50) == pytest.approx((0.1 + 0.5) / 2)


def test_equal_predictions_are_not_sorted_by_what_came():
    mixed = [(0.5, number % 2) for number in range(100)]
    assert error(mixed) < 1e-9
