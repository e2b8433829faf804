"""The logs of all processes as one: each line behind the name of its process."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_magenta")
_LOUD = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


def names(folder: Path) -> list[str]:
    """Returns the processes that have a log, in order of name."""
    return sorted(path.stem for path in folder.glob("*.log"))


class Tails:
    """Reads what is new in some logs.

    Args:
        folder: where they are.
        chosen: the processes.
    """

    def __init__(self, folder: Path, chosen: Sequence[str]) -> None:
        self._places = {name: (folder / f"{name}.log", 0) for name in chosen}

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yields the whole lines that were written since it was last asked, with their process."""
        for name, (path, place) in self._places.items():
            if not path.exists() or path.stat().st_size <= place:
                continue
            with path.open("rb") as log:
                log.seek(place)
                whole = log.read().rpartition(b"\n")[0]
            self._places[name] = (path, place + len(whole) + 1 if whole else place)
            for line in whole.decode("utf-8", "replace").splitlines():
                yield name, line


def show(console: Console, name: str, line: str) -> None:
    """Prints one line; of our own JSON the event and its fields."""
    colour = _COLOURS[sum(name.encode()) % len(_COLOURS)]
    text, severity = _readable(line)
    style = _LOUD.get(severity, "")
    console.print(Text.assemble((f"{name:9} ", colour), (text, style)), soft_wrap=True)


def _readable(line: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except ValueError:
        return line, ""
    if not isinstance(record, dict) or "message" not in record:
        return line, ""
    fields = {k: v for k, v in record.items() if k not in {"message", "severity", "time"}}
    told = " ".join(f"{key}={value}" for key, value in fields.items())
    return f"{record['message']} {told}".rstrip(), str(record.get("severity", ""))
