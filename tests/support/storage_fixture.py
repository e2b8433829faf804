"""The Cloud Storage server of a test session; a conftest imports `storage_server`."""

import itertools
import os
from collections.abc import Iterator

import pytest

from localcloud.process import StartError
from localcloud.storage import StorageServer
from tests.support.backends import missing

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def storage_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageServer]:
    server = StorageServer(tmp_path_factory.mktemp("storage") / "storage.log")
    try:
        server.start()
    except StartError as error:
        missing(str(error))
    try:
        yield server
    finally:
        server.stop()


def new_bucket(server: StorageServer) -> str:
    """Makes a bucket that no other test has, and returns its name."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    server.create_bucket(name)
    return name
