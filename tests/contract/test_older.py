"""Importing from an older SQLite file and an older PostgreSQL database, rubbish among it."""

import asyncio
import sqlite3

import pytest

from shared.adapters.older_sqlite import SqliteSource
from shared.domain.entries import ENTRIES
from shared.domain.feedback import FEEDBACK, ROUTING_DECISIONS
from shared.domain.older import OlderMapping, Reader, Rejected, TableMapping
from shared.domain.records import Filter, Order
from shared.errors import InvalidInput, NotFound, Unavailable
from shared.services.importing.decisions import new_id
from shared.services.importing.older import BATCH, Request, import_older
from tests.support.learning import run
from tests.support.older import made, postgres_of, sqlite_of
from tests.support.system import WORKSPACE, play

pytestmark = pytest.mark.contract


def in_sqlite(_, root):
    return lambda rows: SqliteSource(sqlite_of(root / "older.db", rows))


def in_postgres(request, root):
    from shared.adapters.older_postgres import PostgresSource

    server = request.getfixturevalue("postgres").server

    def opened(rows):
        name = f"older_{abs(hash(str(root))) % 10**12}"
        return PostgresSource(postgres_of(server.create_database(name), rows))

    return opened


@pytest.fixture(params=[in_sqlite, in_postgres])
def older(request, tmp_path):
    return request.param(request, tmp_path)


def asked(**more):
    return Request(WORKSPACE, "v3", OlderMapping(), **more)


async def imported(system, source, rejects=None, **more):
    found = [] if rejects is None else rejects
    return {
        one.table: one
        for one in await import_older(system.deps, source, asked(**more), found.append)
    }


def counts(tally):
    return tally.rows, tally.imported, tally.known, tally.superseded, tally.rejected


async def standing_sums(system):
    """Returns how many ratings stand in the evidence, and their quality."""
    head, _ = await system.deps.analytics.head(WORKSPACE)
    sums = await system.deps.analytics.rating_sums(WORKSPACE, 0, head)
    return sum(one.n for one in sums), sum(one.quality for one in sums)


