"""Vectors in memory: exact, kept up with the file, bounded, and loaded only where needed."""

import math
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shared.adapters import index_sqlite_rows as rows
from shared.adapters.index_vectors import Vectors
from shared.ports import Embedding, IndexDocument

ROOT = Path(__file__).parents[3]
DIMS = 8


@pytest.fixture
def connection():
    made = sqlite3.connect(":memory:", isolation_level=None)
    rows.create(made)
    yield made
    made.close()


def unit(rng):
    vector = [rng.gauss(0, 1) for _ in range(DIMS)]
    length = math.hypot(*vector)
    return tuple(value / length for value in vector)


def put(connection, number, vector, *, entry_id=None, model="m"):
    rows.remove(connection, entry_id or f"e{number}")
    document = IndexDocument(
        entry_id or f"e{number}", 1, "topic", "text", (), Embedding(model, vector)
    )
    rows.add(connection, number, document)
    connection.execute("UPDATE head SET version = ?", (number,))


def exact(vectors, query, limit):
    cosines = {
        number: sum(a * b for a, b in zip(vector, query, strict=True))
        for number, vector in vectors.items()
    }
    return sorted(cosines, key=lambda number: -cosines[number])[:limit], cosines


def test_the_nearest_are_those_of_the_definition(connection):
    rng = random.Random(1)
    stored = {number: unit(rng) for number in range(1, 900)}
    for number, vector in stored.items():
        put(connection, number, vector)
    vectors = Vectors()
    for _ in range(10):
        query = unit(rng)
        found = vectors.nearest("f", connection, Embedding("m", query), 10, None)
        best, cosines = exact(stored, query, 10)
        assert all(abs(cosine - cosines[number]) < 0.001 for number, cosine in found)
        assert cosines[found[-1][0]] >= cosines[best[-1]] - 0.002


def test_only_what_is_allowed_is_found(connection):
    rng = random.Random(2)
    for number in range(1, 50):
        put(connection, number, unit(rng))
    found = Vectors().nearest("f", connection, Embedding("m", unit(rng)), 10, {3, 4, 700})
    assert {number for number, _ in found} == {3, 4}
    assert Vectors().nearest("f", connection, Embedding("m", unit(rng)), 10, set()) == []


def test_of_equals_the_older_comes_first_and_the_limit_cuts_the_younger(connection):
    for number in range(1, 30):
        put(connection, number, (1.0,) + (0.0,) * (DIMS - 1))
    query = Embedding("m", (1.0,) + (0.0,) * (DIMS - 1))
    found = Vectors().nearest("f", connection, query, 5, None)
    assert [number for number, _ in found] == [1, 2, 3, 4, 5]


def test_changes_are_seen_and_only_they_are_read(connection):
    rng = random.Random(3)
    stored = {number: unit(rng) for number in range(1, 600)}
    for number, vector in stored.items():
        put(connection, number, vector)
    vectors, query = Vectors(), unit(rng)
    vectors.nearest("f", connection, Embedding("m", query), 1, None)
    put(connection, 600, query, entry_id="e5")
    statements = []
    connection.set_trace_callback(statements.append)
    found = vectors.nearest("f", connection, Embedding("m", query), 600, None)
    connection.set_trace_callback(None)
    assert found[0][0] == 600
    assert {number for number, _ in found} == {*stored, 600} - {5}
    assert sum("SELECT vector FROM" in statement for statement in statements) == 1
    for number, cosine in found[1:]:
        expected = sum(a * b for a, b in zip(stored[number], query, strict=True))
        assert abs(cosine - expected) < 0.001
    statements.clear()
    connection.set_trace_callback(statements.append)
    vectors.nearest("f", connection, Embedding("m", query), 1, None)
    connection.set_trace_callback(None)
    assert not any("vectors" in statement for statement in statements)


def test_tables_made_anew_are_read_anew(connection):
    rng = random.Random(4)
    vectors, query = Vectors(), unit(rng)
    put(connection, 1, query)
    assert vectors.nearest("f", connection, Embedding("m", query), 5, None)[0][1] > 0.99
    rows.create(connection)
    put(connection, 1, tuple(-value for value in query))
    [(number, cosine)] = vectors.nearest("f", connection, Embedding("m", query), 5, None)
    assert number == 1
    assert cosine < -0.99


def test_another_model_takes_the_place_in_memory(connection):
    rng = random.Random(5)
    query = unit(rng)
    put(connection, 1, query, model="m")
    put(connection, 2, query, model="n")
    vectors = Vectors()
    for model, number in (("m", 1), ("n", 2), ("m", 1)):
        found = vectors.nearest("f", connection, Embedding(model, query), 5, None)
        assert [one for one, _ in found] == [number]


def test_memory_is_bounded_and_files_can_be_forgotten(connection):
    rng = random.Random(6)
    for number in range(1, 11):
        put(connection, number, unit(rng))
    vectors, query = Vectors(most_bytes=10 * DIMS * 4 * 2), Embedding("m", unit(rng))
    for name in ("a", "b", "a", "c"):
        vectors.nearest(name, connection, query, 1, None)
    assert list(vectors._kept) == ["a", "c"], "the one unused longest went"
    vectors.forget("a")
    assert list(vectors._kept) == ["c"]
    small = Vectors(most_bytes=1)
    for name in ("a", "b"):
        assert small.nearest(name, connection, query, 1, None)
    assert list(small._kept) == ["b"], "the newest is kept, whatever its size"


def test_half_precision_moves_a_cosine_by_less_than_a_thousandth():
    rng = random.Random(7)
    for _ in range(50):
        one, two = unit(rng), unit(rng)
        rounded = np.frombuffer(rows.half_precision(one), dtype="<f2").astype(float)
        exactly = sum(a * b for a, b in zip(one, two, strict=True))
        assert abs(float(rounded @ np.array(two)) - exactly) < 0.001


SEARCH = """
import asyncio, sys
from pathlib import Path
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.ports import Embedding, IndexChange, IndexDocument
async def main():
    index = SqliteKnowledgeIndex(Path(sys.argv[1]))
    document = IndexDocument("e", 1, "topic", "text", (), Embedding("m", (1.0, 0.0)))
    await index.apply("w", [IndexChange(1, "e", document)])
    await index.search("w", "text", limit=1)
    print("numpy" in sys.modules)
    await index.search("w", "text", limit=1, embedding=Embedding("m", (0.0, 1.0)))
    print("numpy" in sys.modules)
asyncio.run(main())
"""


def test_numpy_is_loaded_only_by_a_search_with_an_embedding(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SEARCH, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]
