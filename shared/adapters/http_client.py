"""The HTTP client of the adapters that call out: lazy, quiet about addresses, bounded in time.

Addresses may be secrets (whoever knows a webhook's can post to it), so that nothing here, nor the
library's own log, writes one down; errors say what went wrong and leave out where.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    import httpx


class HttpClient:
    """A pool of connections, made when it is first needed and anew on another event loop."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._making = asyncio.Lock()

    async def get(self) -> "httpx.AsyncClient":
        """Returns the running loop's client; the first call loads the library, in a thread."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._client, self._loop, self._making = None, loop, asyncio.Lock()
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(_make_client)
            return self._client

    async def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()


@asynccontextmanager
async def translated(who: str, deadline_s: float) -> AsyncIterator[None]:
    """Turns what goes wrong in the block into Unavailable, and ends it at `deadline_s`.

    Args:
        who: what is called, for the message.
        deadline_s: a time of the running loop's clock.

    Raises:
        Unavailable: no connection, a broken one, or no end in time.
    """
    import httpx  # noqa: PLC0415 - loaded by HttpClient.get, off the loop

    try:
        async with asyncio.timeout_at(deadline_s):
            yield
    except TimeoutError:
        raise Unavailable(f"{who} did not answer in time") from None
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        raise Unavailable(f"{who} cannot be reached: {type(error).__name__}") from None


def check_url(who: str, url: str) -> None:
    """Returns where `url` can be called.

    Raises:
        InvalidInput: it is not an http or https address; the message leaves it out.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise InvalidInput(f"the address of {who} is not an http or https address")


def _make_client() -> "httpx.AsyncClient":
    import httpx  # noqa: PLC0415 - slow to load, and not every process calls out

    keep_addresses_out_of_the_log()
    return httpx.AsyncClient(timeout=None, follow_redirects=False)  # noqa: S113 - `translated` bounds all


def keep_addresses_out_of_the_log() -> None:
    """Drops what the library says of each request; once is enough for a process."""
    logging.getLogger("httpx").addFilter(_without_addresses)


def _without_addresses(record: logging.LogRecord) -> bool:
    """Drops the library's line for each request, which holds the whole address."""
    return record.levelno >= logging.WARNING
