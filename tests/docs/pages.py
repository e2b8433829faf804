"""The documentation as the tests read it: pages, links, fenced blocks, commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands behind the fence, and what is in it."""

    info: str
    text: str


def read(path: Path) -> str:
    return path.read_text("utf-8")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path) -> list[Block]:
    return [Block(found[1].strip(), found[2]) for found in _FENCE.finditer(read(path))]


def prose(path: Path) -> str:
    """Returns a page without its fenced blocks."""
    return _FENCE.sub("", read(path))


def links(path: Path) -> Iterator[str]:
    """Yields what the page links to within the repository."""
    for found in _LINK.finditer(prose(path)):
        target = found[1] or found[2]
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(path: Path) -> set[str]:
    """Returns the fragments of the page's headings, as Git hosts make them."""
    headings = _HEADING.findall(prose(path))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def code(path: Path) -> Iterator[str]:
    """Yields each piece of code: lines of blocks, and what stands between back-ticks."""
    for block in blocks(path):
        yield from block.text.splitlines()
    yield from (" ".join(one.split()) for one in re.findall(r"`([^`]+)`", prose(path)))
