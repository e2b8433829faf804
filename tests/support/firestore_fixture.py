"""The Firestore emulator of a test session, and stores on it; a conftest imports the fixtures."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from localcloud.firestore import FirestoreServer
from localcloud.process import StartError
from shared.adapters.store_firestore import FirestoreStore
from shared.domain.audit import ChainCheck
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


@pytest.fixture
def on_firestore(firestore_server: FirestoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets clients find the emulator."""
    for name, value in firestore_server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def play_stores(on_firestore: None) -> Callable[..., Any]:
    """Runs a scenario over several stores on one new database, which are closed behind it."""

    def run(scenario: Callable[..., Awaitable[Any]], count: int = 1, **options: Any) -> Any:
        async def whole() -> Any:
            project = new_project()
            stores = [FirestoreStore(project, **options) for _ in range(count)]
            try:
                return await scenario(*stores)
            finally:
                for store in stores:
                    await store.close()

        return asyncio.run(whole())

    return run


async def chain_of(store: FirestoreStore, workspace: str) -> ChainCheck:
    """Walks a workspace's audit chain."""
    check, after = ChainCheck(), 0
    while links := await store.audit_chain(workspace, after, 50):
        check.feed(links)
        after = links[-1].seq
    return check