async def all_feedback(system):
    found, cursor = [], None
    while True:
        page = await system.store.find(
            WORKSPACE, FEEDBACK, order=Order("id"), limit=500, cursor=cursor
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_good_rows_come_over_rubbish_is_named_and_again_changes_nothing(tmp_path, older):
    source = older(made(6_000, 4_000))

    async def scenario(system):
        rejects = []
        done = await imported(system, source, rejects)
        assert all(one.equal for one in done.values())
        assert counts(done["requests"]) == (6000, 5520, 0, 0, 480)
        assert counts(done["routing_metrics"]) == (620, 15, 600, 0, 5)
        assert done["response_feedback"].rejected == 300 + sum(
            n % 40 not in (3, 13, 23) and n % 50 in (7, 17, 27, 37) for n in range(4000)
        )
        assert len(rejects) == sum(one.rejected for one in done.values())
        assert {one.reason for one in rejects} == {
            "it has no id",
            "at is no time",
            "latency_ms is not within 0 and 1e+15",
            "it does not say which provider and model answered",
            "quality_score is not within 1 and 5",
            "is_correct is neither yes nor no",
            "the request that it rates was not imported",
        }
        assert done["requests"].unused == ["shoe_size"]
        feedback = await all_feedback(system)
        standing = await standing_sums(system)
        assert standing == (len(feedback), sum(one.rating.quality_score for one in feedback))
        head = (await system.store.audit_page(WORKSPACE)).items[0].hash
        again = await imported(system, source)
        assert all(one.imported == 0 and one.equal for one in again.values())
        assert (await system.store.audit_page(WORKSPACE)).items[0].hash == head
        assert await standing_sums(system) == standing
        await source.close()

    play(tmp_path / "here", scenario)


def test_facts_are_kept_and_those_of_the_metrics_fill_the_gaps(tmp_path, older):
    source = older(made(30, 30))

    async def scenario(system):
        await imported(system, source)
        one, joined = await system.store.get_many(
            WORKSPACE, ROUTING_DECISIONS, [new_id("req", "v3", name) for name in ("r1", "r10")]
        )
        assert (one.provider, one.model, one.pattern) == ("local", "m1", "code")
        assert (one.propensity, one.complexity) == (0.0, 0.2)
        assert one.decided_at == "2025-01-11T00:00:01.000000Z"
        assert (joined.provider, joined.confidence) == ("other", 0.7)
        [orphan] = await system.store.get_many(
            WORKSPACE, ROUTING_DECISIONS, [new_id("req", "v3", "x1")]
        )
        assert (orphan.pattern, orphan.latency_ms) == ("math", 1500)
        [rated] = await system.store.get_many(
            WORKSPACE, FEEDBACK, [f"{new_id('req', 'v3', 'r1')}:u1"]
        )
        assert (rated.rating.quality_score, rated.rating.is_correct) == (2, False)
        assert rated.rating.rated_at == "2025-01-11T00:00:01.000000Z"
        await source.close()

    play(tmp_path / "here", scenario)


def test_an_import_that_was_cut_off_ends_as_one_that_was_not(tmp_path, older):
    source = older(made(700, 900))

    class Stops(Exception):
        pass

    async def once(system):
        await imported(system, source)
        return await all_feedback(system), await standing_sums(system)

    async def in_pieces(system):
        for after in (1, 3, 8, 11, 1000):
            left = [after]

            def told(*_, left=left):
                left[0] -= 1
                if left[0] < 0:
                    raise Stops

            try:
                await import_older(system.deps, source, asked(), lambda _: None, told)
            except Stops:
                continue
        return await all_feedback(system), await standing_sums(system)

    assert 3 * BATCH < 700

    # one loop for both: the older database is read over one connection
    async def both():
        from tests.support.system import System

        async with System(tmp_path / "one") as system:
            first = await once(system)
        async with System(tmp_path / "two") as system:
            second = await in_pieces(system)
        await source.close()
        return first, second

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = asyncio.run(both())
    assert first == second


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(tmp_path, older):
    source = older(made(120, 50))

    async def scenario(system):
        done = await imported(system, source, dry_run=True, cache=True)
        assert done["requests"].imported == 110
        assert done["response_cache"].imported == 5
        assert await system.store.count(WORKSPACE, ROUTING_DECISIONS, at_most=9) == 0
        assert (await system.store.audit_page(WORKSPACE)).items == []
        await source.close()

    play(tmp_path / "here", scenario)


def test_cached_answers_wait_for_approval_where_they_are_asked_for(tmp_path, older):
    source = older(made(1, 1))

    async def scenario(system):
        assert "response_cache" not in await imported(system, source)
        for known in (0, 5):
            tally = (await imported(system, source, cache=True))["response_cache"]
            assert counts(tally) == (6, 5 - known, known, 0, 1)
        waiting = await system.store.find(
            WORKSPACE, ENTRIES, Filter("state", "==", "pending_approval")
        )
        assert len(waiting.items) == 5
        assert {one.submitter for one in waiting.items} == {"import:v3"}
        assert waiting.items[0].metadata["cached_at"].startswith("2025-01-11")
        await source.close()

    play(tmp_path / "here", scenario)


def test_what_was_imported_is_learned_from(tmp_path):
    source = in_sqlite(None, tmp_path)(made(200, 200))

    async def scenario(system):
        await imported(system, source)
        view = await run(system)
        assert view.status == "succeeded"
        assert view.rated["ratings"] > 100
        await source.close()

    play(tmp_path / "here", scenario)


def bare(path, table, columns, *rows):
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} ({columns})")
    for row in rows:
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    connection.commit()
    connection.close()
    return SqliteSource(path)


def test_a_mapping_names_other_tables_columns_and_defaults(tmp_path):
    source = bare(
        tmp_path / "o.db", "calls", "Nr, LLM, ms, moment", (1, "big", 40, 1_735_689_600_000)
    )
    mapping = OlderMapping(
        requests=TableMapping(
            table="calls",
            columns={"id": "nr", "model": "llm", "latency_ms": "ms", "at": "moment"},
            defaults={"provider": "ours"},
        )
    )

    async def scenario(system):
        await import_older(system.deps, source, Request(WORKSPACE, "v3", mapping), lambda _: None)
        [one] = await system.store.get_many(
            WORKSPACE, ROUTING_DECISIONS, [new_id("req", "v3", "1")]
        )
        assert (one.provider, one.model, one.latency_ms) == ("ours", "big", 40)
        assert one.decided_at == "2025-01-01T00:00:00.000000Z"
        await source.close()

    play(tmp_path / "here", scenario)


