"""Terraform, as this repository's configuration is applied: plan to a file, apply that file."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploying.console import DeployError, Say
from deploying.preflight import DIST, ROOT

FOLDER = ROOT / "terraform"
PLAN = DIST / "plan.tfplan"

LOCK = FOLDER / ".terraform.lock.hcl"
"""The checksums of the providers, which `terraform init` writes."""


@dataclass(frozen=True, slots=True)
class Terraform:
    """Runs terraform for one environment.

    Args:
        environment: dev or prod; names the file of variables.
        state_bucket: where the state is.
        project: where it differs from the file of variables; None where it does not.
        region: as `project`.
        say: is told each command.
        dry_run: nothing is applied.
    """

    environment: str
    state_bucket: str
    project: str | None
    region: str | None
    say: Say
    dry_run: bool = False

    def plan(self) -> None:
        """Writes what would change to `PLAN`, and shows it.

        Raises:
            DeployError: terraform fails; its own output says why.
        """
        self.initialise()
        given = {"project_id": self.project, "region": self.region}
        variables = [f"-var={name}={value}" for name, value in given.items() if value]
        file = Path("environments") / f"{self.environment}.tfvars"
        self._run("plan", "-input=false", f"-var-file={file}", *variables, f"-out={PLAN}")

    def initialise(self, *, exactly: bool = False) -> None:
        """Gets the providers and connects to the state.

        Args:
            exactly: only the providers that `LOCK` names.

        Raises:
            DeployError: terraform fails; its own output says why.
        """
        bucket = f"-backend-config=bucket={self.state_bucket}"
        more = ["-lockfile=readonly"] if exactly else []
        self._run("init", "-input=false", "-reconfigure", *more, bucket)

    def show(self) -> str:
        """Returns `PLAN` in words. Raises as `plan`."""
        if not PLAN.exists():
            raise DeployError("there is no plan; run: scripts/deploy plan")
        return self._process("show", "-no-color", str(PLAN), capture=True).stdout

    def apply(self) -> None:
        """Does what `PLAN` says. Raises as `plan`."""
        if self.dry_run:
            self.say("would run: terraform apply")
            return
        if not PLAN.exists():
            raise DeployError("there is no plan; run: scripts/deploy plan")
        self._run("apply", "-input=false", str(PLAN))

    def outputs(self) -> dict[str, Any]:
        """Returns the outputs by name. Raises as `plan`."""
        done = self._process("output", "-json", capture=True)
        return {name: one["value"] for name, one in json.loads(done.stdout).items()}

    def _run(self, *arguments: str) -> None:
        self.say(f"running: terraform {' '.join(arguments)}")
        self._process(*arguments)

    def _process(self, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
        DIST.mkdir(exist_ok=True)
        command = ["terraform", f"-chdir={FOLDER}", *arguments]
        environment = {**os.environ, "TF_IN_AUTOMATION": "1"}
        try:
            done = subprocess.run(
                command, check=False, text=True, capture_output=capture, env=environment
            )
        except FileNotFoundError:
            raise DeployError("terraform is not installed") from None
        if done.returncode != 0:
            raise DeployError(f"terraform {arguments[0]} failed (exit {done.returncode})")
        return done
