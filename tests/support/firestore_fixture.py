"""The Firestore emulator of a test session; a conftest imports `firestore_server`."""

import itertools
import os
from collections.abc import Iterator

import pytest

from localcloud.firestore import FirestoreServer
from localcloud.process import StartError
from tests.support.backends import missing

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def firestore_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirestoreServer]:
    server = FirestoreServer(tmp_path_factory.mktemp("firestore") / "firestore.log")
    try:
        server.start()
    except StartError as error:
        missing(str(error))
    try:
        yield server
    finally:
        server.stop()


def new_project() -> str:
    """Returns the name of a project that no other test has: an empty database."""
    return f"test-{os.getpid()}-{next(_numbers)}"
