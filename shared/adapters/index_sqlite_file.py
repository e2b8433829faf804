"""A file of the SQLite index: its making, connections and transactions, for many processes."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from shared.adapters.index_sqlite_rows import SCHEMA_VERSION, create
from shared.adapters.local_files import exclusive, sync_folder

_BUSY_TIMEOUT_S = 10.0
_MAX_IDLE_CONNECTIONS = 4


class IndexFile:
    """A writer at a time, and a few connections that readers take turns with. Every method blocks.

    Args:
        path: the file, made at the first write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._guard = threading.Lock()
        self._idle: list[tuple[int, sqlite3.Connection]] = []
        self._retired = False

    def retire(self) -> None:
        """Closes the idle connections now, and the others when they come back."""
        with self._guard:
            self._retired = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def fresh(self) -> Path:
        """Returns where another index file's bytes may be put, to `take` them then."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.with_name(self._path.name + ".new")

    def take(self) -> None:
        """Makes what is at `fresh` the file."""
        with self._writing:
            self.fresh().replace(self._path)

    def size_bytes(self) -> int:
        """Returns how much room the file and its log take."""
        parts = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(path.stat().st_size for path in parts if path.exists())

    def remove(self) -> None:
        """Removes the file and what lies beside it; nobody else may be using it."""
        with self._writing:
            for suffix in ("", "-wal", "-shm", ".lock", ".new"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def start_over(self) -> None:
        """Removes a damaged file; who has it open notices by the file's number."""
        with self._writing, exclusive(self._lock_path()):
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def writer(self) -> Iterator[sqlite3.Connection]:
        """Yields a connection in a transaction that commits; makes the file where there is none."""
        with self._writing:
            self._make_file()
            with self._connection() as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
                        create(connection)
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection | None]:
        """Yields a connection that sees one state of the file, None where there is no index yet."""
        if not self._path.exists():
            yield None
            return
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                known = connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
                yield connection if known else None
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def standing(self) -> Iterator[tuple[Path, sqlite3.Connection] | None]:
        """Yields the file and a connection that sees what is in it; None where there is no index.

        Within the block the file's bytes do not change, while others read and write: what they
        write goes to the log beside it. The whole log is in the file before; a transaction that
        begins then reads the file alone, and as long as it lasts SQLite lets nobody write the log
        back into it. That holds among the threads of one process: no other one may write here.
        """
        if not self._path.exists():
            yield None
            return
        with self._connection() as connection:
            with self._writing:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
                if busy:
                    raise sqlite3.OperationalError("readers keep the log from the file")
                connection.execute("BEGIN")
                known = connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
            try:
                yield (self._path, connection) if known else None
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lends out a connection; one that met an error is closed, not lent again."""
        file_number = self._path.stat().st_ino
        connection = self._take_idle(file_number) or _connect(self._path)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._guard:
            if not self._retired and len(self._idle) < _MAX_IDLE_CONNECTIONS:
                self._idle.append((file_number, connection))
                return
        connection.close()

    def _take_idle(self, file_number: int) -> sqlite3.Connection | None:
        """Returns an idle connection to the file at hand; those to a replaced one are closed."""
        with self._guard:
            while self._idle:
                number, connection = self._idle.pop()
                if number == file_number:
                    return connection
                connection.close()
        return None

    def _make_file(self) -> None:
        """Makes the file, one process at a time: the change to WAL does not wait for others."""
        if self._path.exists():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(self._lock_path()):
            if not self._path.exists():
                fresh = self._path.with_name(self._path.name + ".new")
                fresh.unlink(missing_ok=True)
                connection = sqlite3.connect(fresh, isolation_level=None)
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.execute("BEGIN IMMEDIATE")
                    create(connection)
                    connection.execute("COMMIT")
                finally:
                    connection.close()
                fresh.replace(self._path)
                sync_folder(self._path.parent)

    def _lock_path(self) -> Path:
        return self._path.with_name(self._path.name + ".lock")


def _connect(path: Path) -> sqlite3.Connection:
    """Opens an existing file; the caller lets one thread at a time use the connection."""
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA mmap_size = 268435456")
    except BaseException:
        connection.close()
        raise
    return connection
