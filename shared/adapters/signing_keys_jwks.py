"""Signing keys from a JWKS address, fetched when they are needed and kept as long as it allows.

A key that is not known makes it look once more, since signers change keys; but not more often than
every `PAUSE_S`, so that forged tokens cannot make it a flood. Where the signer is away, what it
said before holds for a while.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import JsonValue
from pydantic_core import from_json

from shared.adapters.http_client import HttpClient, check_url, translated
from shared.errors import InvalidInput, Unavailable
from shared.ports import Clock

Jwk = Mapping[str, JsonValue]

FETCH_S = 5.0
"""Seconds that the signer may take."""

PAUSE_S = 30.0
"""Seconds between two looks for a key that is not known, or at a signer that is away."""

SHORTEST_S, USUAL_S, LONGEST_S = 60.0, 3_600.0, 86_400.0
"""How long keys are kept: at least, where the signer does not say, at most."""

STALE_S = 86_400.0
"""Seconds that keys hold beyond their time while the signer is away."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,;])", re.ASCII)

logger = logging.getLogger("whetstone.oidc")


class JwksSigningKeys:
    """Implements `ports.SigningKeys`.

    Args:
        url: of the JWKS; https, or http on this machine.
        clock: says when keys are old.

    Raises:
        InvalidInput: anybody on the way could put keys of their own in at this address.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        check_url("the signer of tokens", url)
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise InvalidInput("the address of signing keys must begin with https://")
        self._url = url
        self._clock = clock
        self._http = HttpClient()
        self._keys: dict[str, Jwk] = {}
        self._fresh_until_s = self._ask_again_s = self._valid_until_s = float("-inf")
        self._fetching: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def get(self, key_id: str) -> Jwk | None:
        """See SigningKeys."""
        if not self._settled(key_id):
            async with self._lock():
                if not self._settled(key_id):
                    await self._refresh()
        return self._keys.get(key_id)

    async def close(self) -> None:
        """See SigningKeys."""
        await self._http.close()

    def _settled(self, key_id: str) -> bool:
        """Tells whether what is known answers for a key.

        Raises:
            Unavailable: nothing is known, and the signer was away a moment ago.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._fresh_until_s and key_id in self._keys:
            return True
        if now_s >= self._ask_again_s:
            return False
        if now_s >= self._valid_until_s:
            raise Unavailable("the signer of tokens did not answer a moment ago")
        return True

    async def _refresh(self) -> None:
        now_s = self._clock.monotonic_s()
        try:
            self._keys, kept_s = await self._fetch()
        except Unavailable:
            if now_s >= self._valid_until_s:
                raise
            logger.warning("oidc.keys_not_refreshed", exc_info=True)
            return
        finally:  # not before: who comes meanwhile waits for this answer
            self._ask_again_s = now_s + PAUSE_S
        self._fresh_until_s = now_s + kept_s
        self._valid_until_s = self._fresh_until_s + STALE_S

    async def _fetch(self) -> tuple[dict[str, Jwk], float]:
        client = await self._http.get()
        deadline_s = asyncio.get_running_loop().time() + FETCH_S
        async with translated("the signer of tokens", deadline_s):
            answer = await client.get(self._url)
        if answer.status_code != 200:  # noqa: PLR2004 -- the word of HTTP
            raise Unavailable(f"the signer of tokens answered {answer.status_code}")
        return _keys_in(answer.content), _kept_s(answer.headers.get("cache-control", ""))

    def _lock(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._fetching is None or self._fetching[0] is not loop:
            self._fetching = loop, asyncio.Lock()
        return self._fetching[1]


def _keys_in(body: bytes) -> dict[str, Jwk]:
    try:
        listed = from_json(body)["keys"]
        keys = {key["kid"]: key for key in listed if isinstance(key["kid"], str)}
    except (ValueError, KeyError, TypeError):
        raise Unavailable("the signer of tokens answered something that is no JWKS") from None
    if not keys:
        raise Unavailable("the signer of tokens has no keys")
    return keys


def _kept_s(cache_control: str) -> float:
    found = _MAX_AGE.search(cache_control.lower())
    return min(LONGEST_S, max(SHORTEST_S, float(found[1]))) if found else USUAL_S
