"""The files that pages load: styles and scripts, all of them ours or vendored."""

from starlette.responses import Response

from functions.console.rendering import STATIC, asset, packed
from shared.errors import NotFound
from shared.web.pages import PageCall, Pages

pages = Pages()

_YEAR = "public, max-age=31536000, immutable"


@pages.get("/static/{name}", role=None)
async def static_file(call: PageCall) -> Response:
    """Returns a file; pages ask for it by its content, so browsers may keep it."""
    name = call.parts["name"]
    if name not in STATIC:
        raise NotFound(f"there is no file {name}")
    age = _YEAR if call.query_string else "no-cache"
    headers = {"cache-control": age, "vary": "accept-encoding"}
    if b"gzip" in call.headers.get(b"accept-encoding", b""):
        headers["content-encoding"] = "gzip"
        return Response(packed(name), headers=headers, media_type=STATIC[name])
    return Response(asset(name), headers=headers, media_type=STATIC[name])
