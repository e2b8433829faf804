"""What the SQLite index promises beyond the port: processes, crashes, damage."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from shared.adapters import index_sqlite_file, index_sqlite_rows, index_sqlite_search
from shared.adapters.index_query import MAX_TERMS, STOP_WORDS, match_query
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.errors import CorruptData, Unavailable
from shared.ports import IndexChange, IndexDocument

ROOT = Path(__file__).parents[2]

APPLY = """
import asyncio, sys
from pathlib import Path
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.ports import IndexChange, IndexDocument
index = SqliteKnowledgeIndex(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(1, int(sys.argv[2]) + 1):
    document = IndexDocument(f"e{number}", 1, "topic", "text of some length " * 20, ("t",))
    asyncio.run(index.apply("w", [IndexChange(number, f"e{number}", document)]))
    print(number, flush=True)
"""


def start(folder: Path, changes: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", APPLY, str(folder), str(changes)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


def change(number: int, content: str = "text") -> IndexChange:
    return IndexChange(number, f"e{number}", IndexDocument(f"e{number}", 1, "topic", content, ()))


def found(index: SqliteKnowledgeIndex, text: str = "text") -> list[str]:
    return [hit.entry_id for hit in asyncio.run(index.search("w", text, limit=500)).hits]


@pytest.fixture
def index(tmp_path: Path):
    made = SqliteKnowledgeIndex(tmp_path)
    yield made
    asyncio.run(made.close())


def test_processes_that_apply_the_same_changes_agree(tmp_path, index):
    processes = [start(tmp_path, 60) for _ in range(4)]
    for process in processes:
        assert len(process.communicate()[0].split()) == 60
        assert process.returncode == 0
    assert asyncio.run(index.version("w")) == 60
    assert sorted(found(index)) == sorted(f"e{number}" for number in range(1, 61))


def test_a_killed_writer_loses_nothing_that_it_reported(tmp_path, index):
    process = start(tmp_path, 100_000)
    for _ in range(15):
        reported = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    reported = max([reported, *map(int, process.communicate()[0].split())])
    version = asyncio.run(index.version("w"))
    assert version >= reported
    assert sorted(found(index)) == sorted(f"e{number}" for number in range(1, version + 1))
    asyncio.run(index.apply("w", [change(version + 1)]))
    assert asyncio.run(index.version("w")) == version + 1


def test_a_process_sees_what_another_wrote_and_dropped(tmp_path, index):
    other = SqliteKnowledgeIndex(tmp_path)
    asyncio.run(index.apply("w", [change(1)]))
    assert found(other) == ["e1"]
    asyncio.run(other.apply("w", [change(2)]))
    assert found(index) == ["e1", "e2"]
    asyncio.run(other.drop("w"))
    assert found(index) == []
    asyncio.run(other.close())


def test_a_failure_midway_leaves_the_version_before(index):
    asyncio.run(index.apply("w", [change(1)]))
    with pytest.raises(OverflowError):
        asyncio.run(index.apply("w", [change(2), change(2**70)]))
    assert (asyncio.run(index.version("w")), found(index)) == (1, ["e1"])


@pytest.mark.parametrize(
    "content", [b"this is no database " * 500, b"SQLite format 3\x00" + b"\xff" * 8000]
)
def test_a_damaged_file_is_reported_and_can_be_dropped(tmp_path, index, content):
    (tmp_path / "w.sqlite").write_bytes(content)
    for call in (
        index.version("w"),
        index.search("w", "text", limit=1),
        index.apply("w", [change(1)]),
    ):
        with pytest.raises(CorruptData, match="rebuild"):
            asyncio.run(call)
    asyncio.run(index.drop("w"))
    asyncio.run(index.apply("w", [change(1)]))
    assert found(index) == ["e1"]


def test_a_damaged_file_that_one_process_replaced_is_seen_by_the_other(tmp_path, index):
    other = SqliteKnowledgeIndex(tmp_path)
    asyncio.run(index.apply("w", [change(1)]))
    assert found(other) == ["e1"]
    index._files["w"].start_over()
    assert found(other) == []
    asyncio.run(other.apply("w", [change(5)]))
    assert found(index) == ["e5"]
    asyncio.run(other.close())


def test_a_file_of_another_schema_is_empty_and_made_anew_by_the_next_change(tmp_path, index):
    asyncio.run(index.apply("w", [change(1)]))
    with closing(sqlite3.connect(tmp_path / "w.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert (asyncio.run(index.version("w")), found(index)) == (0, [])
    asyncio.run(index.apply("w", [change(2)]))
    assert found(index) == ["e2"]


def test_a_locked_file_is_unavailable(tmp_path, index, monkeypatch):
    asyncio.run(index.apply("w", [change(1)]))
    asyncio.run(index.close())
    monkeypatch.setattr(index_sqlite_file, "_BUSY_TIMEOUT_S", 0.0)
    blocker = sqlite3.connect(tmp_path / "w.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for call in (index.apply("w", [change(2)]), index.drop("w")):
        with pytest.raises(Unavailable, match="SQLITE_BUSY"):
            asyncio.run(call)
    assert found(index) == ["e1"]
    blocker.close()
    asyncio.run(index.apply("w", [change(2)]))
    assert found(index) == ["e1", "e2"]


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("no folder")
    index = SqliteKnowledgeIndex(tmp_path / "file" / "index")
    with pytest.raises(Unavailable):
        asyncio.run(index.apply("w", [change(1)]))


def test_an_index_works_again_after_close(index):
    asyncio.run(index.apply("w", [change(1)]))
    asyncio.run(index.close())
    assert found(index) == ["e1"]


def test_connections_are_closed_with_the_index(tmp_path):
    def open_files() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum(str(tmp_path) in str(link.readlink()) for link in links)

    async def use_at_once(index: SqliteKnowledgeIndex) -> None:
        await asyncio.gather(*(index.search("w", "text", limit=1) for _ in range(20)))

    index = SqliteKnowledgeIndex(tmp_path)
    asyncio.run(index.apply("w", [change(1)]))
    asyncio.run(use_at_once(index))
    assert open_files() > 0
    asyncio.run(index.close())
    assert open_files() == 0


def test_an_index_that_is_only_read_makes_no_file(tmp_path, index):
    assert (asyncio.run(index.version("w")), found(index)) == (0, [])
    assert list(tmp_path.iterdir()) == []


def test_a_query_is_its_distinct_words_without_stop_words():
    assert match_query("The Cache of the cache-keys, and (NOT) content:x") == (
        '"cache" OR "keys" OR "content" OR "x"'
    )
    assert match_query("what is it?") == ""


def test_a_long_query_is_cut_at_the_most_terms():
    words = [f"w{number}" for number in range(MAX_TERMS + 30)]
    assert match_query(" ".join(words)).count(" OR ") == MAX_TERMS - 1


def test_stop_words_are_lower_case_words():
    assert {"the", "of", "and"} < STOP_WORDS
    assert all(word.isalpha() and word == word.lower() for word in STOP_WORDS)


@pytest.fixture
def ranks_three(index, monkeypatch):
    """An index that ranks three matches at most, with ten documents that all say `text`."""
    monkeypatch.setattr(index_sqlite_search, "MOST_RANKED", 3)
    words = {1: "text kiwi", 2: "text plum", 3: "text plum", 9: "text kiwi kiwi"}
    changes = [change(number, words.get(number, "text")) for number in range(1, 11)]
    asyncio.run(index.apply("w", changes))
    return index


def test_of_words_that_too_many_documents_have_the_newest_are_ranked(ranks_three):
    assert found(ranks_three) == ["e8", "e10", "e9"]


def test_rarer_words_rank_before_and_whatever_the_age(ranks_three):
    assert found(ranks_three, "plum text")[:2] == ["e2", "e3"]
    assert set(found(ranks_three, "plum text")) == {"e2", "e3", "e8", "e9", "e10"}
    two = asyncio.run(ranks_three.search("w", "kiwi text", limit=2)).hits
    assert {one.entry_id for one in two} == {"e1", "e9"}
    assert two[0].score >= two[1].score


def test_three_matches_are_ranked_as_ever(ranks_three):
    asyncio.run(ranks_three.apply("w", [change(11, "plum")]))
    assert len(found(ranks_three, "plum")) == 3
    assert found(ranks_three, "nothing of this") == []


@pytest.mark.parametrize("few", [1, 100])
def test_many_rows_with_a_topic_and_tags_are_told_like_few(index, monkeypatch, few):
    monkeypatch.setattr(index_sqlite_rows, "_FEW", few)
    documents = [
        IndexDocument(f"e{n}", 1, f"topic{n % 2}", "text", ("a", "b") if n % 3 else ("a",))
        for n in range(1, 13)
    ]
    changes = [IndexChange(n, one.entry_id, one) for n, one in enumerate(documents, start=1)]
    asyncio.run(index.apply("w", changes))
    asked = index.search("w", "text", limit=50, topic="topic1", tags=["a", "b"])
    assert [one.entry_id for one in asyncio.run(asked).hits] == ["e1", "e5", "e7", "e11"]
