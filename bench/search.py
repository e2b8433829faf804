"""How long a search takes at 20,000 documents, against a bare FTS5 `MATCH` over the same documents.

Prints p50 and p95 in milliseconds of both, and the ratio. The baseline is what SQLite does by
itself: no filters, no version, no highlights, no thread, and the same words.
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from shared.adapters.index_query import match_query
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.ports import IndexChange, IndexDocument

WORKSPACE = "bench"
LIMIT = 10
VOCABULARY = 30_000


def make_words(rng: random.Random) -> Callable[[int], str]:
    """Returns a source of text whose words are as unevenly common as in a language (Zipf's law)."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(3, 10))) for _ in range(VOCABULARY)]
    weights = [1 / (rank + 10) for rank in range(VOCABULARY)]
    return lambda count: " ".join(rng.choices(vocabulary, weights, k=count))


def make_documents(text: Callable[[int], str], count: int) -> list[IndexDocument]:
    return [
        IndexDocument(f"e{number}", 1, text(6), text(120), (f"tag{number % 50}",))
        for number in range(count)
    ]


def build_baseline(documents: list[IndexDocument]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE plain USING fts5(topic, content, tags, tokenize = 'porter unicode61')"
    )
    connection.executemany(
        "INSERT INTO plain VALUES (?, ?, ?)",
        [(document.topic, document.content, " ".join(document.tags)) for document in documents],
    )
    return connection


def plain_search(connection: sqlite3.Connection, query: str) -> None:
    connection.execute(
        "SELECT rowid, rank FROM plain WHERE plain MATCH ? ORDER BY rank LIMIT ?",
        (match_query(query), LIMIT),
    ).fetchall()


async def timed(
    work: Callable[[str], Awaitable[object]], queries: list[str]
) -> tuple[float, float]:
    """Returns p50 and p95 in milliseconds."""
    took_ms = []
    for query in queries:
        start = time.perf_counter()
        await work(query)
        took_ms.append((time.perf_counter() - start) * 1000)
    return statistics.median(took_ms), statistics.quantiles(took_ms, n=20)[-1]


async def measure(count: int, folder: Path) -> None:
    rng = random.Random(20_000)
    text = make_words(rng)
    documents = make_documents(text, count)
    queries = [text(rng.randint(2, 8)) for _ in range(300)]
    index = SqliteKnowledgeIndex(folder)
    start = time.perf_counter()
    changes = [
        IndexChange(number, document.entry_id, document)
        for number, document in enumerate(documents, start=1)
    ]
    await index.apply(WORKSPACE, changes)
    print(f"documents {count}, built in {time.perf_counter() - start:.1f} s")

    connection = build_baseline(documents)

    async def bare(query: str) -> None:
        plain_search(connection, query)

    async def ours(query: str) -> object:
        return await index.search(WORKSPACE, query, limit=LIMIT)

    async def tagged(query: str) -> object:
        return await index.search(WORKSPACE, query, limit=LIMIT, tags=["tag7"])

    await timed(ours, queries[:20])
    base_p50, base_p95 = await timed(bare, queries)
    print(f"{'':24}{'p50 ms':>8}{'p95 ms':>8}{'p50 ratio':>11}")
    print(f"{'plain MATCH, in memory':24}{base_p50:8.2f}{base_p95:8.2f}{1:11.2f}")
    for name, work in (("search", ours), ("search with a tag", tagged)):
        p50, p95 = await timed(work, queries)
        print(f"{name:24}{p50:8.2f}{p95:8.2f}{p50 / base_p50:11.2f}")
    connection.close()
    await index.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(parser.parse_args().documents, Path(folder)))


if __name__ == "__main__":
    main()
