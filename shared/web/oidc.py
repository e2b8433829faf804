"""The tokens with which Pub/Sub and Cloud Scheduler call us: OpenID Connect, signed by Google.

Invariant: only a signature by one of the issuer's keys, over our audience, by one of our service
accounts opens anything; what the token says of its own algorithm is never believed.
https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

import logging
from collections.abc import Collection
from typing import Any

import jwt

from shared.domain.access import DEFAULT_WORKSPACE, Caller
from shared.errors import NotAuthenticated
from shared.ports import Clock, SigningKeys

ALGORITHM = "RS256"

LEEWAY_S = 30.0
"""Seconds by which the issuer's clock and ours may differ."""

_CLAIMS = ("iss", "aud", "sub", "exp", "iat", "email", "email_verified")
_LONGEST_KEY_ID = 200

logger = logging.getLogger("whetstone.oidc")


class ServiceTokens:
    """Turns the token of one of our service accounts into the system's caller.

    Args:
        keys: of the issuer.
        clock: for expiry.
        issuer: as a URL; Google also writes its own without `https://`.
        audience: whom a token must be for.
        accounts: e-mails of the service accounts that may call.
    """

    def __init__(
        self,
        keys: SigningKeys,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        accounts: Collection[str],
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._issuers = frozenset({issuer, issuer.removeprefix("https://")})
        self._audience = audience
        self._accounts = frozenset(account.lower() for account in accounts)

    async def verify(self, token: bytes) -> Caller:
        """Returns the caller that a token proves.

        Raises:
            NotAuthenticated: it proves nothing; the log has the reason.
            Unavailable: the issuer's keys are not at hand.
        """
        try:
            claims = await self._verified(token)
            self._check(claims)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            logger.warning("oidc.refused", extra={"reason": str(error)})
            raise NotAuthenticated("this token does not verify") from None
        name = str(claims["email"]).partition("@")[0]
        return Caller(DEFAULT_WORKSPACE, f"system:{name}", system=True)

    async def _verified(self, token: bytes) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        if header.get("alg") != ALGORITHM:
            raise ValueError("it is not signed as Google signs")
        if not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID:
            raise ValueError("it does not name its key")
        key = await self._keys.get(key_id)
        if key is None:
            raise ValueError("the issuer has no such key")
        return jwt.decode(
            token,
            jwt.PyJWK(dict(key), algorithm=ALGORITHM),
            algorithms=[ALGORITHM],
            audience=self._audience,
            options={
                "require": list(_CLAIMS),
                "verify_exp": False,  # by our clock, below
                "verify_iat": False,
                "verify_nbf": False,
            },
        )

    def _check(self, claims: dict[str, Any]) -> None:
        now_s = self._clock.now().timestamp()
        begins_s = max(_number(claims["iat"]), _number(claims.get("nbf", 0)))
        if _number(claims["exp"]) <= now_s - LEEWAY_S:
            raise ValueError("it has expired")
        if begins_s > now_s + LEEWAY_S:
            raise ValueError("it is not valid yet")
        if claims["iss"] not in self._issuers:
            raise ValueError("another issuer made it")
        if claims["email_verified"] is not True:
            raise ValueError("its e-mail is not verified")
        if str(claims["email"]).lower() not in self._accounts:
            raise ValueError("it is of an account that may not call us")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("its times are not numbers")  # noqa: TRY004 -- of the token, not of ours
    return float(value)
