"""Starts the servers that are measured, each in a process of its own, and times their start."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

KEY = "wsk_the-key-of-the-benchmark"
AS_DEPLOYED = {"WHETSTONE_GCP__DOCUMENT_PACE_S": "1"}
"""What the local cloud does faster than Google Cloud could; measured is how that does it."""

_READY_S = 30.0
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers; `start_s` is the time from its process to its first answer."""

    port: int
    start_s: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def whetstone(data_dir: Path) -> Iterator[Running]:
    """Runs a whole server over a data folder."""
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("WHETSTONE_")},
        "WHETSTONE_DATA_DIR": str(data_dir),
        "WHETSTONE_BOOTSTRAP_API_KEY": KEY,
        "WHETSTONE_SCHEDULE_ENABLED": "false",
    }
    port = free_port()
    program = ["-c", "from shared.cli.main import main; main()", "serve", "--port", str(port)]
    with _started(program, port, environment, "/health") as running:
        yield running


@contextlib.contextmanager
def baseline() -> Iterator[Running]:
    """Runs the empty handler."""
    port = free_port()
    with _started(["-m", "bench.baseline", str(port)], port, os.environ, "/") as running:
        yield running


@contextlib.contextmanager
def _started(
    program: list[str], port: int, environment: Mapping[str, str], path: str
) -> Iterator[Running]:
    log = tempfile.TemporaryFile()  # noqa: SIM115 -- as long as the process
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *program], env=environment, stdout=log, stderr=log)
    try:
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None or time.perf_counter() - began > _READY_S:
                log.seek(0)
                raise RuntimeError(f"the server did not start: {log.read().decode()[-2000:]}")
            time.sleep(_PAUSE_S)
        yield Running(port, time.perf_counter() - began)
    finally:
        process.kill()
        process.wait()
        log.close()


def _answers(url: str) -> bool:
    """Returns whether a server answers at all; what it answers does not matter."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 -- our own address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
