"""Runs transactions again until they hold, or until it is enough.

No locks are held on Google Cloud while a function runs: whoever finds that what it read has changed
runs again.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

from shared.adapters.firestore_client import FirestoreClient, Stale, Turn
from shared.adapters.firestore_transaction import FirestoreTransaction
from shared.errors import Unavailable
from shared.ports import OutboxItem

T = TypeVar("T")

CONTENTION_S = 20.0
"""Seconds for which a transaction is run again because others were faster."""

_FIRST_WAIT_S = 0.005
_LONGEST_WAIT_S = 0.5


class Turns:
    """Those of one process who want the same documents, or ask one collection, take turns.

    No promise rests on this (other processes do not wait); it keeps a crowd from running into each
    other again and again.

    Args:
        client: whose loop's turns are taken.
    """

    def __init__(self, client: FirestoreClient) -> None:
        self._all = client.turns
        self._held: list[str] = []

    async def take(self, names: Iterable[str]) -> None:
        """Waits for the turn at each document, and keeps it until `free`."""
        wanted = sorted({*names, *self._held})
        self.free()
        for name in wanted:
            turn = self._all.setdefault(name, Turn())
            turn.wanted += 1
            try:
                await turn.lock.acquire()
            except BaseException:
                self._leave(name)
                raise
            self._held.append(name)

    def awaited(self, names: Iterable[str]) -> list[str]:
        """Returns the documents that it is somebody else's turn at."""
        return [name for name in names if name in self._all and name not in self._held]

    def has(self, names: Collection[str]) -> bool:
        """Tells whether it is our turn at each document."""
        return set(names) <= set(self._held)

    def free(self) -> None:
        """Lets the next ones go on."""
        for name in self._held:
            self._all[name].lock.release()
            self._leave(name)
        self._held = []

    def _leave(self, name: str) -> None:
        turn = self._all[name]
        turn.wanted -= 1
        if turn.wanted == 0:
            del self._all[name]


async def run_optimistic(
    client: FirestoreClient,
    workspace: str,
    run: Callable[[FirestoreTransaction], Awaitable[T]],
    shards: int,
) -> tuple[T, Sequence[OutboxItem]]:
    """Runs `run` until its transaction is committed; returns its result and its events.

    Those of this process who met others go on one after the other, and who comes later behind them;
    others are waited out.

    Raises:
        AlreadyExists: a `create` met an existing record.
        Unavailable: the store does not answer, or contention did not end.
    """
    deadline = time.monotonic() + CONTENTION_S
    wait_s = _FIRST_WAIT_S
    turns = Turns(client)
    try:
        while True:
            transaction = FirestoreTransaction(client, workspace, shards)
            result = await run(transaction)
            if others := turns.awaited(transaction.contended()):
                await turns.take(others)
                continue  # what was read is old by now
            if not turns.has(asked := transaction.queried()):
                await turns.take(asked)
            try:
                return result, await transaction.commit()
            except Stale:
                if time.monotonic() > deadline:
                    detail = "others keep changing the same records; try again"
                    raise Unavailable(detail) from None
            await turns.take(transaction.contended())
            await asyncio.sleep(random.random() * wait_s)  # noqa: S311 -- no secret
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
    finally:
        turns.free()
