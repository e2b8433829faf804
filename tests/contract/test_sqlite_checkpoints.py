"""The log is copied into the database file beside the commits, and never instead of them."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from shared.adapters import sqlite_checkpoints, sqlite_schema
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.entries import CONTENT_KEYS
from tests.contract.store_records import creates, key, raise_count, write

pytestmark = pytest.mark.contract

MAY_RUN = sqlite_checkpoints.may_run


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """Runs them beside the writer also on an older SQLite: its error needs very rare timing."""
    monkeypatch.setattr(sqlite_checkpoints, "may_run", lambda: True)


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ("3.40.1", False),
        ("3.44.5", False),
        ("3.44.6", True),
        ("3.45.9", False),
        ("3.50.6", False),
        ("3.50.7", True),
        ("3.51.2", False),
        ("3.51.3", True),
        ("3.53.0", True),
        ("4.0.0", True),
    ],
)
def test_they_run_beside_the_writer_only_where_sqlite_does_not_lose_commits_then(version, safe):
    assert MAY_RUN(tuple(map(int, version.split(".")))) is safe


def test_on_an_older_version_the_writer_copies_itself(tmp_path, monkeypatch, always):
    monkeypatch.setattr(sqlite_checkpoints, "may_run", lambda: False)

    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        await raise_count(store)
        assert store._checkpoints is None
        [pages] = store._writing.execute("PRAGMA wal_autocheckpoint").fetchone()
        await store.close()
        return pages

    assert asyncio.run(scenario()) == 4000


def keys_in(path):
    with closing(sqlite3.connect(path)) as connection:
        return [id for (id,) in connection.execute("SELECT id FROM content_keys ORDER BY id")]


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(sqlite_checkpoints, "EVERY_S", 0)


def test_what_was_committed_gets_into_the_file_beside_the_commits(tmp_path, always):
    path, alone = tmp_path / "whetstone.db", tmp_path / "alone.db"

    async def scenario():
        store = SqliteStore(path)
        await write(store, creates(CONTENT_KEYS, key("first")))
        store._checkpoints._thread.join()
        shutil.copy(path, alone)  # without its log
        await write(store, creates(CONTENT_KEYS, key("second")))
        await store.close()

    asyncio.run(scenario())
    assert keys_in(alone) == ["first"]
    assert keys_in(path) == ["first", "second"]


def test_checkpoints_run_while_many_write(tmp_path, always):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        for _ in range(20):
            await asyncio.gather(*(raise_count(store) for _ in range(20)))
        total = await raise_count(store)
        await store.close()
        return total

    assert asyncio.run(scenario()) == 401


def test_there_is_one_checkpoint_at_a_time_and_none_soon_after(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        await raise_count(store)
        assert store._checkpoints._thread is None
        store._checkpoints._started_s = 0.0
        await raise_count(store)
        running = store._checkpoints._thread
        await raise_count(store)
        assert store._checkpoints._thread is running
        await store.close()
        assert not running.is_alive()

    asyncio.run(scenario())


def test_a_checkpoint_that_fails_is_logged_and_commits_go_on(tmp_path, always, monkeypatch, caplog):
    def refuse(path):
        raise sqlite3.OperationalError("unable to open database file")

    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        monkeypatch.setattr(sqlite_schema, "connect", refuse)
        await raise_count(store)
        store._checkpoints._thread.join()
        assert await raise_count(store) == 2
        await store.close()

    asyncio.run(scenario())
    assert "store.checkpoint_failed" in [record.message for record in caplog.records]
