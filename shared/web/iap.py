"""People whom Google's Identity-Aware Proxy has signed in before their request reaches us.

Invariant: only an assertion that IAP signed for our own backend says who somebody is; the plain
headers beside it, which anyone inside could send, are never read.
https://cloud.google.com/iap/docs/signed-headers-howto
"""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import jwt

from shared.domain.access import Role
from shared.errors import NotAllowed, NotAuthenticated
from shared.ports import Clock, SigningKeys
from shared.web.oidc import LEEWAY_S
from shared.web.session import Session

HEADER = b"x-goog-iap-jwt-assertion"

_ALGORITHM = "ES256"
_CLAIMS = ("iss", "aud", "sub", "exp", "iat", "email")
_LONGEST_KEY_ID = 200

logger = logging.getLogger("whetstone.oidc")


class IapPeople:
    """Turns IAP's assertion into a session.

    Args:
        keys: of IAP.
        clock: for expiry.
        issuer: who must have signed.
        audience: the backend that it must be signed for.
        roles: by e-mail, or by domain for all others of it.
        workspace: which one they see.
    """

    def __init__(
        self,
        keys: SigningKeys,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        roles: Mapping[str, Role],
        workspace: str,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._roles = {name.lower(): role for name, role in roles.items()}
        self._workspace = workspace

    async def session(self, headers: Mapping[bytes, bytes]) -> Session | None:
        """See `shared.web.pages.People`."""
        assertion = headers.get(HEADER)
        if assertion is None:
            return None
        try:
            claims = await self._verified(assertion)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            logger.warning("iap.refused", extra={"reason": str(error)})
            raise NotAuthenticated("the assertion of IAP does not verify") from None
        email = str(claims["email"]).lower()
        role = self._roles.get(email) or self._roles.get(email.partition("@")[2])
        if role is None:
            raise NotAllowed(f"{email} has no role here; the setting console.roles gives one")
        sid = hashlib.sha256(f"iap\n{claims['sub']}".encode()).hexdigest()
        return Session(email, self._workspace, role, sid)

    async def _verified(self, assertion: bytes) -> dict[str, Any]:
        header = jwt.get_unverified_header(assertion)
        key_id = header.get("kid")
        if header.get("alg") != _ALGORITHM:
            raise ValueError("it is not signed as IAP signs")
        if not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID:
            raise ValueError("it does not name its key")
        key = await self._keys.get(key_id)
        if key is None:
            raise ValueError("IAP has no such key")
        claims = jwt.decode(
            assertion,
            jwt.PyJWK(dict(key), algorithm=_ALGORITHM),
            algorithms=[_ALGORITHM],
            audience=self._audience,
            issuer=self._issuer,
            options={
                "require": list(_CLAIMS),
                "verify_exp": False,  # by our clock, below
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        now_s = self._clock.now().timestamp()
        if not float(claims["iat"]) - LEEWAY_S <= now_s < float(claims["exp"]) + LEEWAY_S:
            raise ValueError("it is not valid now")
        return claims
