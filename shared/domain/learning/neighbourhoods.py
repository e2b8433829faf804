"""Neighbourhoods: prompts that are alike whatever they are about, by how much of them is figures.

A question that is asked in numbers is calculated, one that is asked in words is recalled or argued,
in every subject; models differ in which of the two they are better at. Needs no training and no
model, is the same on every machine, and a neighbourhood's sums add up like any others. What it says
of a model is for the evidence to tell, see `cells`.
"""

_READ = 2000
"""Characters that are read: the task stands at the start."""

_DIGITS = b"0123456789"
_SOME, _MANY = 0.005, 0.05
"""Shares of digits from which a prompt is mixed, and from which it is figures."""

WORDS, MIXED, FIGURES = "words", "mixed", "figures"
CELLS = (WORDS, MIXED, FIGURES)


def cell_of(prompt: str, *, told_apart: bool) -> str:
    """Returns the neighbourhood of a prompt: words, mixed or figures; "" where none are told."""
    if not told_apart:
        return ""
    text = prompt[:_READ].encode("ascii", "replace")
    digits = len(text) - len(text.translate(None, _DIGITS))
    if digits < _SOME * len(text) or not digits:
        return WORDS
    return MIXED if digits < _MANY * len(text) else FIGURES
