"""Terraform as the tests run it: in a copy of the configuration, against mocked providers.

Providers come from wherever Terraform itself is told to look for them (`TF_CLI_CONFIG_FILE`,
`TF_PLUGIN_CACHE_DIR`, its registry). A copy, so that a lock file of the checkout stays as it is.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.backends import missing

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "terraform"

# What the configuration reads from outside its folder.
_READ = ("firestore.indexes.json", "shared/adapters/bigquery_tables")

_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a plan: where it is (`module_key` is empty outside of one), and its values."""

    address: str
    type: str
    name: str
    key: Any
    module_key: str
    values: dict[str, Any]


class State:
    """What Terraform would make, by the plan of a test's run."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.outputs = {name: one["after"] for name, one in plan["output_changes"].items()}
        self.resources = [
            Resource(
                address=one["address"],
                type=one["type"],
                name=one["name"],
                key=one.get("index"),
                module_key=one.get("module_address", "").rpartition('["')[2].removesuffix('"]'),
                values=one["change"]["after"],
            )
            for one in plan["resource_changes"]
            if one["mode"] == "managed"
        ]

    def of(self, type: str, name: str | None = None) -> list[Resource]:
        """Returns the resources of a type, in every module; those of one name where it is given."""
        return [
            one for one in self.resources if one.type == type and (name is None or one.name == name)
        ]

    def keyed(self, type: str, name: str) -> dict[Any, dict[str, Any]]:
        """Returns the values of a resource with `for_each`, by key."""
        return {one.key: one.values for one in self.of(type, name)}

    def accounts(self) -> dict[str, str]:
        """Returns whose account an IAM member is: a function's, or what calls or deploys them."""
        return {
            one.values["member"]: str(one.key or one.name)
            for one in self.of("google_service_account")
        }

    def one(self, type: str, name: str) -> dict[str, Any]:
        """Returns the values of the only resource of this name."""
        (found,) = self.of(type, name)
        return found.values


class Terraform:
    """A copy of the configuration in which Terraform can run.

    Args:
        folder: where the copy goes; empty.
        part: the folder of the configuration that is run.
    """

    def __init__(self, folder: Path, part: str = ".") -> None:
        program = shutil.which("terraform")
        if program is None:
            missing("terraform is not installed")
        self._program = program
        ignored = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*")
        shutil.copytree(CONFIGURATION, folder / "terraform", ignore=ignored)
        for name in _READ:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        self.folder = folder / "terraform" / part
        made = self.run("init", "-backend=false", "-input=false")
        if made.returncode != 0:
            reason = (
                "terraform cannot get its providers; TF_CLI_CONFIG_FILE can name a mirror of them."
                f" {made.stderr.strip()[-600:]}"
            )
            if Path(os.environ.get("TF_CLI_CONFIG_FILE", os.devnull)).is_file():
                missing(reason)
            pytest.skip(reason)  # also on CI: a registry out of reach is not ours to install

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Returns what a command of Terraform came to."""
        return subprocess.run(
            [self._program, *arguments, *(["-no-color"] if arguments[0] != "fmt" else [])],
            cwd=self.folder,
            env={**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )

    def plans(self, *test_files: str) -> dict[str, dict[str, Any]]:
        """Returns what `State` reads of the plan of each run of test files, which must pass."""
        done = self.run("test", "-json", "-verbose", *(f"-filter={one}" for one in test_files))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        problems = [line["@message"] for line in lines if line["@level"] == "error"]
        assert done.returncode == 0, problems
        return {
            line["@testrun"]: {key: line["test_plan"][key] for key in _OF_A_PLAN}
            for line in lines
            if line["type"] == "test_plan"
        }


_OF_A_PLAN = ("resource_changes", "output_changes")
