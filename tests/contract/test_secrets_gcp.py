"""Secrets are read from a server that speaks Secret Manager's API, and held against checksums."""

import grpc
import pytest

from shared.adapters.secrets_gcp import PERMISSION, SecretManagerSecrets
from shared.domain.secrets import parse_reference
from shared.errors import CorruptData, InvalidInput, NotFound, Unavailable
from tests.fakes.secret_manager import SecretManagerServer

pytestmark = pytest.mark.contract


@pytest.fixture
def server():
    with SecretManagerServer() as server:
        server.add("jwt", b"one")
        server.add("jwt", b"two")
        yield server


@pytest.fixture
def secrets(server):
    secrets = SecretManagerSecrets("local", endpoint=server.endpoint, deadline_s=5.0)
    yield secrets
    secrets.close()


def read(secrets, text):
    return secrets.read(parse_reference(text))


def test_a_name_alone_means_the_newest_version_of_this_project(server, secrets):
    assert read(secrets, "secret://jwt") == "two"
    server.add("jwt", b"three")
    assert read(secrets, "secret://jwt") == "three"
    assert server.asked == ["projects/local/secrets/jwt/versions/latest"] * 2


def test_a_pinned_version_stays(server, secrets):
    server.add("jwt", b"three")
    assert read(secrets, "secret://jwt/versions/1") == "one"


def test_a_full_name_reads_from_its_own_project(server, secrets):
    server.add("jwt", b"elsewhere", project="other")
    assert read(secrets, "projects/other/secrets/jwt/versions/1") == "elsewhere"


def test_the_line_end_that_echo_leaves_is_no_part_of_a_secret(server, secrets):
    server.add("jwt", b"word \r\n")
    assert read(secrets, "secret://jwt") == "word "


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
)
def test_a_passing_failure_is_tried_again(server, secrets, code):
    server.failures = [code]
    assert read(secrets, "secret://jwt") == "two"
    assert len(server.asked) == 2


@pytest.mark.parametrize("wrong", ["checksum", "no checksum"])
def test_bytes_that_do_not_prove_whole_are_not_used(server, secrets, wrong):
    server.failures = [wrong]
    with pytest.raises(CorruptData, match="secret jwt") as caught:
        read(secrets, "secret://jwt")
    assert "two" not in str(caught.value)


def test_an_answer_about_another_secret_is_not_used(server, secrets):
    server.failures = ["name"]
    with pytest.raises(CorruptData, match="another one came"):
        read(secrets, "secret://jwt")


def test_bytes_that_are_no_text_are_corrupt(server, secrets):
    server.add("jwt", b"\xff\xfe")
    with pytest.raises(CorruptData, match="UTF-8"):
        read(secrets, "secret://jwt")


@pytest.mark.parametrize("value", [b"", b"\n"])
def test_an_empty_secret_is_not_used(server, secrets, value):
    server.add("jwt", value)
    with pytest.raises(CorruptData, match="empty"):
        read(secrets, "secret://jwt")


@pytest.mark.parametrize("text", ["secret://none", "secret://jwt/versions/9"])
def test_what_is_not_there_is_not_found(secrets, text):
    with pytest.raises(NotFound, match="no secret"):
        read(secrets, text)


def test_a_disabled_version_is_unavailable(server, secrets):
    server.disabled.add("projects/local/secrets/jwt/versions/2")
    with pytest.raises(Unavailable, match="disabled or destroyed"):
        read(secrets, "secret://jwt")


def test_a_missing_permission_is_named(server, secrets):
    server.failures = [grpc.StatusCode.PERMISSION_DENIED]
    with pytest.raises(Unavailable, match=PERMISSION):
        read(secrets, "secret://jwt")


def test_a_name_that_the_service_refuses_is_bad_input(server, secrets):
    server.failures = [grpc.StatusCode.INVALID_ARGUMENT]
    with pytest.raises(InvalidInput, match="secret jwt"):
        read(secrets, "secret://jwt")


def test_a_server_that_is_gone_is_unavailable(server):
    secrets = SecretManagerSecrets("local", endpoint=server.endpoint, deadline_s=0.5)
    server.stop()
    with pytest.raises(Unavailable, match="secret jwt"):
        read(secrets, "secret://jwt")
    secrets.close()


def test_without_credentials_nothing_is_read(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    secrets = SecretManagerSecrets("local")
    with pytest.raises(Unavailable, match="no credentials"):
        read(secrets, "secret://jwt")
    secrets.close()
