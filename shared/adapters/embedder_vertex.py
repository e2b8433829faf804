"""Embeddings from Vertex AI's text embedding models, over HTTP.

The invariant: whatever the service sends or leaves out, a call ends within its time, with vectors
of length 1 and the right number of dimensions or with one of the port's two errors.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from shared.adapters.embedder_vertex_batches import MAX_CHARACTERS, Limits, batches, limits_of
from shared.adapters.embedder_vertex_reading import read_vectors
from shared.adapters.google_token import GoogleToken
from shared.adapters.http_client import HttpClient, check_url, translated
from shared.errors import InvalidInput, Unavailable
from shared.ports import Embedding

if TYPE_CHECKING:
    import httpx

_OK = 200
_REFUSED = 400
_NOT_AUTHENTICATED = 401
_AGAIN = (408, 429, 500, 502, 503, 504)
_AT_ONCE = 8
"""Requests of one call that run side by side, at most."""

_TASKS = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}

Kind = Literal["document", "query"]


class Token(Protocol):
    """Where the bearer token comes from; `GoogleToken` for the real service."""

    async def get(self, *, renewed: bool = False) -> str:
        """Returns a token; a new one where the last was refused."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How a request that may yet succeed is tried again: waits that double, spread at random.

    Attributes:
        attempts: how often in all, at least 1.
        first_s: the first wait, at most; the next ones are up to twice as long each.
    """

    attempts: int = 4
    first_s: float = 0.2


class _Refused(Exception):
    """The service refuses a request as it stands (400)."""


class VertexEmbedder:
    """`Embedder` on a publisher model of Vertex AI.

    Args:
        project: the project that is billed.
        region: where the model runs, for example `europe-west1`, or `global`.
        name: the model, for example `text-embedding-005` or `gemini-embedding-001`.
        dims: dimensions asked for; at most 768 of the one, 3072 of the other.
        token: the account's, where left out.
        base_url: instead of Google's own address.
        backoff: of requests that meet a passing fault.

    Raises:
        InvalidInput: `base_url` is not an http or https address.
    """

    def __init__(
        self,
        project: str,
        region: str,
        *,
        name: str = "text-embedding-005",
        dims: int = 768,
        token: Token | None = None,
        base_url: str | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        host = "aiplatform" if region == "global" else f"{region}-aiplatform"
        base = base_url or f"https://{host}.googleapis.com"
        check_url("Vertex AI", base)
        self.model = f"{name}-{dims}"
        self.dims = dims
        self._url = (
            f"{base.rstrip('/')}/v1/projects/{project}/locations/{region}"
            f"/publishers/google/models/{name}:predict"
        )
        self._limits: Limits = limits_of(name)
        self._token: Token = token or GoogleToken()
        self._backoff = backoff or Backoff()
        self._http = HttpClient()

    async def embed(self, texts: Sequence[str], *, kind: Kind, timeout_s: float) -> list[Embedding]:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        cut = [_storable(text[:MAX_CHARACTERS]) for text in texts]
        side_by_side = asyncio.Semaphore(_AT_ONCE)

        async def one(batch: list[str]) -> list[tuple[float, ...]]:
            async with side_by_side:
                return await self._batch(batch, kind)

        async with translated(self._who, deadline_s):
            found = await _all(one, batches(cut, self._limits))
        return [Embedding(self.model, vector) for vectors in found for vector in vectors]

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    @property
    def _who(self) -> str:
        return f"the embedder {self.model}"

    async def _batch(self, texts: list[str], kind: Kind) -> list[tuple[float, ...]]:
        """Returns the vectors of a request; a refused one is split, as it may hold too many tokens.

        Raises:
            InvalidInput: a text is refused by itself.
            Unavailable: as `embed`.
        """
        try:
            return await self._request(texts, kind)
        except _Refused:
            if len(texts) == 1:
                raise InvalidInput(f"{self._who} refuses the text") from None
        middle = len(texts) // 2
        first, second = texts[:middle], texts[middle:]
        return [*await self._batch(first, kind), *await self._batch(second, kind)]

    async def _request(self, texts: list[str], kind: Kind) -> list[tuple[float, ...]]:
        content = json.dumps(
            {
                "instances": [{"content": text, "task_type": _TASKS[kind]} for text in texts],
                "parameters": {"autoTruncate": True, "outputDimensionality": self.dims},
            }
        ).encode()
        answer = await self._answered(content)
        if answer.status_code == _REFUSED:
            raise _Refused
        if answer.status_code != _OK:
            raise Unavailable(f"{self._who} answered {answer.status_code}")
        return read_vectors(self._who, answer.content, count=len(texts), dims=self.dims)

    async def _answered(self, content: bytes) -> "httpx.Response":
        """Returns the first answer that is final; a token that is refused is renewed once.

        Raises:
            Unavailable: every try met a passing fault.
        """
        renewed, attempt = False, 1
        while True:
            answer = await self._sent(content, renewed=renewed)
            status = None if answer is None else answer.status_code
            if status == _NOT_AUTHENTICATED and not renewed:
                renewed = True
                continue
            if answer is not None and status not in _AGAIN:
                return answer
            if attempt >= self._backoff.attempts:
                raise Unavailable(f"{self._who} answered {status or 'nothing'}")
            longest_s = self._backoff.first_s * 2 ** (attempt - 1)
            await asyncio.sleep(random.random() * longest_s)  # noqa: S311 - only spreads the tries
            renewed, attempt = False, attempt + 1

    async def _sent(self, content: bytes, *, renewed: bool) -> "httpx.Response | None":
        """Returns an answer, None where the connection failed."""
        import httpx  # noqa: PLC0415 - loaded by HttpClient.get, off the loop

        client = await self._http.get()
        token = await self._token.get(renewed=renewed)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            return await client.post(self._url, content=content, headers=headers)
        except httpx.TransportError:
            return None


async def _all(
    work: Callable[[list[str]], Awaitable[list[tuple[float, ...]]]], batches: list[list[str]]
) -> list[list[tuple[float, ...]]]:
    """Does `work` on all batches at once; the first failure ends the others."""
    tasks = [asyncio.ensure_future(work(batch)) for batch in batches]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _storable(text: str) -> str:
    """Returns `text` with what UTF-8 cannot carry (a lone surrogate) replaced."""
    return text.encode(errors="replace").decode()
