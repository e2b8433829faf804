"""What is in a file of the SQLite index, and the statements on it.

A row's id is the version that added it, so that the order of equal scores and the digest do not
depend on how the index got there. The callers hold the transaction.
"""

import hashlib
import json
import sqlite3
import struct
from collections.abc import Sequence

from shared.ports import Hit, IndexDocument

SCHEMA_VERSION = 2
_SNIPPET_WORDS = 32
_WEIGHTS = "2.0, 1.0, 1.5"
"""How much a match in topic, content and tags counts."""

_FEW = 20_000
"""Rows with a tag or a topic that are gathered before a search."""

_SCHEMA = (
    "DROP TABLE IF EXISTS head",
    "DROP TABLE IF EXISTS documents",
    "DROP TABLE IF EXISTS document_tags",
    "DROP TABLE IF EXISTS passages",
    "DROP TABLE IF EXISTS vectors",
    "CREATE TABLE head (version INTEGER NOT NULL, made BLOB NOT NULL)",
    "INSERT INTO head VALUES (0, randomblob(16))",
    """CREATE TABLE documents (
    id INTEGER PRIMARY KEY, entry_id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL,
    topic TEXT NOT NULL, hash BLOB NOT NULL, model TEXT NOT NULL)""",
    "CREATE INDEX documents_by_model ON documents (model)",
    "CREATE INDEX documents_by_topic ON documents (topic)",
    """CREATE TABLE document_tags (
    tag TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (tag, id)) WITHOUT ROWID""",
    "CREATE INDEX document_tags_by_id ON document_tags (id)",
    """CREATE VIRTUAL TABLE passages USING fts5(
    topic, content, tags, tokenize = 'porter unicode61 remove_diacritics 2')""",
    """CREATE TABLE vectors (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, vector BLOB NOT NULL)""",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables anew, empty, at version 0."""
    for statement in _SCHEMA:
        connection.execute(statement)


def version(connection: sqlite3.Connection) -> int:
    """Returns the newest version applied."""
    version: int = connection.execute("SELECT version FROM head").fetchone()[0]
    return version


def state(connection: sqlite3.Connection) -> tuple[bytes, int]:
    """Returns what tells two states of a file apart: when its tables were made, and its version."""
    made: bytes
    made, version = connection.execute("SELECT made, version FROM head").fetchone()
    return made, version


def documents(connection: sqlite3.Connection) -> int:
    """Returns how many documents are in."""
    count: int = connection.execute("SELECT count(*) FROM documents").fetchone()[0]
    return count


def remove(connection: sqlite3.Connection, entry_id: str) -> None:
    """Takes an entry out; nothing happens where it is not in."""
    row = connection.execute("SELECT id FROM documents WHERE entry_id = ?", (entry_id,)).fetchone()
    if row is not None:
        connection.execute("DELETE FROM documents WHERE id = ?", row)
        connection.execute("DELETE FROM document_tags WHERE id = ?", row)
        connection.execute("DELETE FROM passages WHERE rowid = ?", row)
        connection.execute("DELETE FROM vectors WHERE id = ?", row)


def add(connection: sqlite3.Connection, version: int, document: IndexDocument) -> None:
    """Puts a document in, whose entry is not in."""
    topic, content = _storable(document.topic), _storable(document.content)
    tags = [_storable(tag) for tag in document.tags]
    model = "" if document.embedding is None else document.embedding.model
    connection.execute(
        "INSERT INTO documents (id, entry_id, revision, topic, hash, model)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (version, document.entry_id, document.revision, topic, _hash(document), model),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO document_tags (tag, id) VALUES (?, ?)",
        [(tag, version) for tag in tags],
    )
    connection.execute(
        "INSERT INTO passages (rowid, topic, content, tags) VALUES (?, ?, ?, ?)",
        (version, topic, content, "\n".join(tags)),
    )
    if document.embedding is not None:
        connection.execute(
            "INSERT INTO vectors (id, model, vector) VALUES (?, ?, ?)",
            (version, model, half_precision(document.embedding.vector)),
        )


def half_precision(vector: Sequence[float]) -> bytes:
    """Returns a vector as 16-bit floats, low byte first: half the room.

    The cosine with another vector moves by less than 0.001, as binary16 rounds a number by up to
    2**-11 of it (IEEE 754).
    """
    return struct.pack(f"<{len(vector)}e", *vector)


def unembedded(connection: sqlite3.Connection, model: str, limit: int) -> list[tuple[str, int]]:
    """Returns the entries and revisions that have no vector of `model`, newest first."""
    # The `+` keeps the search by model: mostly there are none.
    return connection.execute(
        "SELECT entry_id, revision FROM documents WHERE model < ? OR model > ?"
        " ORDER BY +id DESC LIMIT ?",
        (model, model, limit),
    ).fetchall()


def _hash(document: IndexDocument) -> bytes:
    fields = [
        document.entry_id,
        document.revision,
        document.topic,
        document.content,
        *document.tags,
    ]
    return hashlib.sha256(json.dumps(fields).encode()).digest()


def _storable(text: str) -> str:
    """Returns `text` with what UTF-8 cannot carry (a lone surrogate) replaced."""
    return text.encode(errors="replace").decode()


Ranked = list[tuple[int, float]]
"""Row ids and their scores, the best first; a higher score is better."""


def ranked(
    connection: sqlite3.Connection,
    query: str,
    limit: int,
    tags: Sequence[str],
    topic: str | None,
    since: int = 0,
) -> Ranked:
    """Returns the best matches by BM25, the older publication first where scores are equal.

    Of those from row `since` on only.
    """
    filters, parameters = _narrowed(connection, tags, topic)
    newer = " AND rowid >= ?" if since else ""
    best = connection.execute(
        f"SELECT rowid, bm25(passages, {_WEIGHTS}) AS score FROM passages"
        f" WHERE passages MATCH ?{newer}{filters} ORDER BY score, rowid LIMIT ?",
        (query, *([since] if since else []), *parameters, limit),
    )
    return [(rowid, -score) for rowid, score in best]


def nth_newest(
    connection: sqlite3.Connection, query: str, n: int, tags: Sequence[str], topic: str | None
) -> int | None:
    """Returns the row of the n-th newest match, None where there are no more than n.

    Walks over the matches without ranking them, which is some twenty times as fast.
    """
    filters, parameters = _narrowed(connection, tags, topic)
    rows = connection.execute(
        f"SELECT rowid FROM passages WHERE passages MATCH ?{filters}"
        " ORDER BY rowid DESC LIMIT 2 OFFSET ?",
        (query, *parameters, n - 1),
    ).fetchall()
    return int(rows[0][0]) if len(rows) > 1 else None


def _narrowed(
    connection: sqlite3.Connection, tags: Sequence[str], topic: str | None
) -> tuple[str, list[str]]:
    """Returns the conditions that a match carries all tags and the topic, and their parameters.

    Few rows are gathered once and each match is looked for among them; of many each match is looked
    up by itself, so that nobody gathers what is not walked over.
    """
    asked = [("document_tags", "tag", _storable(tag)) for tag in tags]
    asked += [] if topic is None else [("documents", "topic", _storable(topic))]
    conditions = []
    for table, column, text in asked:
        fits = f"SELECT id FROM {table} WHERE {column} = ?"
        few = connection.execute(f"{fits} LIMIT 1 OFFSET ?", (text, _FEW)).fetchone() is None
        # The `+` keeps the full text outermost: a filter must not start it anew for each document.
        fitting = f"+rowid IN ({fits})" if few else f"EXISTS ({fits} AND id = passages.rowid)"
        conditions.append(f" AND {fitting}")
    return "".join(conditions), [text for _, _, text in asked]


def fitting(
    connection: sqlite3.Connection, tags: Sequence[str], topic: str | None
) -> set[int] | None:
    """Returns the rows that carry all tags and the topic, None where nothing is asked."""
    if not tags and topic is None:
        return None
    sets = [
        {
            row
            for (row,) in connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (text,))
        }
        for table, column, text in (
            *(("document_tags", "tag", _storable(tag)) for tag in tags),
            *([] if topic is None else [("documents", "topic", _storable(topic))]),
        )
    ]
    return set.intersection(*sets)


def hits(connection: sqlite3.Connection, query: str, best: Ranked) -> tuple[Hit, ...]:
    """Returns rows as hits; their passages mark the words of `query`."""
    return tuple(_hit(connection, query, rowid, score) for rowid, score in best)


def _hit(connection: sqlite3.Connection, query: str, rowid: int, score: float) -> Hit:
    entry_id, revision = connection.execute(
        "SELECT entry_id, revision FROM documents WHERE id = ?", (rowid,)
    ).fetchone()
    passage = (
        connection.execute(
            "SELECT snippet(passages, -1, '**', '**', '…', ?) FROM passages"
            " WHERE passages MATCH ? AND rowid = ?",
            (_SNIPPET_WORDS, query, rowid),
        ).fetchone()
        if query
        else None
    )
    return Hit(entry_id, revision, score, passage or ())
