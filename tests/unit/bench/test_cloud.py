"""The pure parts of the benchmark of the local cloud."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.cloud import approve_requests, line, processor_s, ratios
from bench.load import Measured

ROOT = Path(__file__).resolve().parents[3]


def measured(per_second):
    return Measured(elapsed_s=1.0, latencies_s=[0.002] * per_second)


def test_the_ratio_is_the_median_of_those_within_a_round():
    rounds = [
        {"submit": (measured(100), measured(50))},
        {"submit": (measured(10), measured(9))},
        {"submit": (measured(200), measured(20))},
    ]
    assert ratios(rounds) == {"submit": pytest.approx(0.5)}


def test_each_entry_is_approved_once():
    requests = list(approve_requests(["ent_a", "ent_b"]))
    assert [one.split(b" ")[1] for one in requests] == [
        b"/v1/approvals/ent_a/approve",
        b"/v1/approvals/ent_b/approve",
    ]
    body = requests[0].split(b"\r\n\r\n")[1]
    assert json.loads(body) == {"reviewer": "ann"}


def test_processor_time_is_that_of_the_process():
    before = processor_s(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert processor_s(os.getpid()) - before > 0.05


def test_a_line_has_the_rate_and_both_quantiles():
    assert "100 a second" in line("submit", measured(100))
    assert line("submit", measured(100)).count("2.0 ms") == 2


@pytest.mark.parametrize("name", ["cloud", "turns", "growth"])
def test_a_benchmark_explains_itself(name):
    command = [sys.executable, "-m", f"bench.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "usage:" in done.stdout
