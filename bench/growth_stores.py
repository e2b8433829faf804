"""The three stores that growth is measured on, each with what fills and what meters it.

Records go by executemany into SQLite, by COPY into PostgreSQL, by commits of 400 to Firestore.
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from bench.growth_costs import FirestoreMeter, PostgresMeter, SqliteMeter
from bench.growth_filling import Filled, Tables, batches
from bench.growth_rows import WORKSPACE, Row
from bench.proxies import Recorder
from localcloud.firestore import FirestoreServer
from localcloud.plan import PROJECT
from localcloud.postgres import ROLE, LocalPostgres
from localcloud.process import HOST
from shared.adapters import firestore_client, postgres_statements, sqlite_schema, sqlite_statements
from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.archive_firestore import BATCH, FirestoreArchive
from shared.adapters.archive_sqlite import SqliteArchive
from shared.adapters.archive_statements import insert
from shared.adapters.evidence_firestore import FirestoreEvidence
from shared.adapters.evidence_postgres import PostgresEvidence
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.postgres_login import DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_statements import POSTGRES
from shared.adapters.sql_statements import AUDIT_COLUMNS, columns_of
from shared.adapters.store_firestore import FirestoreStore
from shared.adapters.store_postgres import PostgresStore
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.backup import AUDIT, RATINGS
from shared.domain.collections import ALL
from shared.domain.feedback import RatingEvidence
from shared.domain.records import Collection, Record
from shared.ports import ArchiveRow

_AT_ONCE = 8
_PATIENCE_S = 600.0
"""The emulator looks through a whole collection for a query."""

_RATED = 10_000
"""A run asks the emulator for the evidence in pages, and it looks through all of it for each."""

_EMULATOR = "FIRESTORE_EMULATOR_HOST"
_TABLES = {one.name: one for one in ALL}
_LOG_COLUMNS = {
    AUDIT: AUDIT_COLUMNS,
    RATINGS: ", ".join(("workspace", "seq", *RatingEvidence.__dataclass_fields__)),
}


@contextmanager
def opened(name: str, folder: Path, heap: str = "512m") -> Iterator[Filled]:
    """Starts a store in a folder; `heap` is the most memory of Firestore's emulator."""
    with ExitStack() as stack:
        match name:
            case "sqlite":
                yield _sqlite(stack, folder)
            case "postgres":
                yield _postgres(stack)
            case _:
                yield _firestore(stack, folder, heap)


def _sqlite(stack: ExitStack, folder: Path) -> Filled:
    meter = SqliteMeter()
    stack.enter_context(meter.watching())
    store = SqliteStore(folder / "growth.db")

    async def write(tables: Tables) -> None:
        connection = sqlite_schema.connect(store.path)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            for table, some in tables.items():
                marks = ", ".join("?" * len(some[0]))
                sql = f"INSERT INTO {table} ({_names(table)}) VALUES ({marks})"
                connection.executemany(sql, some)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def settle() -> None:
        connection = sqlite3.connect(store.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def row_of(kept: Collection[Any], record: Record) -> Row:
        return sqlite_statements.row_of(WORKSPACE, kept, record)

    return Filled(
        store,
        SqliteAnalytics(store.path),
        SqliteEvidence(store.path),
        partial(SqliteArchive(store.path).load, WORKSPACE),
        meter,
        sorted_ids=True,
        row_of=row_of,
        write=write,
        settle=settle,
    )


def _postgres(stack: ExitStack) -> Filled:
    folder = Path(tempfile.mkdtemp(prefix="whetstone-postgres-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    server = stack.enter_context(LocalPostgres(folder / "data"))
    owner = server.dsn.replace(f"//{ROLE}@", "//postgres@")  # rows go in bulk past the walls
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
    server.stop()
    server.start()
    meter = PostgresMeter(owner, ROLE)
    stack.callback(meter.close)
    pool = PostgresPool(DsnLogin(server.dsn))

    def copied(table: str, names: str, rows: Sequence[Row]) -> None:
        with (
            psycopg.connect(owner, autocommit=True) as connection,
            connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    async def write(tables: Tables) -> None:
        for table, some in tables.items():
            copied(table, _names(table), some)

    async def load(log: str, rows: Sequence[ArchiveRow]) -> None:
        _, values = insert(POSTGRES, postgres_statements.row_of, WORKSPACE, log, rows)
        copied(log, _LOG_COLUMNS[log], values)

    def settle() -> None:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def row_of(kept: Collection[Any], record: Record) -> Row:
        return postgres_statements.row_of(WORKSPACE, kept, record)

    return Filled(
        PostgresStore(pool),
        PostgresAnalytics(pool),
        PostgresEvidence(pool),
        load,
        meter,
        sorted_ids=False,
        row_of=row_of,
        write=write,
        settle=settle,
    )


def _firestore(stack: ExitStack, folder: Path, heap: str) -> Filled:
    server = stack.enter_context(FirestoreServer(folder / "firestore.log", heap=heap))
    recorder = stack.enter_context(Recorder(lambda: f"{HOST}:{server.port}"))
    stack.enter_context(patch.object(firestore_client, "TIMEOUT_S", _PATIENCE_S))
    counted = recorder.address("firestore")
    os.environ[_EMULATOR] = counted
    stack.callback(os.environ.pop, _EMULATOR, None)
    store, past = FirestoreStore(PROJECT), FirestoreStore(PROJECT)
    archive = FirestoreArchive(past)

    async def connect() -> None:
        os.environ[_EMULATOR] = f"{HOST}:{server.port}"  # rows go past what counts
        await past.ping()
        os.environ[_EMULATOR] = counted

    async def write(tables: Tables) -> None:
        for table, some in tables.items():
            found = [ArchiveRow(key, doc) for key, doc in some]
            for chosen in batches(batches(found, BATCH), _AT_ONCE):
                loads = (archive.load(WORKSPACE, table, part) for part in chosen)
                await asyncio.gather(*loads)

    def row_of(_: Collection[Any], record: Record) -> Row:
        return record.id, record.model_dump_json()

    return Filled(
        store,
        FirestoreAnalytics(store),
        FirestoreEvidence(store),
        partial(archive.load, WORKSPACE),
        FirestoreMeter(recorder),
        sorted_ids=False,
        row_of=row_of,
        write=write,
        rated=_RATED,
        connect=connect,
        close=past.close,
    )


def _names(table: str) -> str:
    return ", ".join(("workspace", "id", *columns_of(_TABLES[table]), "doc"))
