"""Texts of commands: what is refused, in words that fit a text."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.messages.base import Identifier, Name, Note


@pytest.mark.parametrize(("kind", "most"), [(Name, 200), (Identifier, 256), (Note, 4000)])
def test_a_text_that_is_too_long_is_told_in_characters(kind: object, most: int) -> None:
    adapter = TypeAdapter(kind)
    assert adapter.validate_python("x" * most) == "x" * most
    with pytest.raises(ValidationError, match=f"at most {most} characters"):
        adapter.validate_python("x" * (most + 1))


@pytest.mark.parametrize("kind", [Name, Identifier])
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_label_needs_a_visible_character(kind: object, text: str) -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("kind", [Name, Identifier, Note])
def test_no_text_holds_nul(kind: object) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        TypeAdapter(kind).validate_python("a\x00b")
