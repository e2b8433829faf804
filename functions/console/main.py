"""Console: the pages where people review, watch, compare and roll back.

Server-rendered pages over the same services as the API, in process. How an area is built:

1. A module `functions/console/<area>.py` keeps `pages = Pages()` and registers its handlers with
   `@pages.get(path, role="viewer")` and `@pages.post(path, role="reviewer")`. A handler takes one
   `PageCall` (`call.caller` for services, `call.parts["id"]` of the path, `call.query(Model)` for a
   `QueryParams`, `call.form(Model)` for a `Command`, `call.may("admin")`) and returns a response,
   mostly `render(call, "<area>.html", **context)`; `call.partial` says that htmx wants a fragment.
2. The module is listed in `AREAS` below; the navigation is `rendering.NAVIGATION`.
3. Its template extends `base.html` (blocks `title`, `main`, `scripts`) and uses the macros of
   `_macros.html` (card, bar, badge, empty, pager, dialog, field). No inline script or style: the
   policy forbids both, so a width is an attribute of an SVG and a colour a class.
4. A form that changes something is `<form method="post" hx-post=… hx-target=…>` with
   `{{ m.csrf(csrf) }}`; htmx and `app.js` also send the token as a header. Errors that services
   raise become `error.html`, or the fragment `_problem.html` where a script asked.

Invariant: a page does what the API would let the same person do, and nothing else.
"""

from types import ModuleType

from functions.console import (
    assets,
    knowledge,
    learning,
    monitor,
    patterns,
    queue,
    queue_actions,
    queue_bulk,
    queue_live,
    raters,
    routing,
    signing_in,
    trials,
    trust,
)
from functions.console.rendering import failed
from shared import bootstrap
from shared.web.app import Api
from shared.web.cloud import cloud_function

app = Api("console", bootstrap.gate)

AREAS: tuple[ModuleType, ...] = (
    *(assets, signing_in, queue, queue_actions, queue_bulk, queue_live),
    *(trust, patterns),
    *(learning, trials, knowledge, routing, monitor, raters),
)

for area in AREAS:
    app.serve_pages(area.pages, bootstrap.desk, failed)

monitor.WATCHED.functions = lambda: app.peers

console = cloud_function(app, bootstrap.start)
