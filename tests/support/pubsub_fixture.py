"""The Pub/Sub emulator of a test session; a conftest imports `pubsub_emulator`."""

import itertools
import os
from collections.abc import Iterator

import pytest

from localcloud.process import StartError
from localcloud.pubsub import PubSubEmulator
from tests.support.backends import missing

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pubsub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSubEmulator]:
    try:
        emulator = PubSubEmulator(tmp_path_factory.mktemp("pubsub"))
        emulator.start()
    except StartError as error:
        missing(str(error))
    try:
        yield emulator
    finally:
        emulator.kill()


@pytest.fixture
def pubsub_emulator(
    pubsub_server: PubSubEmulator, monkeypatch: pytest.MonkeyPatch
) -> PubSubEmulator:
    """The running emulator, which Google's clients find in this test."""
    for name, value in pubsub_server.environment.items():
        monkeypatch.setenv(name, value)
    return pubsub_server


def new_project() -> str:
    """Returns a project that no other test has."""
    return f"test-{os.getpid()}-{next(_numbers)}"
