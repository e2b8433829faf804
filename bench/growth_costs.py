"""What a request costs a store, counted so that the load of the machine does not matter.

Firestore: the documents that it bills. PostgreSQL: the pages that its statements touch. SQLite: the
steps of its virtual machine, a few for each row or index entry that is walked over; the search
index is on SQLite with any store.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from unittest.mock import patch

import psycopg

from bench.billing import READS, WRITES
from bench.proxies import Recorder

PAGES, STEPS = "pages", "steps"

Cost = dict[str, float]
"""How much of what, for instance firestore_reads."""

_SUM = """
SELECT sum(shared_blks_hit + shared_blks_read)
FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid WHERE rolname = %s
"""


class Meter(Protocol):
    """Counts what is used."""

    def start(self) -> None:
        """Counts from here."""

    def stop(self) -> Cost:
        """Returns what was counted, and counts no more."""


class FirestoreMeter:
    """Documents that are read and written.

    Args:
        recorder: what the calls go through.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def start(self) -> None:
        """See Meter."""
        self._recorder.take()

    def stop(self) -> Cost:
        """See Meter."""
        taken = self._recorder.take()
        return {name: float(taken[name]) for name in (READS, WRITES)}


class PostgresMeter:
    """Pages of 8 KiB that a user's statements find in memory or read, as the server counts them.

    Args:
        owner: the address, as a superuser; the server has pg_stat_statements loaded.
        user: whose statements.
    """

    def __init__(self, owner: str, user: str) -> None:
        self._connection = psycopg.connect(owner, autocommit=True)
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        self._user = user

    def start(self) -> None:
        """See Meter."""
        self._connection.execute("SELECT pg_stat_statements_reset()")

    def stop(self) -> Cost:
        """See Meter."""
        found = self._connection.execute(_SUM, (self._user,)).fetchone()
        return {PAGES: float(found[0] or 0) if found else 0.0}

    def close(self) -> None:
        """Lets go of the connection."""
        self._connection.close()


class SqliteMeter:
    """Steps of the virtual machines of every connection that was opened inside `watching`."""

    def __init__(self) -> None:
        self._connections: list[sqlite3.Connection] = []
        self._handler: Callable[[], int] | None = None
        self._steps = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notes every connection that is opened meanwhile."""
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        def noted(*args: object, **options: object) -> sqlite3.Connection:
            connection = connect(*args, **options)
            self._connections.append(connection)
            connection.set_progress_handler(self._handler, 1)
            return connection

        with patch.object(sqlite3, "connect", noted):
            yield

    def start(self) -> None:
        """See Meter."""
        self._steps = 0
        self._each(self._step)

    def stop(self) -> Cost:
        """See Meter."""
        self._each(None)
        return {STEPS: float(self._steps)}

    def _step(self) -> int:
        self._steps += 1
        return 0

    def _each(self, handler: Callable[[], int] | None) -> None:
        self._handler = handler
        open_ones = []
        for one in self._connections:
            try:
                one.set_progress_handler(handler, 1)
            except sqlite3.ProgrammingError:
                continue  # closed meanwhile
            open_ones.append(one)
        self._connections = open_ones


class Together:
    """Several meters as one.

    Args:
        meters: which.
    """

    def __init__(self, *meters: Meter) -> None:
        self._meters = meters

    def start(self) -> None:
        """See Meter."""
        for one in self._meters:
            one.start()

    def stop(self) -> Cost:
        """See Meter."""
        return {name: amount for one in self._meters for name, amount in one.stop().items()}
