"""An embedder whose vectors are hashed words: texts are near where they share words.

It knows no meaning. It is here to try the mechanics of vectors and fusion with something real and
always the same; `synonyms` gives two words one vector, where a test needs a match without a word.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from shared.errors import InvalidInput, WhetstoneError
from shared.ports import Embedding

DIMS = 64


def word_vector(
    text: str, dims: int = DIMS, synonyms: Mapping[str, str] | None = None
) -> list[float]:
    """Returns the sum of a direction for each word, brought to length 1."""
    total = [0.0] * dims
    for word in re.findall(r"\w+", text.lower()) or ["_"]:
        meaning = (synonyms or {}).get(word, word)
        digest = hashlib.shake_256(meaning.encode()).digest(dims)
        total = [value + byte - 127.5 for value, byte in zip(total, digest, strict=True)]
    length = math.hypot(*total)
    return [value / length for value in total]


class WordEmbedder:
    """`Embedder` in this process; `failure` is raised instead of an answer, while it is set."""

    def __init__(
        self,
        *,
        model: str = "words-64",
        dims: int = DIMS,
        synonyms: Mapping[str, str] | None = None,
        refused: str | None = None,
    ) -> None:
        self.model = model
        self.dims = dims
        self.failure: WhetstoneError | None = None
        self.calls: list[tuple[str, int]] = []
        self.closed = False
        self._synonyms = synonyms
        self._refused = refused

    async def embed(
        self, texts: Sequence[str], *, kind: Literal["document", "query"], timeout_s: float
    ) -> list[Embedding]:
        self.calls.append((kind, len(texts)))
        if self.failure is not None:
            raise self.failure
        if self._refused is not None and any(self._refused in text for text in texts):
            raise InvalidInput("the embedder refuses the text")
        return [self.of(text) for text in texts]

    def of(self, text: str) -> Embedding:
        """Returns the embedding of a text."""
        return Embedding(self.model, tuple(word_vector(text, self.dims, self._synonyms)))

    async def close(self) -> None:
        self.closed = True
