"""The secret that signs people's tokens is long enough, or nothing starts."""

import pytest

from shared import config
from shared.errors import InvalidInput


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_short_signing_secret_stops_the_start_and_is_not_shown(monkeypatch, secret):
    monkeypatch.setenv("WHETSTONE_JWT_SECRET", secret)
    with pytest.raises(InvalidInput, match="WHETSTONE_JWT_SECRET") as refused:
        config.load()
    assert not secret or secret not in str(refused.value)


def test_a_long_signing_secret_is_taken(monkeypatch):
    monkeypatch.setenv("WHETSTONE_JWT_SECRET", "x" * 32)
    assert config.load().jwt_secret.get_secret_value() == "x" * 32
