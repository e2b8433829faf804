"""Parts of a path whose own slashes came encoded: an agent's id is the caller's, and may have one.

A server hands paths on decoded, so that `/v1/agents/team%2Fpricing` has lost which slash is whose.
The path as it came tells; until the parts are taken apart another character stands for theirs.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

_SLASH = "\ue02f"
"""Of Unicode's private use, for the slash of a part."""

_ENCODED = re.compile("%2f", re.IGNORECASE)


def apart(scope: Mapping[str, Any]) -> str:
    """Returns the path of a request in which every slash parts two parts."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower():
        path: str = scope["path"]
        return path
    return unquote(_ENCODED.sub(quote(_SLASH), raw.decode("latin-1")))


def whole(part: str) -> str:
    """Returns a part of such a path with its own slashes."""
    return part.replace(_SLASH, "/")


def asked(path: str) -> str:
    """Returns such a path as it is asked for, encoded."""
    return quote(path).replace(quote(_SLASH), "%2F")
