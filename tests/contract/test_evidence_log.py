"""The contract of `ports.EvidenceLog`, for every store."""

import asyncio
from dataclasses import replace

import pytest

from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.store_sqlite import SqliteStore
from shared.errors import Unavailable
from shared.ports import EvidenceRow
from tests.contract.store_records import HERE, OUTCOME, PROMPT, RATING, THERE, write

pytestmark = pytest.mark.contract


def in_sqlite(_):
    def opened(root):
        store = SqliteStore(root / "whetstone.db")
        return store, SqliteEvidence(store.path)

    return opened


def in_postgres(request):
    from shared.adapters.evidence_postgres import PostgresEvidence
    from shared.adapters.store_postgres import PostgresStore
    from tests.support.postgres_fixture import pool_on

    databases = request.getfixturevalue("postgres")

    def opened(root):
        pool = pool_on(databases.of(root))
        return PostgresStore(pool), PostgresEvidence(pool)

    return opened


def in_firestore(request):
    from shared.adapters.evidence_firestore import FirestoreEvidence
    from shared.adapters.store_firestore import FirestoreStore
    from tests.support.firestore_fixture import new_project

    patch = request.getfixturevalue("monkeypatch")
    for name, value in request.getfixturevalue("firestore_server").environment.items():
        patch.setenv(name, value)

    def opened(_):
        store = FirestoreStore(new_project())
        return store, FirestoreEvidence(store)

    return opened


@pytest.fixture(params=[in_sqlite, in_postgres, in_firestore])
def play(request, tmp_path):
    """Runs a scenario over an empty store and its log."""
    opened = request.param(request)

    def run(scenario):
        async def whole():
            store, log = opened(tmp_path)
            try:
                return await scenario(store, log)
            finally:
                await store.close()

        return asyncio.run(whole())

    return run


def rating(number):
    return replace(RATING, feedback_id=f"fb_{number}", cost_nanousd=10**15 + number)


def outcome(number):
    return replace(OUTCOME, recommendation_id=f"rec_{number}", agent_id="é")


def test_rows_come_back_as_they_were_written_at_places_without_gaps(play):
    async def scenario(store, log):
        await write(store, lambda tx: tx.append(*map(rating, range(3)), *map(outcome, range(2))))
        await write(store, lambda tx: tx.append(rating(3), PROMPT))
        found = await log.rows(HERE, "ratings", 0, 100)
        assert [row.seq for row in found] == [1, 2, 3, 4]
        assert {row.workspace for row in found} == {HERE}
        assert [row.evidence for row in found] == [rating(number) for number in range(4)]
        settled = await log.rows(HERE, "outcomes", 0, 100)
        assert settled == [EvidenceRow(HERE, n + 1, outcome(n)) for n in range(2)]
        assert await log.rows(HERE, "prompts", 0, 100) == [EvidenceRow(HERE, 1, PROMPT)]

    play(scenario)


def test_rows_are_read_on_from_any_place(play):
    async def scenario(store, log):
        await write(store, lambda tx: tx.append(*map(rating, range(7))))
        after, seen = 0, []
        while rows := await log.rows(HERE, "ratings", after, 3):
            assert len(rows) <= 3
            seen += [row.seq for row in rows]
            after = rows[-1].seq
        assert seen == list(range(1, 8))
        assert await log.rows(HERE, "ratings", 99, 3) == []

    play(scenario)


def test_rows_of_another_workspace_stay_out(play):
    async def scenario(store, log):
        await write(store, lambda tx: tx.append(rating(1)), workspace=THERE)
        assert await log.rows(HERE, "ratings", 0, 10) == []
        assert len(await log.rows(THERE, "ratings", 0, 10)) == 1

    play(scenario)


def test_rows_appended_at_once_each_get_a_place(play):
    async def scenario(store, log):
        await asyncio.gather(
            *(write(store, lambda tx, n=n: tx.append(rating(n))) for n in range(20))
        )
        rows = await log.rows(HERE, "ratings", 0, 100)
        assert [row.seq for row in rows] == list(range(1, 21))
        assert {row.evidence.feedback_id for row in rows} == {f"fb_{n}" for n in range(20)}

    play(scenario)


def test_a_file_that_is_no_store_is_unavailable(tmp_path):
    (tmp_path / "whetstone.db").touch()
    with pytest.raises(Unavailable):
        asyncio.run(SqliteEvidence(tmp_path / "whetstone.db").rows(HERE, "ratings", 0, 1))
