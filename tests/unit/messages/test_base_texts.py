"""Texts of commands: what is refused, in words that fit a text."""

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.messages.base import Identifier, Name, Note
from shared.messages.monitoring import Label
from shared.messages.reviewing import Reason
from shared.messages.serving_reading import SearchRequest
from shared.messages.submitting import SubmitRecommendation, Tag

LIMITED = [(Name, 200), (Identifier, 256), (Note, 4000), (Tag, 100), (Reason, 4000), (Label, 200)]


@pytest.mark.parametrize(("kind", "most"), LIMITED)
def test_a_text_that_is_too_long_is_told_in_characters(kind: object, most: int) -> None:
    adapter = TypeAdapter(kind)
    assert adapter.validate_python("x" * most) == "x" * most
    with pytest.raises(ValidationError, match=f"at most {most} characters"):
        adapter.validate_python("x" * (most + 1))


@pytest.mark.parametrize(
    ("command", "field"), [(SearchRequest, "text"), (SubmitRecommendation, "reasoning")]
)
def test_a_field_that_is_too_long_is_told_in_characters(
    command: type[BaseModel], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        command.model_validate({field: "x" * 20_001})
    told = {one["loc"]: one["msg"] for one in refused.value.errors()}
    assert told[(field,)].endswith("characters")


@pytest.mark.parametrize("kind", [Name, Identifier, Tag, Reason])
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_label_needs_a_visible_character(kind: object, text: str) -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("kind", [Name, Identifier, Note, Tag, Reason, Label])
def test_no_text_holds_nul(kind: object) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        TypeAdapter(kind).validate_python("a\x00b")
