"""Google's Pub/Sub emulator, which comes with the gcloud command line."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from localcloud.process import HOST, LocalProcess, StartError, answers, free_port

_JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m")


@cache
def emulator_jar() -> Path:
    """Returns the emulator's program.

    Raises:
        StartError: gcloud, its Pub/Sub emulator or Java is not installed.
    """
    gcloud, java = shutil.which("gcloud"), shutil.which("java")
    if gcloud is None or java is None:
        raise StartError("the Pub/Sub emulator needs gcloud and java on the PATH")
    found = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        capture_output=True,
        text=True,
        check=False,
    )
    root = Path(found.stdout.strip() or "/nowhere")
    jars = sorted(root.glob(_JAR))
    if not jars:
        raise StartError("install the emulator: gcloud components install pubsub-emulator")
    return jars[-1]


class PubSubEmulator(LocalProcess):
    """The emulator on a free port; it forgets everything when it ends.

    Args:
        folder: for its log.

    Raises:
        StartError: what it needs is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        address = (f"--host={HOST}", f"--port={self.port}")
        command = ("java", *_JVM, "-jar", str(emulator_jar()), *address)
        log = folder / "pubsub.log"
        super().__init__("the Pub/Sub emulator", command, log, lambda: answers(self.port))

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find it."""
        return {"PUBSUB_EMULATOR_HOST": f"{HOST}:{self.port}"}
