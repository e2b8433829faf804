"""The demo's HTTP: a few requests at once, patience where the server asks for it, clear errors."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

import httpx

AT_ONCE = 16
_TRIES = 8
_LONGEST_WAIT_S = 5.0
_BUSY = (429, 503)
_PATIENCE_S = 600
"""A run reads every rating: emulators on a busy machine take minutes for the whole demo's."""

T = TypeVar("T")
R = TypeVar("R")
Json = dict[str, Any]


class Refused(Exception):
    """The server refused a request; the text is its own problem document's."""

    def __init__(self, method: str, path: str, response: httpx.Response) -> None:
        self.status = response.status_code
        self.detail = _detail(response)
        super().__init__(f"{method} {path}: {self.status} {self.detail}")


class Api:
    """JSON requests to a server with one credential.

    Each of its clients has one connection: a shared pool of 16 takes twice as long.

    Args:
        url: where it is.
        headers: the credential.
        transport: what carries the requests, where it is not the network.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url
        trusted = ssl.create_default_context() if url.startswith("https:") else False
        self._free: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        self._clients = [
            httpx.AsyncClient(
                base_url=url,
                headers={"Content-Type": "application/json", **headers},
                timeout=_PATIENCE_S,
                trust_env=False,
                verify=trusted,
                transport=transport,
            )
            for _ in range(AT_ONCE)
        ]
        for client in self._clients:
            self._free.put_nowait(client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.aclose()

    async def get(self, path: str, **params: str | int) -> Json:
        """Returns an answer."""
        return await self.send("GET", path, params=params)

    async def post(
        self, path: str, body: Json | None = None, *, key: str | None = None, **params: str
    ) -> Json:
        """Returns the answer to a command; `key` makes repeated ones count once."""
        return await self.send("POST", path, body or {}, key=key, params=params)

    async def put(self, path: str, body: Json, *, key: str | None = None) -> Json:
        """Returns the answer to a command that replaces something."""
        return await self.send("PUT", path, body, key=key)

    async def send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Json:
        """Sends a request, again where the server is busy.

        Raises:
            Refused: it was refused, or the server stays busy.
        """
        headers = {"Idempotency-Key": key} if key else {}
        content = None if body is None else json.dumps(body).encode()

        async def send() -> httpx.Response:
            client = await self._free.get()
            try:
                return await client.request(
                    method, path, content=content, headers=headers, params=params or None
                )
            finally:
                self._free.put_nowait(client)

        response = await send()
        for tried in range(1, _TRIES):
            if response.status_code not in _BUSY:
                break
            await asyncio.sleep(_pause_s(response, tried))
            response = await send()
        if response.is_error:
            raise Refused(method, path, response)
        answer: Json = response.json()
        return answer


async def each(
    items: Iterable[T], work: Callable[[T], Awaitable[R]], done: Callable[[], object]
) -> list[R]:
    """Returns the results of `work` in the order of the items, `AT_ONCE` at a time."""
    results: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for place, item in waiting:
            results[place] = await work(item)
            done()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return [results[place] for place in sorted(results)]


def _pause_s(response: httpx.Response, tried: int) -> float:
    asked = response.headers.get("Retry-After", "")
    wanted = float(asked) if asked.isdigit() else 0.1 * 2**tried
    return min(wanted, _LONGEST_WAIT_S)


def _detail(response: httpx.Response) -> str:
    try:
        problem = response.json()
    except ValueError:
        return response.text[:200]
    if not isinstance(problem, dict):
        return response.text[:200]
    fields = [f"{one.get('pointer')}: {one.get('detail')}" for one in problem.get("errors", [])]
    return "; ".join([str(problem.get("detail") or problem.get("title")), *fields])
