"""What changed between two texts, word by word, as HTML with `<ins>` and `<del>`."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from markupsafe import Markup, escape

MOST_WORDS = 4_000
"""Longer texts are compared line by line: the time grows with the square."""

_WORDS = re.compile(r"\s+|[^\s]+")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


def changes(before: str, after: str) -> Markup:
    """Returns `after` with what it adds marked, and with what it lost of `before` in its place."""
    long = max(len(before), len(after)) > MOST_WORDS * 6
    pattern = _LINES if long else _WORDS
    old, new = pattern.findall(before), pattern.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    parts = [
        _part(kind, old[first:last], new[start:end])
        for kind, first, last, start, end in matcher.get_opcodes()
    ]
    return Markup("").join(parts)


def _part(kind: str, old: Sequence[str], new: Sequence[str]) -> Markup:
    if kind == "equal":
        return escape("".join(new))
    gone, come = "".join(old), "".join(new)
    lost = Markup("<del>{}</del>").format(gone) if gone else Markup("")
    added = Markup("<ins>{}</ins>").format(come) if come else Markup("")
    return lost + added
