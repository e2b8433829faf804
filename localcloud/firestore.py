"""Firestore here: Google's emulator, from the gcloud installation.

It keeps everything in memory, never asks for an index and deletes nothing that has expired.
"""

import http.client
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from localcloud.process import HOST, LocalProcess, StartError, free_port

_JAR = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_TIMEOUT_S = 10
_INSTALL = (
    "install the Google Cloud CLI and its Firestore emulator"
    " (Debian: google-cloud-cli-firestore-emulator; elsewhere:"
    " gcloud components install cloud-firestore-emulator)"
)


class FirestoreServer:
    """Google's Firestore emulator; a context manager.

    Args:
        log: where its output goes.
        port: where it listens; a free one where None.
        heap: the most memory that Java gives its records, as in `-Xmx`.
    """

    def __init__(self, log: Path, *, port: int | None = None, heap: str = "512m") -> None:
        self._log = log
        self._heap = heap
        self.port = port or free_port()
        self._process: LocalProcess | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client needs to find it."""
        return {"FIRESTORE_EMULATOR_HOST": f"{HOST}:{self.port}"}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            StartError: Java, the Google Cloud CLI or the emulator is missing, or it ended.
        """
        command = [_java(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Xmx{self._heap}"]
        command += ["-cp", str(emulator_jar()), _MAIN, "start", f"--host={HOST}"]
        command.append(f"--port={self.port}")
        self._process = LocalProcess("firestore", command, self._log, self._answers)
        self._process.start()

    def running(self) -> bool:
        """Tells whether it runs."""
        return self._process is not None and self._process.running()

    def stop(self) -> None:
        """Ends it; what it held is gone."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def emulator_jar() -> Path:
    """Returns where the emulator is.

    Raises:
        StartError: the Google Cloud CLI or the emulator is not installed.
    """
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise StartError(f"firestore: there is no gcloud here; {_INSTALL}")
    asked = [gcloud, "info", "--format=value(installation.sdk_root)"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    jar = Path(answer.stdout.strip()) / _JAR
    if answer.returncode != 0 or not jar.is_file():
        raise StartError(f"firestore: there is no {_JAR.name} here; {_INSTALL}")
    return jar


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise StartError("firestore: there is no java here; install a Java runtime, 11 or later")
    return java
