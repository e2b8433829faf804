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


@cache
def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    return made.enable(["table", "strikethrough"]).disable("image")
