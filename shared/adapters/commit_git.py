"""Which commit runs, read from the files of a checkout: no program is started."""

import re
from pathlib import Path

_HASH = re.compile(r"[0-9a-f]{40,64}")


def read_commit(checkout: Path) -> str | None:
    """Returns the hash of the commit that is checked out; None where that cannot be told."""
    try:
        folder = _git_folder(checkout / ".git")
        head = (folder / "HEAD").read_text("ascii").strip()
        if not head.startswith("ref: "):
            return _hash(head)
        return _resolve(_common(folder), head.removeprefix("ref: "))
    except (OSError, UnicodeDecodeError):
        return None


def _git_folder(path: Path) -> Path:
    """Returns the repository's folder; a linked work tree has a file that names it."""
    if path.is_file():
        return path.parent / path.read_text("utf-8").strip().removeprefix("gitdir: ")
    return path


def _common(folder: Path) -> Path:
    """Returns where a linked work tree shares its branches."""
    pointer = folder / "commondir"
    return folder / pointer.read_text("utf-8").strip() if pointer.is_file() else folder


def _resolve(folder: Path, reference: str) -> str | None:
    loose = folder / reference
    if loose.is_file():
        return _hash(loose.read_text("ascii").strip())
    for line in (folder / "packed-refs").read_text("ascii").splitlines():
        value, _, name = line.partition(" ")
        if name == reference:
            return _hash(value)
    return None


def _hash(text: str) -> str | None:
    return text if _HASH.fullmatch(text) else None
