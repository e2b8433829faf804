"""A bundle as it is deployed: in a folder of its own, with only what it requires installed."""

import os
import re
import socket
import sys
import zipfile
from pathlib import Path

import httpx

from bundling.bundle import REQUIREMENTS, Bundle, write_bundle
from bundling.distributions import Installed, linked
from localcloud.process import LocalProcess, free_port

SETTINGS = {
    "WHETSTONE_BACKEND": "gcp",
    "WHETSTONE_GCP__PROJECT": "nowhere",
    "WHETSTONE_GCP__REGION": "europe-west1",
    "WHETSTONE_GCP__BUCKET": "nothing",
    "WHETSTONE_GCP__PUSH_AUDIENCE": "https://functions.example",
    "WHETSTONE_GCP__PUSH_SERVICE_ACCOUNTS": '["push@nowhere.iam.gserviceaccount.com"]',
    "WHETSTONE_JWT_SECRET": "the-secret-of-the-bundles-tests-32",
}
"""Everything that a function on Google Cloud must be told."""

_ISOLATED = "import sys; sys.path[:0] = sys.argv[1].split(':'); del sys.argv[1]; "
SERVE = f"{_ISOLATED}from functions_framework._cli import _cli; _cli()"
"""Starts functions-framework with nothing on the path but the given folders and Python itself."""

BUILD = f"""{_ISOLATED}
import main
from shared import bootstrap
for port in sys.argv[1:]:
    getattr(bootstrap.deps(), port)
print(*sorted(name for name in sys.modules if name.count(".") < 3))
"""
"""Imports a function and builds the named ports of it; prints what that has loaded."""


class Unpacked:
    """A bundle in a folder of its own, beside a site folder of just its requirements.

    Args:
        bundle: which one.
        installed: where its requirements are linked from.
        folder: an empty folder.
    """

    def __init__(self, bundle: Bundle, installed: Installed, folder: Path) -> None:
        self.bundle = bundle
        self.code, self.site = folder / "code", folder / "site"
        with zipfile.ZipFile(write_bundle(bundle, folder / "dist")) as archive:
            archive.extractall(self.code)
        text = (self.code / REQUIREMENTS).read_text("utf-8")
        linked(installed, re.findall(r"(?m)^([\w.-]+)==", text), self.site)

    def command(self, program: str, *arguments: str) -> list[str]:
        """Returns how to run a program that sees this bundle, its requirements, nothing else."""
        path = f"{self.code}:{self.site}"
        return [sys.executable, "-I", "-S", "-B", "-c", program, path, *arguments]

    def environment(self) -> dict[str, str]:
        """Returns the variables of its process; every server that it could ask is switched off."""
        nobody = f"127.0.0.1:{_closed_port()}"
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **SETTINGS,
            "FIRESTORE_EMULATOR_HOST": nobody,
            "PUBSUB_EMULATOR_HOST": nobody,
            "STORAGE_EMULATOR_HOST": f"http://{nobody}",
        }

    def served(self, folder: Path) -> "ServedBundle":
        """Returns its function in a process of functions-framework, to be started."""
        return ServedBundle(self, folder)


class ServedBundle(LocalProcess):
    """A function served alone; ready once its /health answers."""

    def __init__(self, unpacked: Unpacked, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        target = unpacked.bundle.function
        variables = (f"{name}={text}" for name, text in unpacked.environment().items())
        options = ("--target", target, "--asgi", "--port", str(self.port), "--host", "127.0.0.1")
        super().__init__(
            target,
            ["env", "-i", *variables, *unpacked.command(SERVE, *options)],
            folder / f"{target}.log",
            self._answers,
            cwd=unpacked.code,
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=10).status_code == 200
        except httpx.TransportError:
            return False


def _closed_port() -> int:
    """Returns a port at which connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
