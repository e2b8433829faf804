"""Completions from any endpoint that speaks the OpenAI chat protocol.

The invariant: an answer is returned whole or the call fails; whatever the provider sends or leaves
out becomes one of the port's two errors within `timeout_s`, and neither the key nor a prompt gets
into a message.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from shared.adapters.http_client import HttpClient, check_url, translated
from shared.adapters.provider_openai_reading import Answer, EventLines, read_answer, read_json
from shared.domain.secrets import Secret, value_of
from shared.errors import InvalidInput, Unavailable
from shared.ports import Completion, CompletionChunk, CompletionRequest

if TYPE_CHECKING:
    import httpx

_OK = 200
_REQUEST_REFUSED = (400, 404, 413, 422)
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_UNSENDABLE = "holds characters that no key has"
_ERROR_CODE = re.compile(r"[a-z_]{1,60}")
_END = "[DONE]"


class OpenAIProvider:
    """`CompletionProvider` over HTTP.

    Args:
        name: the provider's name in the configuration, used in messages.
        base_url: the address that `/chat/completions` follows, for example
            `http://127.0.0.1:8000/v1`.
        api_key: sent as a bearer token, as it is at each request; empty for an endpoint that
            wants none.

    Raises:
        InvalidInput: `base_url` is not an http or https address, or the key holds what no header
            can.
    """

    def __init__(self, name: str, base_url: str, api_key: str | Secret) -> None:
        check_url(f"the provider {name}", base_url)
        if not _is_sendable(value_of(api_key)):
            raise InvalidInput(f"the key of the provider {name} {_UNSENDABLE}")
        self.name = name
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._api_key = api_key
        self._http = HttpClient()

    async def complete(self, request: CompletionRequest, *, timeout_s: float) -> Completion:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        client = await self._http.get()
        async with (
            translated(self._who, deadline_s),
            self._answer(client, request, streaming=False) as response,
        ):
            data = await _read(response, _MAX_ANSWER_BYTES)
        return read_answer(self._who, data, request)

    async def stream(
        self, request: CompletionRequest, *, timeout_s: float
    ) -> AsyncIterator[CompletionChunk]:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        answer = Answer(self._who, request)
        events = self._events(request, deadline_s)
        try:
            async for event in events:
                if event == _END:
                    answer.complete = True
                    break
                text = answer.add(read_json(self._who, event))
                if text:
                    yield CompletionChunk(text)
        finally:
            await events.aclose()
        yield CompletionChunk("", answer.completion())

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    @property
    def _who(self) -> str:
        return f"the provider {self.name}"

    async def _events(
        self, request: CompletionRequest, deadline_s: float
    ) -> AsyncGenerator[str, None]:
        """Yields the data of each event; the deadline is around each wait, not each `yield`."""
        client = await self._http.get()
        lines = EventLines(self._who, _MAX_ANSWER_BYTES)
        async with AsyncExitStack() as exchange:
            async with translated(self._who, deadline_s):
                response = await exchange.enter_async_context(
                    self._answer(client, request, streaming=True)
                )
            pieces = response.aiter_bytes()
            while True:
                async with translated(self._who, deadline_s):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                for event in lines.feed(piece):
                    yield event

    @asynccontextmanager
    async def _answer(
        self, client: "httpx.AsyncClient", request: CompletionRequest, *, streaming: bool
    ) -> "AsyncIterator[httpx.Response]":
        """Sends the request and yields an answer with status 200, its body unread.

        Raises:
            Unavailable: another status, but for those that mean the request.
            InvalidInput: the provider refuses the request itself.
        """
        body: dict[str, object] = {
            **request.options,
            "model": request.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
            "stream": streaming,
        }
        if streaming:
            body["stream_options"] = {"include_usage": True}
        headers = {"Content-Type": "application/json"}
        key = value_of(self._api_key)
        if not _is_sendable(key):
            raise Unavailable(f"the new key of the provider {self.name} {_UNSENDABLE}")
        if key:
            headers["Authorization"] = f"Bearer {key}"
        content = json.dumps(body).encode()
        async with client.stream("POST", self._url, content=content, headers=headers) as response:
            if response.status_code != _OK:
                raise await self._refusal(response)
            yield response

    async def _refusal(self, response: "httpx.Response") -> InvalidInput | Unavailable:
        code = self._error_code(await _read(response, _MAX_ERROR_BYTES))
        reason = f"{self._who} answered {response.status_code}{code}"
        return (InvalidInput if response.status_code in _REQUEST_REFUSED else Unavailable)(reason)

    def _error_code(self, data: bytes) -> str:
        """Returns the error's code, a word; its text may quote the key or the prompt."""
        try:
            error = json.loads(data)["error"]
            code = error.get("code") or error.get("type")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return ""
        key = value_of(self._api_key)
        usable = isinstance(code, str) and _ERROR_CODE.fullmatch(code) and code not in key
        return f" ({code})" if usable else ""


def _is_sendable(key: str) -> bool:
    return key.isascii() and key.isprintable()


async def _read(response: "httpx.Response", limit_bytes: int) -> bytes:
    """Returns the body; one over the limit is cut off, and then is no JSON."""
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > limit_bytes:
            break
    return bytes(data[:limit_bytes])
