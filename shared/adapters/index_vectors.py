"""Search by meaning: the exact cosine of a query with every document, in memory.

Imported only where there is an embedder, for it loads numpy. The invariant: what is compared is
what the caller's transaction on the file sees.
"""

import sqlite3
import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.adapters.index_sqlite_rows import Ranked, state
from shared.ports import Embedding

MOST_BYTES = 256 * 1024 * 1024
"""Vectors kept in memory, over all workspaces; the ones unused longest go first."""

_MANY = 500
"""More new vectors than this are read in one scan of the table, fewer one by one."""


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The vectors of one model in one state of a file: `rows[i]` is that of document `ids[i]`."""

    state: tuple[bytes, int]
    model: str
    ids: NDArray[np.int64]
    rows: NDArray[np.float32]


class Vectors:
    """The vectors of the files that were searched last. Every method blocks.

    Args:
        most_bytes: kept in memory; one file's may be more, and is kept while it is the newest.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, _Matrix] = OrderedDict()

    def nearest(
        self,
        name: str,
        connection: sqlite3.Connection,
        embedding: Embedding,
        limit: int,
        allowed: set[int] | None,
    ) -> Ranked:
        """Returns the nearest documents and their cosines, the older publication first if equal.

        Args:
            name: of the file, the same for the same file.
            connection: to it, in a transaction.
            embedding: of the query; vectors of another model or length are passed over.
            limit: at most so many, at least 1.
            allowed: only these documents; None for all.
        """
        if not embedding.vector:
            return []
        matrix = self._current(name, connection, embedding)
        query = np.asarray(embedding.vector, dtype=np.float32)
        ids, cosines = matrix.ids, matrix.rows @ query
        if allowed is not None:
            chosen = np.isin(ids, np.fromiter(allowed, dtype=np.int64, count=len(allowed)))
            ids, cosines = ids[chosen], cosines[chosen]
        if len(ids) > limit:
            least = np.partition(cosines, len(ids) - limit)[len(ids) - limit]
            chosen = cosines >= least  # with all that equal the last, so that ids decide
            ids, cosines = ids[chosen], cosines[chosen]
        order = np.lexsort((ids, -cosines))[:limit]
        return [(int(ids[at]), float(cosines[at])) for at in order]

    def forget(self, name: str) -> None:
        """Lets go of a file's vectors."""
        with self._guard:
            self._kept.pop(name, None)

    def _current(self, name: str, connection: sqlite3.Connection, embedding: Embedding) -> _Matrix:
        now = state(connection)
        with self._guard:
            known = self._kept.get(name)
        if known is not None and (known.model, known.state[0]) != (embedding.model, now[0]):
            known = None  # the same number may be another vector there
        if known is None or known.state != now:
            known = _read(connection, embedding, known)
        with self._guard:
            self._kept[name] = known
            self._kept.move_to_end(name)
            while len(self._kept) > 1 and self._bytes() > self._most_bytes:
                self._kept.popitem(last=False)
        return known

    def _bytes(self) -> int:
        return sum(matrix.rows.nbytes for matrix in self._kept.values())


def _read(connection: sqlite3.Connection, embedding: Embedding, known: _Matrix | None) -> _Matrix:
    """Returns the file's vectors; of those that are known already only the place."""
    dims = len(embedding.vector)
    size = 2 * dims
    listed = connection.execute(
        "SELECT id FROM vectors WHERE model = ? AND length(vector) = ? ORDER BY id",
        (embedding.model, size),
    )
    ids = np.fromiter((id for (id,) in listed), dtype=np.int64)
    rows = np.empty((len(ids), dims), dtype=np.float32)
    old = np.empty(0, dtype=np.int64) if known is None else known.ids
    if known is not None and known.rows.shape[1] == dims:
        rows[np.isin(ids, old)] = known.rows[np.isin(old, ids)]
        new = np.flatnonzero(~np.isin(ids, old))
    else:
        new = np.arange(len(ids))
    for at, vector in _vectors(connection, embedding.model, size, ids, new):
        rows[at] = np.frombuffer(vector, dtype="<f2")
    return _Matrix(state(connection), embedding.model, ids, rows)


def _vectors(
    connection: sqlite3.Connection,
    model: str,
    size: int,
    ids: NDArray[np.int64],
    wanted: NDArray[np.int64],
) -> list[tuple[int, bytes]]:
    """Returns the vectors at the places `wanted` of `ids`."""
    if len(wanted) > _MANY:
        everything = connection.execute(
            "SELECT vector FROM vectors WHERE model = ? AND length(vector) = ? ORDER BY id",
            (model, size),
        )
        return [(at, vector) for at, (vector,) in enumerate(everything)]
    one = "SELECT vector FROM vectors WHERE id = ?"
    return [(int(at), connection.execute(one, (int(ids[at]),)).fetchone()[0]) for at in wanted]
