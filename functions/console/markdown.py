"""Markdown that others wrote, as HTML that can do nothing: no scripts, styles, forms or pictures.

Invariant: what `to_html` returns has only the tags and attributes listed here, whatever went in.
Two walls: the parser passes no HTML through, and a sanitizer keeps an allowlist of what comes out.
"""

from functools import cache

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = frozenset(
    "p br hr h1 h2 h3 h4 h5 h6 strong em s code pre blockquote ul ol li a"
    " table thead tbody tr th td".split()
)
"""Everything that may be in it. No `img`: a picture from elsewhere would tell who reads."""

ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_BREAKS = frozenset({"softbreak", "hardbreak"})
SCHEMES = frozenset({"http", "https", "mailto"})


def to_html(text: str) -> Markup:
    """Returns the text as safe HTML; links open elsewhere and tell nothing of this page."""
    rendered = _parser().render(text)
    clean = nh3.clean(
        rendered,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return Markup(clean)  # noqa: S704 -- the sanitizer has just made it safe


def plain(text: str, length: int = 160) -> str:
    """Returns the beginning of the text without marks, as one line of at most `length` characters.

    It is for lists: only so much of the text is read as is shown.
    """
    words: list[str] = []
    for block in _parser().parse(text[: 3 * length]):
        parts = block.children or () if block.type == "inline" else (block,)
        words += [" " if part.type in _BREAKS else part.content for part in parts]
        words.append(" ")
    line = " ".join("".join(words).split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


@cache
def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    return made.enable(["table", "strikethrough"]).disable("image")
