"""`whetstone`, but the process dies at once when it reaches a step for the N-th time.

CRASH_AT=step:N says which; between these steps a crash could lose or double something.
"""

import os
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from shared.adapters import sqlite_transaction, sqlite_writer
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.bus_inprocess import InProcessBus
from shared.cli.main import main

STEPS = ("transaction", "written", "committed", "object", "delivered", "published")

CRASHED = 9

_step, _, _at = os.environ.get("CRASH_AT", ":0").partition(":")
_reached = count(1)


def _die_at(step: str) -> None:
    if step == _step and next(_reached) >= int(_at):
        os._exit(CRASHED)


class _Connection:
    """Dies right after a commit is on the disk, before anyone was told."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql == "COMMIT":
            _die_at("written")
        result = self._connection.execute(sql, *parameters)
        if sql == "COMMIT":
            _die_at("committed")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _before(owner: type, name: str, step: str) -> None:
    plain: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _die_at(step)
        return plain(*args, **kwargs)

    setattr(owner, name, wrapped)


def _after(owner: type, name: str, step: str) -> None:
    plain: Callable[..., Any] = getattr(owner, name)

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = await plain(*args, **kwargs)
        _die_at(step)
        return result

    setattr(owner, name, wrapped)


def wrap_connection() -> None:
    """Has every commit of this process pass the steps around it."""
    plain = sqlite_writer.GroupWriter.__init__

    def init(self: Any, connection: Any, *args: Any, **kwargs: Any) -> None:
        plain(self, connection, *args, **kwargs)
        self._connection = _Connection(connection)

    sqlite_writer.GroupWriter.__init__ = init  # type: ignore[method-assign]


if __name__ == "__main__":
    wrap_connection()
    _before(sqlite_transaction.SqliteTransaction, "flush", "transaction")
    _after(FolderBlobs, "put", "object")
    _after(InProcessBus, "_deliver", "delivered")
    _after(InProcessBus, "publish", "published")
    sys.exit(main())
