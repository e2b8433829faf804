"""A process that is started here, and what it leaves behind."""

import sys

import pytest

from localcloud.process import LocalProcess, StartError

LEAVING = """
import os, sys, time
end, holding = os.pipe()
if os.fork():
    open(sys.argv[2], "w").close()
    time.sleep(600)
os.setsid()
os.close(holding)
os.read(end, 1)
time.sleep(0.5)
open(sys.argv[1], "w").close()
"""
"""Forks into a session of its own, which finds by a pipe that the first one is dead."""


def test_a_kill_waits_for_what_left_the_group_and_ends_by_itself(tmp_path):
    ended, started = tmp_path / "ended", tmp_path / "started"
    command = [sys.executable, "-c", LEAVING, str(ended), str(started)]
    process = LocalProcess("leaving", command, tmp_path / "leaving.log", started.exists)
    process.start()
    process.kill()
    assert not process.running()
    assert ended.exists(), process.last_lines()


def test_a_program_that_is_missing_is_named(tmp_path):
    process = LocalProcess("none", ["whetstone-none"], tmp_path / "none.log", lambda: True)
    for _ in range(2):
        with pytest.raises(StartError, match="there is no whetstone-none"):
            process.start()
