"""Search in a file of the SQLite index: by words, by meaning where asked, and both made one.

The caller holds the transaction.
"""

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.adapters import index_sqlite_rows as rows
from shared.adapters.index_query import match_query
from shared.domain.knowledge.fusion import fused
from shared.ports import Embedding, SearchResult

if TYPE_CHECKING:
    from shared.adapters.index_vectors import Vectors

BY_WORDS = "bm25"
BY_MEANING = "vector"
BY_BOTH = "bm25+vector"

LEAST_DEPTH = 100
"""How far down each ranking goes, at least, before they are fused: what is far down in one may be
first in the other."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for; the arguments of `KnowledgeIndex.search`."""

    text: str
    limit: int
    tags: tuple[str, ...]
    topic: str | None
    embedding: Embedding | None


def search(
    connection: sqlite3.Connection, name: str, query: Query, vectors: "Vectors | None"
) -> SearchResult:
    """Returns the best matches for `query` in the file called `name`."""
    version = rows.version(connection)
    words = match_query(query.text)
    near = _near(connection, name, query, vectors)
    if near is None:
        best = _by_words(connection, words, query, query.limit)
        return SearchResult(rows.hits(connection, words, best), version, BY_WORDS)
    depth = max(query.limit, LEAST_DEPTH)
    by_words = _by_words(connection, words, query, depth)
    both = fused([[row for row, _ in ranking] for ranking in (by_words, near)])
    best = both[: max(query.limit, 0)]
    return SearchResult(
        rows.hits(connection, words, best), version, BY_BOTH if words else BY_MEANING
    )


def _by_words(connection: sqlite3.Connection, words: str, query: Query, limit: int) -> rows.Ranked:
    if not words or limit < 1:
        return []
    return rows.ranked(connection, words, limit, query.tags, query.topic)


def _near(
    connection: sqlite3.Connection, name: str, query: Query, vectors: "Vectors | None"
) -> rows.Ranked | None:
    """Returns the nearest documents; None where the index knows no vector to compare with."""
    if vectors is None or query.embedding is None:
        return None
    allowed = rows.fitting(connection, query.tags, query.topic)
    depth = max(query.limit, LEAST_DEPTH)
    return vectors.nearest(name, connection, query.embedding, depth, allowed) or None
