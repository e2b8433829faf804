"""`python -m bench` finds what there is to run."""

import subprocess
import sys
from pathlib import Path

from bench.__main__ import benchmarks

ROOT = Path(__file__).resolve().parents[3]


def test_every_benchmark_can_be_run_by_itself():
    names = benchmarks()
    assert names[0] == "http_routes"
    for name in names:
        assert '__name__ == "__main__"' in (ROOT / "bench" / f"{name}.py").read_text("utf-8")


def test_an_unknown_benchmark_is_refused_by_name():
    command = [sys.executable, "-m", "bench", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no benchmark nothing" in done.stderr
