"""Search in a file of the SQLite index: by words, by meaning where asked, and both made one.

The caller holds the transaction.
"""

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.adapters import index_sqlite_rows as rows
from shared.adapters.index_query import OR, match_query
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

MOST_RANKED = 20_000
"""Matches that are ranked, at most: a word that nearly all documents have would else make a search
as slow as there are documents."""


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
    """Returns the best matches.

    Where more than `MOST_RANKED` match, those that have a rarer word are ranked by the rarer words,
    and only where they do not fill the answer, the newest of the others by all words: what nearly
    all documents say tells little about any of them.
    """
    if not words or limit < 1:
        return []
    if rows.version(connection) <= MOST_RANKED:
        return rows.ranked(connection, words, limit, query.tags, query.topic)
    since = _since(connection, words, query)
    if since == 0:
        return rows.ranked(connection, words, limit, query.tags, query.topic)
    rarer = OR.join(one for one in words.split(OR) if _since(connection, one, query) == 0)
    best = _ranked_newest(connection, rarer, query, limit) if rarer else []
    if len(best) >= limit:
        return best
    known = {row for row, _ in best}
    more = rows.ranked(connection, words, limit, query.tags, query.topic, since)
    best += [one for one in more if one[0] not in known]
    return sorted(best, key=lambda one: (-one[1], one[0]))[:limit]


def _ranked_newest(
    connection: sqlite3.Connection, words: str, query: Query, limit: int
) -> rows.Ranked:
    since = _since(connection, words, query)
    return rows.ranked(connection, words, limit, query.tags, query.topic, since)


def _since(connection: sqlite3.Connection, words: str, query: Query) -> int:
    """Returns from which row on the newest `MOST_RANKED` matches are; 0 where there are no more."""
    found = rows.nth_newest(connection, words, MOST_RANKED, query.tags, query.topic)
    return found or 0


def _near(
    connection: sqlite3.Connection, name: str, query: Query, vectors: "Vectors | None"
) -> rows.Ranked | None:
    """Returns the nearest documents; None where the index knows no vector to compare with."""
    if vectors is None or query.embedding is None:
        return None
    allowed = rows.fitting(connection, query.tags, query.topic)
    depth = max(query.limit, LEAST_DEPTH)
    return vectors.nearest(name, connection, query.embedding, depth, allowed) or None
