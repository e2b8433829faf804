"""Stages what is deployed: each function's code, locked requirements and entry point.

Equal sources, choices and Python give equal bytes, on any machine, in any folder; a bundle's name
in storage carries the hash of those bytes, so that a function is deployed again only when they
change.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bundling.archive import PYTHON, compiled, zipped
from bundling.conditions import Choices
from bundling.distributions import Installed, Target, extras_of
from bundling.lock import Locked, read_lock, requirements
from bundling.reach import Reached, reach
from bundling.sources import Sources

MANIFEST = "bundles.json"
ENTRY = "main.py"
REQUIREMENTS = "requirements.txt"
SETTINGS = "whetstone.yaml"

_NAME_HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Bundle:
    """One function's archive; `requirements` are the distributions that it asks for."""

    function: str
    content: bytes
    files: int
    requirements: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash of its bytes, in hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    def described(self) -> dict[str, object]:
        """Returns its row in the manifest."""
        return {
            "function": self.function,
            "file": f"{self.function}.zip",
            "object": f"{self.function}-{self.sha256[:_NAME_HASH_LENGTH]}.zip",
            "sha256": self.sha256,
            "size_bytes": len(self.content),
            "files": self.files,
            "requirements": len(self.requirements),
        }


class Bundler:
    """Makes the bundles of a checkout, as it is when a function is first asked for.

    Args:
        root: the checkout.
        choices: the adapter of each port; what the bundles are made for.
        target: where they run.
        settings: a file that goes along as whetstone.yaml; None where settings come from the
            environment alone.
    """

    def __init__(
        self, root: Path, choices: Choices, target: Target, settings: Path | None = None
    ) -> None:
        self._choices = choices
        self._target = target
        self._sources = Sources(root)
        self._settings = settings
        self.lock: dict[str, Locked] = read_lock(root / "requirements.lock")
        self.installed = Installed(extras=extras_of(_direct(root)))
        self._reached = cache(self._reach)
        self._bundled = cache(self._bundle)

    def functions(self) -> list[str]:
        """Returns the names of all functions, sorted."""
        folders = (self._sources.root / "functions").glob("*/main.py")
        return sorted(path.parent.name for path in folders)

    def reached(self, function: str) -> Reached:
        """Returns what a function needs of the project, and what it imports besides."""
        return self._reached(function)

    def requirements(self, reached: Reached) -> set[str]:
        """Returns the distributions behind these imports, and those that they require.

        Raises:
            LookupError: one is not installed, or not locked at the version that is installed.
        """
        direct = {self.installed.owner(module) for module in reached.external}
        needed = self.installed.closure(direct, self._target)
        for name in needed:
            version = self.installed.by_name[name].version
            if name not in self.lock or self.lock[name].version != version:
                raise LookupError(f"{name} {version} is installed, and not what is locked")
        return needed

    def requirements_text(self, function: str) -> str:
        """Returns a function's requirements.txt."""
        return requirements(self.lock, self.requirements(self.reached(function)))

    def bundle(self, function: str) -> Bundle:
        """Returns a function's bundle."""
        return self._bundled(function)

    def _reach(self, function: str) -> Reached:
        return reach(self._sources, f"functions.{function}.main", self._choices)

    def _bundle(self, function: str) -> Bundle:
        reached = self.reached(function)
        needed = self.requirements(reached)
        files = self._files(function, reached)
        if self._target.python == PYTHON:
            files |= compiled(files)
        files[REQUIREMENTS] = requirements(self.lock, needed).encode()
        if self._settings is not None:
            files[SETTINGS] = self._settings.read_bytes()
        return Bundle(function, zipped(files), len(files), tuple(sorted(needed)))

    def _files(self, function: str, reached: Reached) -> dict[str, bytes]:
        return {
            **{one.path.as_posix(): one.content for one in reached.modules.values()},
            **{path.as_posix(): (self._sources.root / path).read_bytes() for path in reached.data},
            ENTRY: entry_point(function).encode(),
        }


def entry_point(function: str) -> str:
    """Returns the root module that functions-framework loads: it names the target."""
    return f"from functions.{function}.main import {function}  # noqa: F401\n"


def write_bundle(bundle: Bundle, folder: Path) -> Path:
    """Writes a bundle and returns its file; untouched where it is the same already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{bundle.function}.zip"
    if not path.exists() or path.read_bytes() != bundle.content:
        path.write_bytes(bundle.content)
    return path


def write_manifest(
    bundles: Iterable[Bundle], folder: Path, choices: Choices, target: Target
) -> Path:
    """Writes what Terraform reads: each bundle's name, hash and size, and what it was made for."""
    content: Mapping[str, object] = {
        "python": target.python,
        "choices": dict(sorted(choices.items())),
        "bundles": [one.described() for one in bundles],
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return path


def _direct(root: Path) -> list[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    return [*project["dependencies"], *(line for extra in extras for line in extra)]
