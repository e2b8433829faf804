"""Sessions of people who use the console's pages: a signed cookie, and what keeps others off it.

Invariant: a session is no API token and an API token is no session: they are signed with different
keys, both made of the one secret. A session's CSRF token follows from it, so nothing is stored.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, cast
from urllib.parse import urlsplit

import jwt

from shared.domain.access import ROLES, Caller, Role
from shared.domain.secrets import Secret, value_of
from shared.ports import Clock

SESSION_S = 12 * 3_600
"""How long a session lasts, in seconds."""

COOKIE = "__Host-whetstone"
"""The cookie's name where the page came over https; elsewhere browsers refuse the prefix."""

PLAIN_COOKIE = "whetstone"
"""The cookie's name on a plain connection of this machine."""

CSRF_HEADER = b"x-csrf-token"
CSRF_FIELD = "csrf"

_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in. `sid` tells this session from others of the same person."""

    subject: str
    workspace: str
    role: Role
    sid: str

    @property
    def caller(self) -> Caller:
        """Returns the person as every service knows it."""
        return Caller(self.workspace, self.subject, role=self.role)


class Sessions:
    """Makes sessions and reads them.

    Args:
        clock: for expiry.
        secret: the one that signs people's tokens; the keys here are derived from it.
    """

    def __init__(self, clock: Clock, secret: str | Secret) -> None:
        self._clock = clock
        self._secret = secret

    def open(self, session: Session) -> str:
        """Returns the cookie's value, good for `SESSION_S`."""
        claims = {
            "sub": session.subject,
            "workspace": session.workspace,
            "role": session.role,
            "sid": session.sid,
            "exp": int(self._clock.now().timestamp()) + SESSION_S,
        }
        return jwt.encode(claims, self._key("session"), algorithm=_ALGORITHM)

    def read(self, value: str) -> Session | None:
        """Returns the session of a cookie, None where it is over, forged or no session."""
        try:
            claims = jwt.decode(
                value,
                self._key("session"),
                algorithms=[_ALGORITHM],
                options={
                    "require": ["sub", "workspace", "role", "sid", "exp"],
                    "verify_exp": False,
                    "verify_aud": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            return None
        if claims["exp"] <= self._clock.now().timestamp() or claims["role"] not in ROLES:
            return None
        return _session(claims)

    def csrf(self, session: Session) -> str:
        """Returns the token that every change of this session must carry."""
        return hmac.new(self._key("csrf"), session.sid.encode(), hashlib.sha256).hexdigest()

    def holds(self, session: Session, csrf: str) -> bool:
        """Tells whether a token is this session's."""
        return hmac.compare_digest(self.csrf(session).encode(), csrf.encode())

    def _key(self, purpose: str) -> bytes:
        secret = value_of(self._secret).encode()
        return hmac.new(secret, f"whetstone console {purpose}".encode(), hashlib.sha256).digest()


def cookie_in(headers: Mapping[bytes, bytes], *, secure: bool) -> str | None:
    """Returns the value of the session's cookie in a request, None where there is none."""
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    found = cookies.get(COOKIE if secure else PLAIN_COOKIE)
    return None if found is None else found.value


def cookie_out(value: str, *, secure: bool) -> str:
    """Returns the header that sets the cookie; an empty value takes it away."""
    age = SESSION_S if value else 0
    name, more = (COOKIE, "; Secure") if secure else (PLAIN_COOKIE, "")
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{more}"


def is_secure(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    """Tells whether the browser came over https, also where a load balancer ended that."""
    return b"https" in (headers.get(b"x-forwarded-proto"), str(scope.get("scheme", "")).encode())


def same_origin(headers: Mapping[bytes, bytes]) -> bool:
    """Tells whether a page of ours sent the request; browsers name the origin of every change."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and host == headers.get(b"host", b"").decode("latin-1")


def _session(claims: Mapping[str, Any]) -> Session | None:
    subject, workspace, sid = (claims[name] for name in ("sub", "workspace", "sid"))
    if not all(isinstance(one, str) and one for one in (subject, workspace, sid)):
        return None
    return Session(subject, workspace, cast("Role", claims["role"]), sid)
