"""How another process of a test finds the store of the test's System."""

import os

import pytest

CHOSEN = "SYSTEM_STORE"
"""The variable that tells it; not set where the store is a file of the folder."""


def join() -> None:
    """Builds each System of this process where the test that started it builds its own."""
    if store := os.environ.get(CHOSEN):
        from tests.support.other_stores import put

        put(pytest.MonkeyPatch(), store)
