"""Only a process that was noted, and still is that process, is ended."""

import os
import signal
import subprocess
import sys

import pytest

from localcloud import pids

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
DEAF = (SLEEP[0], SLEEP[1], f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEP[2]}")


@pytest.fixture
def started():
    """Starts processes, and ends what a test leaves."""
    running = []

    def start(command=SLEEP, *, group=True):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=group)
        running.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("group", [True, False])
def test_a_noted_process_is_ended_and_its_note_removed(tmp_path, started, group):
    process = started(group=group)
    note = tmp_path / "sleep.pid"
    pids.write(note, process.pid)
    assert pids.ours(note) == process.pid
    assert pids.end([note]) == ["sleep"]
    assert process.wait() == -signal.SIGTERM
    assert not note.exists()


def test_a_process_that_does_not_listen_is_killed(tmp_path, started):
    process = started(DEAF)
    note = tmp_path / "deaf.pid"
    pids.write(note, process.pid)
    pids.end([note], within_s=0.2)
    assert process.wait() == -signal.SIGKILL


def test_another_process_of_the_same_id_is_left_alone(tmp_path):
    note = tmp_path / "other.pid"
    note.write_text(f"{os.getpid()} 1\n")
    assert pids.ours(note) is None
    assert pids.end([note]) == []


def test_a_process_that_has_ended_is_nobodys(tmp_path, started):
    process = started()
    note = tmp_path / "ended.pid"
    pids.write(note, process.pid)
    process.kill()
    process.wait()
    assert pids.ours(note) is None


@pytest.mark.parametrize("text", ["", "x y", "12"])
def test_a_damaged_note_names_nobody(tmp_path, text):
    note = tmp_path / "damaged.pid"
    note.write_text(text)
    assert pids.ours(note) is None
    assert pids.ours(tmp_path / "missing.pid") is None
