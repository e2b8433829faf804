"""How many texts go into one request to Vertex AI, by the limits that its documentation gives.

https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings: at most 250
texts and 20,000 tokens a request, of each text the first 2,048 tokens; `gemini-embedding-001` takes
one text a request.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHARACTERS = 12_000
"""What is sent of a text: 2,048 tokens of English are about 9,000; the service cuts off more."""

_BYTES_PER_TOKEN = 3
"""Fewer than most text has (English about 4.5), so that few batches turn out too large."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request."""

    texts: int
    tokens: int


_ONE = Limits(texts=1, tokens=20_000)
_MANY = Limits(texts=250, tokens=20_000)


def limits_of(model: str) -> Limits:
    """Returns the limits of a model; one text a request for those of the Gemini family."""
    return _ONE if model.startswith("gemini") else _MANY


def batches(texts: Iterable[str], limits: Limits) -> list[list[str]]:
    """Returns `texts` in order, in lists that fit one request each, by an estimate of tokens."""
    found: list[list[str]] = []
    room = 0
    for text in texts:
        tokens = len(text.encode(errors="replace")) // _BYTES_PER_TOKEN + 1
        if not found or len(found[-1]) == limits.texts or tokens > room:
            found.append([])
            room = limits.tokens
        found[-1].append(text)
        room -= tokens
    return found
