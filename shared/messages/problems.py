"""How an error is told to a caller, wherever it happens.

For a whole request, or for one item of a batch.
"""

import re
from collections.abc import Sequence

from pydantic import Field, ValidationError

from shared.errors import FieldProblem, WhetstoneError
from shared.messages.base import Answer

MAX_PROBLEMS = 20

MAX_NAME = 200
"""Characters of a member's name that a pointer repeats; names are the caller's, of any length."""


class FieldError(Answer):
    """One bad field; see FieldProblem."""

    pointer: str
    detail: str


class ItemProblem(Answer):
    """Why one item of a batch failed.

    `code` is the kind of error, for example `conflict` or `invalid_input`.
    """

    code: str
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


def code_of(error: WhetstoneError) -> str:
    """Returns the kind of an error in snake_case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def item_problem(error: WhetstoneError | ValidationError) -> ItemProblem:
    """Returns the problem of a batch's item."""
    if isinstance(error, ValidationError):
        return ItemProblem(
            code="invalid_input",
            detail="the item is not valid",
            errors=errors_of(field_problems(error)),
        )
    return ItemProblem(code=code_of(error), detail=error.detail, errors=errors_of(error.problems))


def field_problems(error: ValidationError, prefix: str = "") -> list[FieldProblem]:
    """Returns at most `MAX_PROBLEMS` bad fields of a validation error.

    Their JSON pointers start with `prefix`.
    """
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        FieldProblem(_pointer(one["loc"], prefix), _message(one["type"], one["msg"]))
        for one in found[:MAX_PROBLEMS]
    ]


def errors_of(problems: Sequence[FieldProblem]) -> list[FieldError]:
    """Returns field problems as an answer carries them."""
    return [FieldError(pointer=one.pointer, detail=one.detail) for one in problems]


def _pointer(location: tuple[int | str, ...], prefix: str) -> str:
    parts = (_shortened(str(part)).replace("~", "~0").replace("/", "~1") for part in location)
    return prefix + "".join(f"/{part}" for part in parts)


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"


def _message(kind: str, text: str) -> str:
    """Returns what is wrong, in words that tell nothing of the code; as for a JSON text."""
    if kind == "model_type":
        return "Input should be an object"
    return text.removeprefix("Value error, ")
