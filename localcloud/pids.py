"""Process ids in files, so that another shell can end what this one started, and nothing else.

An id is used again once its process has ended; so the file also says when the process started, and
only a process of that id and that moment is ours.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".pid"


def write(path: Path, pid: int) -> None:
    """Notes a running process."""
    path.write_text(f"{pid} {_started(pid)}\n", "utf-8")


def ours(path: Path) -> int | None:
    """Returns the process that a file notes; None where it has ended and its id is another's."""
    try:
        noted, _, started = path.read_text("utf-8").strip().partition(" ")
        pid = int(noted)
    except (OSError, ValueError):
        return None
    return pid if started and _started(pid) == started else None


def end(paths: Iterable[Path], *, within_s: float = 10.0) -> list[str]:
    """Ends the process groups that files note, and removes the files.

    Args:
        paths: of the files.
        within_s: until those that do not end when asked are killed.

    Returns:
        The names of those that ran.
    """
    found = {path: pid for path in paths if (pid := ours(path)) is not None}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for path, pid in found.items():
            if ours(path) == pid:
                _signal(pid, number)
        deadline = time.monotonic() + within_s
        while any(ours(path) for path in found) and time.monotonic() < deadline:
            time.sleep(0.05)
    for path in found:
        path.unlink(missing_ok=True)
    return sorted(path.stem for path in found)


def _signal(pid: int, number: signal.Signals) -> None:
    """Signals a process, with its whole group where it leads one."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return


def _started(pid: int) -> str:
    """Returns when a process started, in words of this machine; empty where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _asked(pid)
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _asked(pid: int) -> str:
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 -- where each system has it
        capture_output=True,
        text=True,
        check=False,
    )
    return "-".join(done.stdout.split())
