"""Another function's health, asked over HTTP at its own address."""

import asyncio

from shared.adapters.http_client import HttpClient, check_url, translated
from shared.errors import Unavailable

WAIT_S = 2.0
"""Seconds that a function may take; one that starts cold takes longer, and is told as silent."""

MOST_BYTES = 65_536


class FunctionHealth:
    """Asks one function for its `/health`.

    Args:
        name: of the function, for messages.
        url: where it is; `/health` is appended.
        client: shared by all of them.
        wait_s: seconds until it counts as silent.

    Raises:
        InvalidInput: `url` is not an http or https address.
    """

    def __init__(self, name: str, url: str, client: HttpClient, wait_s: float = WAIT_S) -> None:
        check_url(f"the function {name}", url)
        self._name = name
        self._url = f"{url.rstrip('/')}/health"
        self._client = client
        self._wait_s = wait_s

    async def __call__(self) -> bytes:
        """Returns the body of its answer.

        Raises:
            Unavailable: it does not answer 200 in time, or more than `MOST_BYTES`.
        """
        who = f"the function {self._name}"
        client = await self._client.get()
        async with translated(who, asyncio.get_running_loop().time() + self._wait_s):
            async with client.stream("GET", self._url) as answer:
                if answer.status_code != 200:  # noqa: PLR2004 -- OK
                    raise Unavailable(f"{who} answered {answer.status_code}")
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise Unavailable(f"{who} answered more than a report")
            return body
