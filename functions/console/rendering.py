"""Pages and fragments from templates, and the few words that every template may use."""

import gzip
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from functions.console.charts import worded
from functions.console.markdown import plain
from shared.domain.times import Timestamp, from_text
from shared.errors import WhetstoneError
from shared.web.pages import PageCall

_FOLDER = Path(__file__).parent

STATIC = {
    "app.css": "text/css",
    "app.js": "text/javascript",
    "plots.js": "text/javascript",
    "queue.js": "text/javascript",
    "theme.js": "text/javascript",
    "htmx.min.js": "text/javascript",
}
"""What pages load: file, media type."""

NAVIGATION = (
    ("Queue", "/queue", "q"),
    ("Trust", "/trust", "t"),
    ("Patterns", "/patterns", "p"),
    ("Learning", "/learning", "l"),
    ("Knowledge", "/knowledge", "k"),
    ("Routing", "/routing", "r"),
    ("Monitor", "/monitor", "m"),
)
"""Areas of the console: name, path, and the key that follows `g`."""


def render(
    call: PageCall,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> Response:
    """Returns a page, or a fragment, made of a template.

    Every template also sees `call`, `session` (who has signed in, or None), `csrf` and `area` (the
    first part of the path, which the navigation marks).
    """
    area = "/" + call.path.strip("/").partition("/")[0]
    body = (
        _environment()
        .get_template(template)
        .render(call=call, session=call.session, csrf=call.csrf, area=area, **context)
    )
    return HTMLResponse(body, status, dict(headers or {}))


def failed(call: PageCall, status: int, error: WhetstoneError) -> Response:
    """Returns the page that tells an error; a fragment where a script of a page asked."""
    template = "_problem.html" if call.partial else "error.html"
    return render(call, template, status=status, error=error, code=status)


@cache
def asset(name: str) -> bytes:
    """Returns the bytes of a file of `STATIC`."""
    return (_FOLDER / "static" / name).read_bytes()


@cache
def packed(name: str) -> bytes:
    """Returns a file of `STATIC` as gzip."""
    return gzip.compress(asset(name), mtime=0)


@cache
def asset_url(name: str) -> str:
    """Returns where a page finds a file; it changes with the file, so that caches may keep it."""
    return f"/static/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


def when(moment: Timestamp | None) -> Markup:
    """Returns a time that the page turns to the viewer's zone; a dash where there is none."""
    if moment is None:
        return Markup("–")
    shown = moment[:16].replace("T", " ")
    return Markup('<time datetime="{}">{} UTC</time>').format(moment, shown)


def ago(moment: Timestamp, now: Timestamp) -> Markup:
    """Returns how long ago a time was, with the time itself at hand."""
    passed = max(timedelta(), from_text(now) - from_text(moment))
    return Markup('<time datetime="{}" data-ago>{}</time>').format(moment, _span(passed))


def percent(share: float | None, digits: int = 0) -> str:
    """Returns a share (0..1) in percent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, digits: int = 0) -> str:
    """Returns a number with thin spaces between thousands; a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def lines(text: str) -> Markup:
    """Returns a text whose line breaks stay; everything else of it is escaped."""
    return Markup("<br>").join(escape(one) for one in text.splitlines())


def _span(passed: timedelta) -> str:
    seconds = int(passed.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(asset=asset_url, navigation=NAVIGATION, ago=ago)
    made.filters.update(
        when=when, percent=percent, number=number, lines=lines, plain=plain, worded=worded
    )
    made.filters["urlencode"] = lambda part: quote(str(part), safe="")  # also its slashes
    return made
