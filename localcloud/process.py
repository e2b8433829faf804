"""A server process of the local cloud: a free port, a log, a ready check, and a clean end.

Each one runs in a process group of its own, so that ending it ends what it started, and nothing
that somebody else started.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from localcloud import pids

HOST = "127.0.0.1"
READY_S = 60.0
END_S = 10.0
_LAST_LINES = 20


class StartError(Exception):
    """A server cannot run here, or did not come up; the message says which and what to do."""


def free_port() -> int:
    """Returns a port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Returns as many different ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class LocalProcess:
    """Starts a command and waits until it is ready; a context manager.

    Args:
        name: in messages, and of the log file.
        command: the program and its arguments.
        log: where its output goes, appended; its process id is in a file beside it while it runs.
        ready: tells whether it answers; called every 50 ms.
        environment: further variables.
        cwd: the folder that it runs in.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._cwd = cwd
        self.process: subprocess.Popen[bytes] | None = None
        self._held: int | None = None
        """The end of a pipe whose other end it and all that it starts hold while they live."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it and waits until it is ready.

        Raises:
            StartError: the program is missing, ended at once, or does not become ready.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Starts it and does not wait.

        Raises:
            StartError: the program is missing.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._let_go()
        self._held, holding = os.pipe()
        with self.log.open("ab") as log:
            try:
                self.process = subprocess.Popen(
                    self.command,
                    env=self._environment,
                    cwd=self._cwd,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=[holding],
                )
            except FileNotFoundError:
                self._let_go()
                raise StartError(f"{self.name}: there is no {self.command[0]} here") from None
            finally:
                os.close(holding)
        pids.write(self._pid_file, self.process.pid)

    def wait_ready(self) -> None:
        """Waits until it answers.

        Raises:
            StartError: it ended, or took more than `READY_S`.
        """
        deadline = time.monotonic() + READY_S
        while not self._ready():
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                raise StartError(f"{self.name} did not start:\n{self.last_lines()}")
            time.sleep(0.05)

    @property
    def pid(self) -> int | None:
        """The process's id, which is that of its group too; None where it was never started."""
        return self.process.pid if self.process is not None else None

    def running(self) -> bool:
        """Tells whether it runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Ends it in the middle of whatever it does, and waits for everything that it started.

        What has left its process group, as a database's connections, ends by itself when it finds
        that this one has.
        """
        self._signal(signal.SIGKILL)
        if self._held is not None:
            select.select([self._held], [], [], END_S)
        self._wait(END_S)

    def stop(self) -> None:
        """Asks it to end, and kills it where it does not within `END_S`."""
        self._signal(signal.SIGTERM)
        if not self._wait(END_S):
            self.kill()

    def last_lines(self) -> str:
        """Returns the end of its log."""
        text = self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-_LAST_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    @property
    def _pid_file(self) -> Path:
        return self.log.with_suffix(pids.SUFFIX)

    def _wait(self, seconds: float) -> bool:
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._pid_file.unlink(missing_ok=True)
        self._let_go()
        return True

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None


def answers(port: int) -> bool:
    """Tells whether something accepts connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
