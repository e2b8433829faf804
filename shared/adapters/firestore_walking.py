"""Walks along a query until enough documents fit, and does it again to see that nothing changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.firestore_client import Document, FirestoreClient, Stale
from shared.adapters.firestore_queries import Walk
from shared.adapters.firestore_values import Pb


@dataclass(frozen=True, slots=True)
class Step:
    """One query that was run, and the names and versions that it returned."""

    parent: str
    query: Pb
    seen: Sequence[tuple[str, Any]]

    async def repeat(self, client: FirestoreClient, transaction: bytes) -> None:
        """Runs it again in a transaction.

        Raises:
            Stale: it returns something else now.
        """
        reading = await client.query(self.parent, self.query, transaction=transaction)
        if [(one.name, one.version) for one in reading.found.values()] != list(self.seen):
            raise Stale


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found, as of when, and by which steps.

    `stopped_at` is the last document that it looked at where it was cut short, else None.
    """

    found: list[Document]
    at: Pb
    steps: list[Step]
    stopped_at: Document | None = None


async def walked(
    client: FirestoreClient,
    parent: str,
    asked: Walk,
    wanted: int,
    *,
    at: Pb = None,
    most: int | None = None,
) -> Walked:
    """Returns up to `wanted` documents that fit, in order.

    Each step but the first goes on where the one before it ended, all as of one moment.

    Args:
        client: the database.
        parent: what the collection is under.
        asked: the query, and what is looked for along it.
        wanted: documents, at most.
        at: the moment; now where None.
        most: documents after which it stops looking; None walks to the end.
    """
    found: list[Document] = []
    steps: list[Step] = []
    looked, size = 0, _next(asked, wanted, most)
    query = asked.first(size)
    while True:
        reading = await client.query(parent, query, at=at)
        at = reading.at
        documents = list(reading.found.values())
        steps.append(Step(parent, query, [(one.name, one.version) for one in documents]))
        found += [one for one in documents if asked.fits(one.fields)]
        looked += len(documents)
        if len(found) >= wanted or len(documents) < size:
            return Walked(found[:wanted], at, steps)
        if looked == most:
            return Walked(found, at, steps, documents[-1])
        size = _next(asked, wanted, None if most is None else most - looked)
        query = asked.after(documents[-1].fields, documents[-1].name, size)


def _next(asked: Walk, wanted: int, left: int | None) -> int:
    """Returns how many documents to ask for, of those that may still be looked at."""
    return asked.chunk(wanted) if left is None else min(asked.chunk(wanted), left)
