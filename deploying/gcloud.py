"""The gcloud command: what it reads comes as JSON, what it changes is shown first."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploying.console import DeployError, Say

TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Gcloud:
    """Runs gcloud in one project and region.

    Args:
        project: the project's id.
        region: where the functions are.
        say: is told each change.
        dry_run: changes are told and not made.
    """

    project: str
    region: str
    say: Say
    dry_run: bool = False

    def read(self, *arguments: str) -> Any:  # noqa: ANN401 -- JSON of many forms
        """Returns what a command prints as JSON.

        Raises:
            DeployError: gcloud is not there, or the command fails; with its last words.
        """
        return json.loads(self._run([*arguments, "--format=json"]) or "null")

    def text(self, *arguments: str) -> str:
        """Returns what a command prints. Raises as `read`."""
        return self._run(list(arguments)).strip()

    def fetch(self, *arguments: str) -> None:
        """Runs a command that brings something here, also in a dry run. Raises as `read`."""
        self.say(f"running: gcloud {' '.join(arguments)}")
        self._run(list(arguments))

    def change(self, *arguments: str) -> None:
        """Runs a command that changes something. Raises as `read`."""
        self.say(f"{'would run' if self.dry_run else 'running'}: gcloud {' '.join(arguments)}")
        if not self.dry_run:
            self._run(list(arguments))

    def _run(self, arguments: Sequence[str]) -> str:
        program = shutil.which("gcloud")
        if program is None:
            raise DeployError("gcloud is not installed: https://cloud.google.com/sdk/docs/install")
        command = [program, *arguments, f"--project={self.project}", "--quiet"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise DeployError(f"gcloud {arguments[0]} took over {TIMEOUT_S} s") from None
        if done.returncode != 0:
            raise DeployError(f"gcloud {' '.join(arguments)} failed: {done.stderr.strip()[-800:]}")
        return done.stdout