@pytest.mark.parametrize(
    ("mapping", "error", "named"),
    [
        (OlderMapping(), NotFound, "none of the tables"),
        (OlderMapping(requests=TableMapping(table="no")), InvalidInput, "no table no"),
        (
            OlderMapping(requests=TableMapping(table="t", columns={"id": "zz"})),
            InvalidInput,
            "no column zz",
        ),
        (
            OlderMapping(requests=TableMapping(table="t", columns={"colour": "a"})),
            InvalidInput,
            "no field colour",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path, mapping, error, named
):
    source = bare(tmp_path / "o.db", "t", "a")

    async def scenario(system):
        with pytest.raises(error, match=named):
            await import_older(
                system.deps, source, Request(WORKSPACE, "v3", mapping), lambda _: None
            )
        await source.close()

    play(tmp_path / "here", scenario)


def test_two_rows_of_one_id_that_differ_are_not_both_taken(tmp_path):
    columns = "id, provider, model, cost, at"
    source = bare(
        tmp_path / "o.db",
        "requests",
        columns,
        ("a", "p", "m", 1, "2025-01-01"),
        ("a", "p", "m", 1, "2025-01-01"),
        ("a", "p", "m", 2, "2025-01-01"),
    )

    async def scenario(system):
        for new in (1, 0):
            rejects = []
            tally = (await imported(system, source, rejects))["requests"]
            assert counts(tally) == (3, new, 2 - new, 0, 1)
            assert tally.equal
            assert [one.reason for one in rejects] == ["another row with this id says otherwise"]
        await source.close()

    play(tmp_path / "here", scenario)


def test_the_later_rating_of_a_person_stands_and_the_earlier_is_taken_back(tmp_path):
    path = tmp_path / "o.db"
    bare(path, "requests", "id, provider, model, at", ("a", "p", "m", "2025-01-01"))
    source = bare(
        path,
        "response_feedback",
        "id, request_id, quality_score, user_id, comment",
        (1, "a", 2, "ada", None),
    )
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE response_feedback ADD COLUMN created_at")
    connection.execute("UPDATE response_feedback SET created_at = '2025-01-02'")
    rows = [(2, "a", 5, "ada", "x", "2025-01-03"), (3, "a", 1, "ada", "x", "2025-01-03")]
    connection.executemany("INSERT INTO response_feedback VALUES (?,?,?,?,?,?)", rows)
    connection.commit()
    connection.close()

    async def scenario(system):
        for done in ((3, 2, 0, 1, 0), (3, 0, 2, 1, 0)):
            tally = (await imported(system, source))["response_feedback"]
            assert counts(tally) == done
            assert tally.equal
        [feedback] = await all_feedback(system)
        assert feedback.rating.quality_score == 5
        assert [one.quality_score for one in feedback.history] == [2]
        assert await standing_sums(system) == (1, 5)
        await source.close()

    play(tmp_path / "here", scenario)


def test_a_source_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "o.db").write_bytes(b"no database at all, but long enough to be looked at" * 30)
    with pytest.raises(Unavailable, match=r"o\.db"):
        asyncio.run(SqliteSource(tmp_path / "o.db").columns())


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("prompt", "a\x00b", "no readable text"),
        ("prompt", "�", "no readable text"),
        ("session_id", "x" * 300, "longer"),
        ("cost_usd", "free", "no number"),
        ("cost_usd", "nan", "not within"),
        ("at", "inf", "no time"),
        ("at", None, "no time"),
    ],
)
def test_a_value_that_is_not_what_it_should_be_is_rejected(field, value, reason):
    reader = Reader("requests", TableMapping(), ["prompt", "session_id", "cost_usd", "at"])
    read = {
        "at": reader.moment,
        "cost_usd": reader.number,
    }.get(field, lambda row, name: reader.text(row, name, 200))
    with pytest.raises(Rejected, match=reason):
        read({field: value}, field)
