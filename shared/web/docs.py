"""The pages at /docs: Swagger UI from our own files, under a policy that allows nothing else."""

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response

from shared.errors import NotFound

_FOLDER = Path(__file__).parent / "assets"

ASSETS = {
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "docs.js": ("docs.js", "text/javascript"),
}
"""What the page loads: name in the URL, file, media type."""

_STYLES = "style-src 'self' 'unsafe-inline'"  # Swagger UI writes styles into its elements
POLICY = (
    f"default-src 'none'; script-src 'self'; {_STYLES}; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Whetstone API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>The description of the API is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/docs.js"></script>
</body>
</html>
"""


def page() -> Response:
    """Returns the page."""
    headers = {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return HTMLResponse(_PAGE, headers=headers)


def asset(name: str) -> Response:
    """Returns a file that the page loads.

    Raises:
        NotFound: it is none of them.
    """
    if name not in ASSETS:
        raise NotFound(f"there is no asset {name}")
    file, media = ASSETS[name]
    headers = {"cache-control": "public, max-age=86400", "x-content-type-options": "nosniff"}
    return FileResponse(_FOLDER / file, media_type=media, headers=headers)
