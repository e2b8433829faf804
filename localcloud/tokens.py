"""Tokens of the local issuer, as Pub/Sub and Cloud Scheduler have them of Google's."""

import time

import aiohttp

from localcloud.plan import ACCOUNT, AUDIENCE

EARLY_S = 300.0
"""Seconds before its end at which a token is replaced."""


class TokenSource:
    """Gives the token of the account that pushes events and starts jobs.

    Args:
        issuer_url: who signs it.
    """

    def __init__(self, issuer_url: str) -> None:
        self._url = f"{issuer_url}/token"
        self._token = ""
        self._until_s = 0.0

    async def token(self) -> str:
        """Returns a token that is valid for some minutes at least.

        Raises:
            ClientError: the issuer does not answer.
        """
        if time.monotonic() > self._until_s:
            asked = {"audience": AUDIENCE, "email": ACCOUNT}
            async with aiohttp.ClientSession() as session:
                answer = await session.get(self._url, params=asked, raise_for_status=True)
                content = await answer.json()
            self._token = str(content["token"])
            self._until_s = time.monotonic() + float(content["expires_in"]) - EARLY_S
        return self._token
