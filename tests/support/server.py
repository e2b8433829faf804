"""A real `whetstone serve` in its own process, on a free port, which a test may stop or kill."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self, TypeVar

import httpx

from shared.adapters.store_sqlite import SqliteStore
from shared.ports import Store
from shared.web import guard

T = TypeVar("T")

KEY = "wsk_the-first-key-of-the-tests"
READY_S = 60.0

_LATER = 4_000_000_000

_PLAIN = ("-c", "from shared.cli.main import main; main()")


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Starts a server over a data folder; the folder outlives it.

    Args:
        data_dir: where the server keeps its data.
        environment: further variables.
        program: the arguments of Python that stand for `whetstone`.
    """

    def __init__(
        self,
        data_dir: Path,
        environment: dict[str, str] | None = None,
        program: tuple[str, ...] = _PLAIN,
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.with_suffix(".log")
        self.headers = {"X-API-Key": KEY}
        self.workspace = "default"
        self.environment = {
            **os.environ,
            "WHETSTONE_DATA_DIR": str(data_dir),
            "WHETSTONE_BOOTSTRAP_API_KEY": KEY,
            "WHETSTONE_SCHEDULE_ENABLED": "false",
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        command = [sys.executable, *self._program, "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Stops the process as Ctrl-C does, and returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def kill(self) -> None:
        """Kills the process where it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def wait_dead(self) -> int:
        """Returns the exit code once the process has ended by itself."""
        assert self.process is not None
        return self.process.wait(READY_S)

    def read(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Returns what `work` finds in the store, beside the server."""

        async def run() -> T:
            store = SqliteStore(self.data_dir / "whetstone.db")
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def token(self, subject: str, role: str) -> str:
        """Returns a person's token, minted by the command line."""
        command = [sys.executable, *_PLAIN, "token", "--subject", subject, "--role", role]
        done = subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def system_token(self, name: str = "schedule") -> str:
        """Returns our own token, with which the embedded schedule calls."""
        secret = self.environment["WHETSTONE_JWT_SECRET"]
        return guard.mint(secret, name, "default", "system", _LATER)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False
