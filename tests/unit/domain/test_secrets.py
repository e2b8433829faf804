import pytest

from shared.domain.secrets import SecretReference, is_reference, parse_reference, value_of
from shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("secret://jwt", SecretReference("jwt")),
        ("secret://jwt/versions/latest", SecretReference("jwt", "latest")),
        ("secret://smtp_Password-2/versions/12", SecretReference("smtp_Password-2", "12")),
        ("projects/p-1/secrets/jwt", SecretReference("jwt", "latest", "p-1")),
        ("projects/p-1/secrets/jwt/versions/3", SecretReference("jwt", "3", "p-1")),
    ],
)
def test_a_reference_names_a_secret_its_version_and_perhaps_its_project(text, reference):
    assert is_reference(text)
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "secret://",
        "secret://a/b",
        "secret://a b",
        "secret://a/versions/",
        "secret://a/versions/0",
        "secret://a/versions/newest",
        "secret://a/versions/1/2",
        "secret://" + "a" * 256,
        "projects/p/secrets/",
        "projects/p/secrets/ä",
        "projects/p/secrets/a/versions/-1",
    ],
)
def test_what_starts_like_a_reference_and_is_none_is_refused(text):
    assert is_reference(text)
    with pytest.raises(InvalidInput, match="names no secret"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["", "hush", "https://x/secret://y", "projects/p/topics/t"])
def test_anything_else_is_the_secret_itself(text):
    assert not is_reference(text)


def test_only_a_numbered_version_is_pinned():
    assert parse_reference("secret://a/versions/1").pinned
    assert not parse_reference("secret://a").pinned


def test_the_value_is_the_text_given_or_what_the_function_says_now():
    values = iter(["one", "two"])
    assert value_of("itself") == "itself"
    assert [value_of(lambda: next(values)) for _ in range(2)] == ["one", "two"]
