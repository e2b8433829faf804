"""Reading an answer of Vertex AI's text embedding models, without trust in its shape."""

import json
import math

from pydantic import BaseModel, ValidationError

from shared.errors import Unavailable


class _Embeddings(BaseModel):
    values: list[float]


class _Prediction(BaseModel):
    embeddings: _Embeddings


class _Answer(BaseModel):
    predictions: list[_Prediction]


def read_vectors(who: str, data: bytes, *, count: int, dims: int) -> list[tuple[float, ...]]:
    """Returns the vectors of an answer, each brought to length 1.

    Vectors that were shortened by the service need not have that length.

    Args:
        who: who answered, for messages.
        data: the answer's body.
        count: how many vectors it must have.
        dims: how many numbers each.

    Raises:
        Unavailable: the answer is something else.
    """
    try:
        answer = _Answer.model_validate(json.loads(data))
    except (ValueError, ValidationError, RecursionError):
        raise Unavailable(f"{who} sent an answer that cannot be read") from None
    vectors = [one.embeddings.values for one in answer.predictions]
    if len(vectors) != count:
        raise Unavailable(f"{who} sent {len(vectors)} vectors for {count} texts")
    return [_unit(who, vector, dims) for vector in vectors]


def _unit(who: str, vector: list[float], dims: int) -> tuple[float, ...]:
    if len(vector) != dims:
        raise Unavailable(f"{who} sent a vector of {len(vector)} dimensions, not {dims}")
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise Unavailable(f"{who} sent a vector without a length")
    return tuple(value / length for value in vector)
