"""Copies the write-ahead log into the database file beside the commits, in a thread of its own.

SQLite else does it within the commit that finds the log too long, and whoever waits for that commit
waits for thousands of pages. A passive checkpoint disturbs neither readers nor the writer; it puts
the log on the disk before it copies from it, so a crash at any moment loses nothing. What the
writer still copies when the log has reached its full length is only what came in since.

Only where SQLite is new enough: before, a commit that begins the log anew while a checkpoint starts
could be taken for copied, and lost (the "WAL-reset bug", sqlite.org/wal.html).
"""

import logging
import sqlite3
import threading
import time
from pathlib import Path

from shared.adapters import sqlite_schema

EVERY_S = 0.5
"""Seconds from one checkpoint to the next, at least: pages that change often are copied less."""

LOG_PAGES = 16_000
"""Pages of the log from which on the writer copies itself, where checkpoints run beside it."""

_MENDED = (3, 51, 3)
_MENDED_BEFORE = {(3, 50): 7, (3, 44): 6}
"""Lines of older versions that have the mend, from which one on."""

logger = logging.getLogger("whetstone.store")


def may_run(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Tells whether a checkpoint beside the writer is safe with this version of SQLite."""
    since = _MENDED_BEFORE.get((version[0], version[1]))
    return version >= _MENDED or (since is not None and version[2] >= since)


class Checkpoints:
    """Checkpoints of one database file, one at a time.

    Args:
        path: of the file; opened at the first checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._started_s = time.monotonic()

    def after_commit(self) -> None:
        """Starts a checkpoint where the last one has ended and began long enough ago."""
        now_s = time.monotonic()
        if now_s - self._started_s < EVERY_S:
            return
        if self._thread is None or not self._thread.is_alive():
            self._started_s = now_s
            self._thread = threading.Thread(target=self._run, name="sqlite-checkpoint", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Waits for the one that runs."""
        if self._thread is not None:
            self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        try:
            if self._connection is None:
                self._connection = sqlite_schema.connect(self._path)
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # nothing is lost: the writer copies what is left
            logger.warning("store.checkpoint_failed", extra={"detail": str(error)})
