"""Secrets are read once, then again when they are old; what cannot be read stays as it was."""

import threading

import pytest

from shared.adapters.secret_vault import TTL_S, SecretVault
from shared.domain.secrets import SecretReference
from shared.errors import CorruptData, InvalidInput, NotFound, Unavailable
from tests.fakes.clock import ManualClock


class Book:
    """`Secrets` in a dict."""

    def __init__(self, **values):
        self.values = values
        self.asked = []

    def read(self, reference: SecretReference) -> str:
        self.asked.append(reference.name)
        value = self.values[reference.name]
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def book():
    return Book(jwt="one")


def at_once(work):
    work()


@pytest.fixture
def vault(book, clock):
    return SecretVault(book, clock, start=at_once)


def test_a_setting_that_is_no_reference_is_the_secret_and_nobody_is_asked(book, vault):
    assert vault.secret("hush")() == "hush"
    assert book.asked == []


def test_a_reference_is_read_once_however_often_it_is_used(book, vault):
    secrets = [vault.secret("secret://jwt") for _ in range(3)]
    assert [secret() for secret in secrets * 5] == ["one"] * 15
    assert book.asked == ["jwt"]


def test_an_old_value_is_answered_once_more_and_read_again(book, vault, clock):
    secret = vault.secret("secret://jwt")
    book.values["jwt"] = "two"
    clock.advance(TTL_S - 1)
    assert secret() == "one"
    assert book.asked == ["jwt"]
    clock.advance(1)
    assert secret() == "one"
    assert secret() == "two"
    assert book.asked == ["jwt", "jwt"]


def test_a_pinned_version_is_never_read_again(book, vault, clock):
    secret = vault.secret("secret://jwt/versions/1")
    clock.advance(days=100)
    assert [secret(), secret()] == ["one", "one"]
    assert book.asked == ["jwt"]


@pytest.mark.parametrize("error", [Unavailable("away"), NotFound("gone"), CorruptData("bad")])
def test_what_cannot_be_read_again_stays_is_told_and_is_tried_after_a_while(
    book, vault, clock, error, caplog
):
    secret = vault.secret("secret://jwt")
    book.values["jwt"] = error
    clock.advance(TTL_S)
    assert [secret(), secret()] == ["one", "one"]
    assert [record.message for record in caplog.records] == ["secret_not_refreshed"]
    assert caplog.records[0].secret == "jwt"
    assert "one" not in caplog.text
    book.values["jwt"] = "two"
    clock.advance(TTL_S)
    assert [secret(), secret()] == ["one", "two"]


def test_while_one_reads_again_the_others_neither_wait_nor_ask(book, clock):
    waiting = []
    vault = SecretVault(book, clock, start=waiting.append)
    secret = vault.secret("secret://jwt")
    clock.advance(TTL_S)
    assert [secret() for _ in range(5)] == ["one"] * 5
    assert len(waiting) == 1
    book.values["jwt"] = "two"
    waiting.pop()()
    assert secret() == "two"


def test_it_is_read_again_in_a_thread(clock):
    names = []
    done = threading.Event()

    class Watched(Book):
        def read(self, reference):
            names.append(threading.current_thread().name)
            if len(names) == 2:
                done.set()
            return super().read(reference)

    secret = SecretVault(Watched(jwt="one"), clock).secret("secret://jwt")
    clock.advance(TTL_S)
    assert secret() == "one"
    assert done.wait(10)
    assert names == [threading.current_thread().name, "secrets"]


@pytest.mark.parametrize("error", [Unavailable("away"), NotFound("gone"), CorruptData("bad")])
def test_a_secret_that_cannot_be_read_at_the_start_stops_it(clock, error):
    with pytest.raises(type(error)):
        SecretVault(Book(jwt=error), clock).secret("secret://jwt")


def test_a_bad_reference_is_refused(vault):
    with pytest.raises(InvalidInput, match="names no secret"):
        vault.secret("secret://")


def test_a_reference_where_nothing_reads_them_is_refused_with_what_to_set(clock):
    with pytest.raises(InvalidInput, match="set secrets to secret_manager"):
        SecretVault(None, clock).secret("secret://jwt")
    assert SecretVault(None, clock).secret("hush")() == "hush"
