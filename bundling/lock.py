"""The locked packages: requirements.lock, read into one line with its hashes for each."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

_PACKAGE = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)(?P<rest>(?:[^\n]*\\\n)*[^\n]*)",
    re.MULTILINE,
)
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package at one version, and the hashes of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def line(self) -> str:
        """Returns it as requirements.txt spells it."""
        hashes = (f"    --hash={one}" for one in self.hashes)
        return " \\\n".join((f"{self.name}=={self.version}", *hashes))


def read_lock(path: Path) -> dict[str, Locked]:
    """Returns the locked packages by their canonical names.

    Raises:
        ValueError: a package has no hash, or stands there twice.
    """
    found: dict[str, Locked] = {}
    for match in _PACKAGE.finditer(path.read_text("utf-8")):
        name = str(canonicalize_name(match["name"]))
        hashes = tuple(sorted(_HASH.findall(match["rest"])))
        if not hashes or name in found:
            raise ValueError(f"{path.name}: {name} needs exactly one entry with hashes")
        found[name] = Locked(name, match["version"], hashes)
    return found


def requirements(lock: dict[str, Locked], names: Iterable[str]) -> str:
    """Returns the text of a requirements.txt for these packages, by canonical name.

    Raises:
        KeyError: one of them is not locked.
    """
    return "".join(f"{lock[name].line()}\n" for name in sorted(names))
