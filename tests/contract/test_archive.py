"""The contract of `ports.Archive`, for every store, and from each store into each other."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from shared.adapters.archive_sqlite import SqliteArchive
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.access import WORKSPACES, Workspace
from shared.domain.audit import ChainCheck
from shared.domain.backup import AUDIT, COUNTERS, LOGS, OUTBOX, PARTS, RATINGS
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.operations import RESTORE_ID, RESTORES, RestoreMark
from shared.errors import CorruptData, NotFound
from shared.messages.events import Event
from shared.ports import ArchiveRow
from tests.contract.store_records import (
    HERE,
    OUTCOME,
    PROMPT,
    RATING,
    THERE,
    audit_entry,
    entry,
    event,
    everything,
    key,
    puts,
    write,
)

pytestmark = pytest.mark.contract


def in_sqlite(_, root):
    def opened(name):
        store = SqliteStore(root / name / "whetstone.db")
        return store, SqliteArchive(store.path)

    return opened


def in_postgres(request, root):
    from shared.adapters.archive_postgres import PostgresArchive
    from shared.adapters.store_postgres import PostgresStore
    from tests.support.postgres_fixture import pool_on

    databases = request.getfixturevalue("postgres")

    def opened(name):
        store = PostgresStore(pool_on(databases.of(root / name)))
        return store, PostgresArchive(store.pool)

    return opened


def in_firestore(request, _):
    from shared.adapters.archive_firestore import FirestoreArchive
    from shared.adapters.store_firestore import FirestoreStore
    from tests.support.firestore_fixture import new_project

    patch = request.getfixturevalue("monkeypatch")
    for name, value in request.getfixturevalue("firestore_server").environment.items():
        patch.setenv(name, value)

    def opened(_):
        store = FirestoreStore(new_project())
        return store, FirestoreArchive(store)

    return opened


STORES = [in_sqlite, in_postgres, in_firestore]


@pytest.fixture(params=STORES)
def play(request, tmp_path):
    """Runs a scenario over an empty store and its archive."""
    opened = request.param(request, tmp_path)

    def run(scenario):
        async def whole():
            store, archive = opened("one")
            try:
                return await scenario(store, archive)
            finally:
                await store.close()

        return asyncio.run(whole())

    return run


@pytest.fixture
def between(request, tmp_path):
    """Runs a scenario over a store of one kind and another one of another kind."""

    def run(source, target, scenario):
        async def whole():
            async with AsyncExitStack() as stack:
                pairs = [
                    make(request, tmp_path)(name)
                    for make, name in ((source, "source"), (target, "target"))
                ]
                for store, _ in pairs:
                    stack.push_async_callback(store.close)
                await scenario(*pairs)

        asyncio.run(whole())

    return run


async def part_of(view, part, limit=3):
    """Returns all rows of a part, read a few at a time."""
    found, after = [], ""
    while rows := await view.rows(part, after, limit):
        found += rows
        after = rows[-1].key
    return found


async def taken(archive, workspace=HERE):
    """Returns every part of a workspace."""
    async with archive.view(workspace) as view:
        return {part: await part_of(view, part) for part in PARTS}


def event_of(row):
    return Event.model_validate_json(row.doc).event_id


async def fill(store):
    """Writes a little of everything, odd values among it."""
    await write(store, puts(ENTRIES, *[entry(number) for number in range(7)]))
    odd = [key(name) for name in ("a/b", "a", "é", "__x__", ".", "a.b", "Z", "a\U0001f600")]
    await write(store, puts(CONTENT_KEYS, *odd))
    for number in range(5):
        await write(
            store,
            lambda tx, n=number: (
                tx.add("review", {"approved": n, "odd.`field": 1}),
                tx.add(f"day:{n}", {"n": 1}),
                tx.append(RATING, OUTCOME, PROMPT),
                tx.audit(audit_entry(f"ent_{n}")),
                tx.emit(event(f"evt_{n}")),
            ),
        )


def test_every_part_comes_whole_in_order_and_in_pages(play):
    async def scenario(store, archive):
        await fill(store)
        found = await taken(archive)
        assert [row.key for row in found["entries"]] == [f"ent_{n:04d}" for n in range(7)]
        ids = [row.key for row in found["content_keys"]]
        assert ids == sorted(ids, key=str.encode)
        assert len(ids) == 8
        assert [int(row.key) for row in found[RATINGS]] == [1, 2, 3, 4, 5]
        assert [event_of(row) for row in found[OUTBOX]] == [f"evt_{n}" for n in range(5)]
        counters = {row.key: row.doc for row in found[COUNTERS]}
        assert counters["review"] == '{"approved":10,"odd.`field":5}'
        assert list(counters) == sorted(counters)

    play(scenario)


def test_a_view_shows_one_moment_whatever_is_written_meanwhile(play):
    async def scenario(store, archive):
        await fill(store)
        before = await taken(archive)
        async with archive.view(HERE) as view:
            await write(store, everything, puts(ENTRIES, entry(0, topic="changed"), entry(99)))
            assert {part: await part_of(view, part) for part in PARTS} == before
            assert dict(view.ends) == dict.fromkeys(LOGS, 5)
            assert view.audit_head in before[AUDIT][-1].doc
        after = await taken(archive)
        assert len(after[AUDIT]) == 6
        assert len(after["entries"]) == 8

    play(scenario)


def test_a_moment_is_opened_again_or_refused(play):
    async def scenario(store, archive):
        await fill(store)
        before = await taken(archive)
        async with archive.view(HERE) as view:
            moment = view.moment
        await write(store, everything)
        if moment:
            async with archive.view(HERE, moment) as view:
                assert {part: await part_of(view, part) for part in PARTS} == before
        with pytest.raises(NotFound):
            async with archive.view(HERE, "1000.000000001"):
                pass

    play(scenario)


def test_a_workspace_without_anything_is_empty(play):
    async def scenario(store, archive):
        await write(
            store,
            lambda tx: (tx.add("review", {"n": 1}), tx.append(RATING), tx.audit(audit_entry())),
            puts(CONTENT_KEYS, key("a")),
            workspace=THERE,
        )
        assert not await archive.holds(HERE)
        assert await archive.holds(THERE)
        assert not any((await taken(archive)).values())
        async with archive.view(HERE) as view:
            assert view.audit_head == "0" * 64

    play(scenario)


def test_the_mark_of_a_restore_is_no_content(play):
    async def scenario(store, archive):
        await write(store, puts(RESTORES, RestoreMark(id=RESTORE_ID, backup_id="b", started_at="")))
        assert not await archive.holds(HERE)
        await write(store, puts(WORKSPACES, Workspace(id=THERE, created_at="")))
        assert await archive.holds(HERE)

    play(scenario)


@pytest.mark.parametrize("source", STORES)
@pytest.mark.parametrize("target", STORES)
def test_what_was_taken_from_one_store_stands_in_another(between, source, target):
    async def scenario(one, other):
        (store, archive), (fresh, into) = one, other
        await fill(store)
        found = await taken(archive)
        for _ in range(2):  # a restore that was cut off loads some rows again
            for part, rows in found.items():
                await into.load(HERE, part, rows[:4])
                await into.load(HERE, part, rows[4:])
        assert await taken(into) == found
        check = ChainCheck()
        check.feed(await fresh.audit_chain(HERE, 0, 100))
        assert (check.checked, check.first_broken) == (5, None)
        assert await fresh.get(HERE, ENTRIES, "ent_0003") == entry(3)
        assert await fresh.counters(HERE, "") == await store.counters(HERE, "")

    between(source, target, scenario)


def test_a_store_goes_on_behind_what_was_loaded(play):
    async def scenario(store, archive):
        await fill(store)
        found = await taken(archive)
        for part, rows in found.items():
            moved = [ArchiveRow(row.key, row.doc) for row in rows]
            if part != OUTBOX:
                await archive.load(THERE, part, moved)
        await write(
            store,
            lambda tx: (tx.append(RATING), tx.add("review", {"approved": 1})),
            workspace=THERE,
        )
        again = await taken(archive, THERE)
        assert [int(row.key) for row in again[RATINGS]] == [1, 2, 3, 4, 5, 6]
        assert (await store.counters(THERE, "review"))["review"]["approved"] == 11
        assert [row.doc for row in again[AUDIT]] == [row.doc for row in found[AUDIT]]

    play(scenario)


@pytest.mark.parametrize(
    ("part", "row"),
    [
        ("entries", ArchiveRow("ent_1", "{}")),
        ("entries", ArchiveRow("other", entry(1).model_dump_json())),
        (AUDIT, ArchiveRow("000000000000001", '{"at":"x"}')),
        (RATINGS, ArchiveRow("1", '{"nothing":1}')),
        (RATINGS, ArchiveRow("1", "[1]")),
        (OUTBOX, ArchiveRow("evt", '{"event_id":1}')),
    ],
)
def test_a_row_that_is_no_row_of_its_part_is_refused(play, part, row):
    async def scenario(_, archive):
        with pytest.raises(CorruptData, match=part):
            await archive.load(HERE, part, [row])
        assert not await archive.holds(HERE)

    play(scenario)
