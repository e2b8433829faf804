"""Rating tokens: who was given an answer may rate it, once.

A token is `<expiry>.<mac>`, where the mac is HMAC-SHA256 over workspace, request and expiry
(seconds since 1970) under a key that is made from the server's secret for this use alone. It needs
no record until it is used; that it is used once is the transaction's to see to.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Literal

Problem = Literal["forged", "expired"]

_USE = b"whetstone rating token 1"


def minted(secret: str, workspace: str, request_id: str, expires_s: int) -> str:
    """Returns the token with which one request may be rated until `expires_s`."""
    key = hmac.digest(secret.encode(), _USE, hashlib.sha256)
    said = f"{workspace}\n{request_id}\n{expires_s}".encode()
    mac = hmac.digest(key, said, hashlib.sha256)
    return f"{expires_s}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


def problem_of(
    token: str, secret: str, workspace: str, request_id: str, now_s: float
) -> Problem | None:
    """Returns what is wrong with a token; None where it allows a rating of this request now."""
    expiry, _, _ = token.partition(".")
    if not (expiry.isascii() and expiry.isdecimal() and len(expiry) <= _DIGITS):
        return "forged"
    expected = minted(secret, workspace, request_id, int(expiry))
    if not hmac.compare_digest(token.encode(), expected.encode()):
        return "forged"
    return "expired" if now_s >= int(expiry) else None


_DIGITS = 12
