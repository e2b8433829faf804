"""Model providers."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a provider is asked.

    `options` are sampling parameters of the OpenAI protocol (temperature, max_tokens, …).
    """

    model: str
    messages: tuple[ChatMessage, ...]
    options: Mapping[str, float | int | str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """A provider's answer.

    Token counts are the provider's, or estimates (`estimated`) where it gave none.
    """

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """A piece of a streamed answer.

    The last one carries `completion`, with the whole text and the usage.
    """

    text: str
    completion: Completion | None = None


class CompletionProvider(Protocol):
    """A model provider that speaks the OpenAI chat protocol."""

    async def complete(self, request: CompletionRequest, *, timeout_s: float) -> Completion:
        """Returns the answer.

        Raises:
            Unavailable: no connection, a time-out, 429 or 5xx, or an answer that cannot be read:
                try the next model.
            InvalidInput: the provider refuses the request itself (400, 404, 422).
        """

    def stream(
        self, request: CompletionRequest, *, timeout_s: float
    ) -> AsyncIterator[CompletionChunk]:
        """Yields the answer in pieces. Errors as `complete`, also in the middle."""

    async def close(self) -> None:
        """Lets go of files and connections."""
