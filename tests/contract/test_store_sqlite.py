"""The SQLite store beyond its contract: crashes, processes, groups of commits, full disks."""

import asyncio
import base64
import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from shared.adapters import sqlite_schema
from shared.adapters.sqlite_writer import GroupWriter
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.audit import ChainCheck
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.feedback import CONVERSATIONS
from shared.domain.records import Filter, Order
from shared.errors import InvalidInput, Unavailable
from tests.contract.store_records import (
    HERE,
    creates,
    entry,
    event,
    key,
    puts,
    raise_count,
    write,
)

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]


def start_writer(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_writer", str(path), name, str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go(*writers):
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()


def finish(writer):
    """Waits for a writer's end and returns what it told since it was last read."""
    rest = writer.stdout.read()
    writer.stdout.close()
    writer.stdin.close()
    writer.wait(timeout=60)
    return rest


def check_whole(path, told):
    """Every told transaction is there whole; none is there in part."""
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT id FROM content_keys WHERE workspace = ?", (HERE,))
        ids = {row[0] for row in rows}
        audits = [row[0] for row in file.execute("SELECT subject FROM audit_log ORDER BY seq")]
        events = [row[0] for row in file.execute("SELECT event_id FROM outbox ORDER BY position")]
        evidence = file.execute("SELECT seq, feedback_id FROM evidence_ratings ORDER BY seq")
        numbered = evidence.fetchall()
        counts = file.execute("SELECT value FROM counters").fetchall()
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    marks = {one[:-1] for one in ids}
    assert ids == {f"{mark}{half}" for mark in marks for half in "ab"}
    assert set(told) <= marks
    assert sorted(audits) == sorted(events) == sorted(marks)
    assert [seq for seq, _ in numbered] == list(range(1, len(marks) + 1))
    assert sorted(name for _, name in numbered) == sorted(marks)
    assert counts in ([(len(marks),)], [])

    async def read():
        store = SqliteStore(path)
        chain = ChainCheck()
        chain.feed(await store.audit_chain(HERE, 0, 10**6))
        count = await store.get(HERE, CONVERSATIONS, "conversations")
        await store.close()
        return chain, count

    chain, count = asyncio.run(read())
    assert (chain.checked, chain.first_broken) == (len(marks), None)
    assert (count.completed if count else 0) == len(marks)
    return marks


# --- crashes and processes ------------------------------------------------------------------------


@pytest.mark.crash
@pytest.mark.slow
def test_what_was_told_survives_a_kill_at_any_point_and_nothing_is_there_in_part(tmp_path):
    path = tmp_path / "whetstone.db"
    make_file(path)
    chance = random.Random(11)
    told: list[str] = []
    for names in zip("acegikmoqs", "bdfhjlnprt", strict=True):
        writers = [start_writer(path, name, 10**6) for name in names]
        try:
            let_go(*writers)
            for writer in writers:
                told += [writer.stdout.readline().strip() for _ in range(chance.randrange(1, 40))]
                writer.kill()
        finally:
            for writer in writers:
                writer.kill()
                rest = finish(writer).splitlines(keepends=True)
                told += [line.strip() for line in rest if line.endswith("\n")]
    marks = check_whole(path, told)
    assert {mark[0] for mark in marks} == set("abcdefghijklmnopqrst")


def make_file(path):
    """Makes the file, so that the writers only open it."""
    asyncio.run(SqliteStore(path).close())


def test_two_processes_on_one_file_lose_nothing(tmp_path):
    path = tmp_path / "whetstone.db"
    writers = [start_writer(path, name, 150) for name in "xy"]  # both also make the file
    try:
        let_go(*writers)
        told = [line for writer in writers for line in finish(writer).split()]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(told) == 300
    assert check_whole(path, told) == set(told)


# --- the writer -----------------------------------------------------------------------------------


def test_waiting_transactions_are_committed_together(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        commits = []
        store._writing.set_trace_callback(
            lambda sql: commits.append(sql) if sql == "COMMIT" else None
        )
        await asyncio.gather(*(raise_count(store) for _ in range(200)))
        store._writing.set_trace_callback(None)
        await store.close()
        return len(commits)

    assert 200 / 64 <= asyncio.run(scenario()) <= 20


def test_commits_are_durable(tmp_path):
    with closing(sqlite_schema.connect(tmp_path / "whetstone.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_disk_is_unavailable_and_the_store_goes_on_once_there_is_room(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        await write(store, creates(CONTENT_KEYS, key("before")))
        (pages,) = store._writing.execute("PRAGMA page_count").fetchone()
        store._writing.execute(f"PRAGMA max_page_count = {pages}")
        large = [entry(number, content="x" * 50_000) for number in range(4)]
        done = await asyncio.gather(
            *(write(store, puts(ENTRIES, one), puts(CONTENT_KEYS, key(one.id))) for one in large),
            return_exceptions=True,
        )
        assert all(isinstance(one, Unavailable) for one in done)
        assert await store.count(HERE, ENTRIES, at_most=9) == 0
        assert await store.count(HERE, CONTENT_KEYS, at_most=9) == 1
        store._writing.execute("PRAGMA max_page_count = 1073741823")
        await write(store, puts(ENTRIES, *large))
        assert await store.count(HERE, ENTRIES, at_most=9) == 4
        await store.close()

    asyncio.run(scenario())


def test_a_row_that_the_database_refuses_fails_alone(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        store._writing.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON outbox WHEN new.event_id = 'evt_bad'"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        done = await asyncio.gather(
            *(
                write(
                    store,
                    creates(CONTENT_KEYS, key(name)),
                    lambda tx, name=name: tx.emit(event(f"evt_{name}")),
                )
                for name in ("one", "bad", "two")
            ),
            return_exceptions=True,
        )
        assert [type(one) for one in done] == [type(None), Unavailable, type(None)]
        found = await store.get_many(HERE, CONTENT_KEYS, ["one", "bad", "two"])
        assert [one and one.id for one in found] == ["one", None, "two"]
        await store.close()

    asyncio.run(scenario())


def test_a_commit_that_fails_tells_all_its_callers_and_the_next_goes_well(tmp_path):
    path = tmp_path / "whetstone.db"
    make_file(path)

    class Failing:
        """The connection, whose first COMMIT fails as a broken disk makes it fail."""

        def __init__(self, connection):
            self.connection, self.broken = connection, True

        def execute(self, sql, *parameters):
            if sql == "COMMIT" and self.broken:
                self.broken = False
                raise sqlite3.OperationalError("disk I/O error")
            return self.connection.execute(sql, *parameters)

        def __getattr__(self, name):
            return getattr(self.connection, name)

    async def scenario():
        store = SqliteStore(path)
        store._writer._connection = Failing(store._writing)
        done = await asyncio.gather(*(raise_count(store) for _ in range(5)), return_exceptions=True)
        assert [type(one) for one in done] == [Unavailable] * 5
        assert await raise_count(store) == 1
        await store.close()

    asyncio.run(scenario())


def test_a_writer_waits_for_another_process_off_the_loop_and_gives_up_in_time(tmp_path):
    path = tmp_path / "whetstone.db"
    make_file(path)

    class Nothing:
        def flush(self):
            pass

        def finish(self):
            pass

    async def work(_):
        return "done"

    async def scenario():
        with (
            closing(sqlite_schema.connect(path)) as mine,
            closing(sqlite_schema.connect(path)) as other,
        ):
            mine.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            impatient = GroupWriter(mine, Nothing, busy_timeout_s=0.05)
            with pytest.raises(Unavailable):
                await impatient.submit(lambda _: Nothing(), work)
            await impatient.close()
            patient = GroupWriter(mine, Nothing, busy_timeout_s=30)
            waiting = asyncio.create_task(patient.submit(lambda _: Nothing(), work))
            turns = 0
            while turns < 50:  # the loop turns on while the thread waits
                await asyncio.sleep(0)
                turns += 1
            assert not waiting.done()
            other.execute("ROLLBACK")
            assert await waiting == "done"
            await patient.close()

    asyncio.run(scenario())


def test_a_function_that_waits_for_something_else_is_refused(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")

        async def work(tx):
            tx.put(CONTENT_KEYS, key("a"))
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="await only"):
            await store.transact(HERE, work)
        assert await store.get(HERE, CONTENT_KEYS, "a") is None
        assert await raise_count(store) == 1
        await store.close()

    asyncio.run(scenario())


def test_a_closed_store_is_unavailable(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        await store.close()
        for attempt in (
            lambda: raise_count(store),
            lambda: store.get(HERE, CONTENT_KEYS, "a"),
            lambda: store.get_many(HERE, CONTENT_KEYS, ["a"]),
            lambda: store.find(HERE, ENTRIES),
            lambda: store.outbox(1),
            store.ping,
        ):
            with pytest.raises(Unavailable):
                await attempt()

    asyncio.run(scenario())


def test_a_store_serves_one_loop_after_the_other(tmp_path):
    store = SqliteStore(tmp_path / "whetstone.db")
    assert [asyncio.run(raise_count(store)) for _ in range(3)] == [1, 2, 3]
    asyncio.run(store.close())


@pytest.mark.parametrize("last", ["7" * 30, '"\\ud800"', "1e999", "NaN", "true", "[]", "null"])
def test_a_forged_cursor_is_refused_or_read_but_never_breaks(tmp_path, last):
    async def scenario():
        store = SqliteStore(tmp_path / "whetstone.db")
        await write(store, puts(ENTRIES, *(entry(number) for number in range(5))))
        asked = (Filter("state", "==", "pending_approval"),)
        order = Order("confidence_score")
        page = await store.find(HERE, ENTRIES, *asked, order=order, limit=1)
        padded = page.next_cursor + "=" * (-len(page.next_cursor) % 4)
        fingerprint, _, record_id = json.loads(base64.urlsafe_b64decode(padded))
        for forged in (
            f'["{fingerprint}",{last},"{record_id}"]',
            f'["{fingerprint}",0.5,{last}]',
            f'["{fingerprint}",0.5]',
        ):
            cursor = base64.urlsafe_b64encode(forged.encode()).decode()
            with suppress(InvalidInput):
                found = await store.find(HERE, ENTRIES, *asked, order=order, cursor=cursor)
                assert len(found.items) <= 5
        await store.close()

    asyncio.run(scenario())
