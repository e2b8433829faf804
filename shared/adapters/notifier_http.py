"""What notifiers that post JSON share: one POST, its deadline, what the status means."""

import asyncio
from collections.abc import Mapping

from shared.adapters.http_client import HttpClient, check_url, translated
from shared.domain.secrets import Secret, value_of
from shared.errors import InvalidInput, Unavailable

_OK = range(200, 300)
_SERVER_ERRORS = range(500, 600)
_MAY_PASS = (408, 425, 429)


class JsonPoster:
    """Posts bodies to one address, which is a secret and appears in no message.

    Args:
        who: what the address is, for messages.
        url: where to post, as it is at each post.
        timeout_s: seconds for the whole exchange.

    Raises:
        InvalidInput: `url` is not an http or https address.
    """

    def __init__(self, who: str, url: str | Secret, timeout_s: float) -> None:
        check_url(who, value_of(url))
        self._who = who
        self._url = url
        self._timeout_s = timeout_s
        self._http = HttpClient()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns once the receiver has accepted `body` with a 2xx status; its answer is not read.

        Raises:
            Unavailable: no connection, no answer in time, 408, 425, 429 or 5xx.
            InvalidInput: any other status; redirects are not followed.
        """
        deadline_s = asyncio.get_running_loop().time() + self._timeout_s
        client = await self._http.get()
        sent = {"Content-Type": "application/json", **headers}
        async with (
            translated(self._who, deadline_s),
            client.stream("POST", value_of(self._url), content=body, headers=sent) as response,
        ):
            status = response.status_code
        if status in _SERVER_ERRORS or status in _MAY_PASS:
            raise Unavailable(f"{self._who} answered {status}")
        if status not in _OK:
            raise InvalidInput(f"{self._who} refused the message with {status}")

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()
