"""The three stores, filled directly: SQLite and PostgreSQL in bulk, Firestore by its archive."""

import os
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.billing import Tally
from bench.growth_rows import WORKSPACE, Row, RowOf, rows
from bench.proxies import Recorder
from localcloud.firestore import FirestoreServer
from localcloud.plan import PROJECT
from localcloud.postgres import LocalPostgres
from localcloud.process import HOST
from shared.adapters import postgres_statements, sqlite_schema, sqlite_statements
from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.archive_firestore import FirestoreArchive
from shared.adapters.postgres_login import DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.sql_statements import columns_of
from shared.adapters.store_firestore import FirestoreStore
from shared.adapters.store_postgres import PostgresStore
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.collections import ALL
from shared.domain.records import Collection, Record
from shared.ports import Analytics, ArchiveRow, Store

STORES = ("sqlite", "postgres", "firestore")
_BATCH = 20_000
_TABLES = {one.name: one for one in ALL}

Tables = dict[str, list[Row]]


@dataclass
class Filled:
    """A store that can be filled.

    Args:
        store: implements the port.
        analytics: of that store.
        row_of: the parameters that write a record.
        write: puts rows into tables.
        recorder: counts what is billed; None where nothing is.
        settle: is called once after filling.
    """

    store: Store
    analytics: Analytics
    row_of: RowOf
    write: Callable[[Tables], Any]
    recorder: Recorder | None = None
    settle: Callable[[], None] = field(default=lambda: None)

    async def fill(self, first: int, last: int) -> None:
        """Adds the entries with these numbers."""
        await self.store.ping()
        tables: Tables = defaultdict(list)
        for count, (table, row) in enumerate(rows(first, last, self.row_of), start=1):
            tables[table].append(row)
            if count % _BATCH == 0:
                await self._written(tables)
        await self._written(tables)
        self.settle()

    async def _written(self, tables: Tables) -> None:
        done = self.write(tables)
        if done is not None:
            await done
        tables.clear()

    def billed(self) -> Tally:
        """Returns what was billed since the last time."""
        return Tally() if self.recorder is None else self.recorder.take()


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Filled]:
    """Starts a store in a folder."""
    with ExitStack() as stack:
        match name:
            case "sqlite":
                yield _sqlite(folder)
            case "postgres":
                yield _postgres(stack)
            case _:
                yield _firestore(stack, folder)


def _sqlite(folder: Path) -> Filled:
    store = SqliteStore(folder / "growth.db")

    def write(tables: Tables) -> None:
        connection = sqlite_schema.connect(store.path)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            for table, some in tables.items():
                marks = ", ".join("?" * len(some[0]))
                connection.executemany(
                    f"INSERT INTO {table} ({_names(table)}) VALUES ({marks})", some
                )
            connection.execute("COMMIT")
        finally:
            connection.close()

    def settle() -> None:
        connection = sqlite3.connect(store.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def row_of(kept: Collection[Any], record: Record) -> Row:
        return sqlite_statements.row_of(WORKSPACE, kept, record)

    return Filled(store, SqliteAnalytics(store.path), row_of, write, settle=settle)


def _postgres(stack: ExitStack) -> Filled:
    folder = Path(tempfile.mkdtemp(prefix="whetstone-postgres-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    server = stack.enter_context(LocalPostgres(folder / "data"))
    owner = server.dsn.replace("//whetstone@", "//postgres@")  # rows go in bulk past the walls
    pool = PostgresPool(DsnLogin(server.dsn))

    def write(tables: Tables) -> None:
        with psycopg.connect(owner, autocommit=True) as connection:
            for table, some in tables.items():
                sql = f"COPY {table} ({_names(table)}) FROM STDIN"
                with connection.cursor().copy(sql) as copy:
                    for row in some:
                        copy.write_row(row)

    def settle() -> None:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def row_of(kept: Collection[Any], record: Record) -> Row:
        return postgres_statements.row_of(WORKSPACE, kept, record)

    return Filled(PostgresStore(pool), PostgresAnalytics(pool), row_of, write, settle=settle)


def _firestore(stack: ExitStack, folder: Path) -> Filled:
    server = stack.enter_context(FirestoreServer(folder / "firestore.log"))
    recorder = stack.enter_context(Recorder(lambda: f"{HOST}:{server.port}"))
    os.environ["FIRESTORE_EMULATOR_HOST"] = recorder.address("firestore")
    stack.callback(os.environ.pop, "FIRESTORE_EMULATOR_HOST", None)
    store = FirestoreStore(PROJECT)
    archive = FirestoreArchive(store)

    async def write(tables: Tables) -> None:
        for table, some in tables.items():
            found = [ArchiveRow(key, doc) for key, doc in some]
            await archive.load(WORKSPACE, table, found)

    def row_of(_: Collection[Any], record: Record) -> Row:
        return record.id, record.model_dump_json()

    return Filled(store, FirestoreAnalytics(store), row_of, write, recorder)


def _names(table: str) -> str:
    return ", ".join(("workspace", "id", *columns_of(_TABLES[table]), "doc"))
