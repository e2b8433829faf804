"""Every row of evidence reaches the feed, also across failures and crashes, at the place it has."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from shared.adapters.analytics_bigquery import BigQueryAnalytics
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.operations import EXPORT_MARKS
from shared.errors import Unavailable
from shared.services import exporting
from shared.services.exporting import LOOK_AGAIN_S, MARK_ID, export_everywhere
from tests.contract.store_records import HERE, OUTCOME, RATING, THERE, write
from tests.fakes.bigquery import BigQueryServer
from tests.fakes.clock import ManualClock
from tests.support.exporting import LateFeed, exporting_deps, make_workspaces


class World:
    """A store with two workspaces, whose evidence is exported to a table."""

    def __init__(self, root, server):
        self.server = server
        self.clock = ManualClock()
        self.store = SqliteStore(root / "whetstone.db")
        self.feed = LateFeed(server)
        self.analytics = BigQueryAnalytics(
            server.project, server.dataset, endpoint=server.url, head_age_s=0
        )
        self.log = SqliteEvidence(self.store.path)
        self.deps = exporting_deps(self.store, self.analytics, self.log, self.feed, self.clock)

    async def rate(self, count, workspace=HERE):
        rows = [replace(RATING, feedback_id=f"fb_{number}") for number in range(count)]
        await write(self.store, lambda tx: tx.append(*rows), workspace=workspace)

    async def export(self):
        return await export_everywhere(self.deps)

    async def heads(self, workspace=HERE):
        return await self.analytics.head(workspace)

    async def mark(self, workspace=HERE):
        return await self.store.get(workspace, EXPORT_MARKS, MARK_ID)

    def sent(self):
        return Counter((row.workspace, row.seq) for row in self.feed.published)


@pytest.fixture
def play(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "BATCH", 4)

    def run(scenario):
        async def whole():
            with BigQueryServer() as server:
                world = World(tmp_path, server)
                try:
                    await make_workspaces(world.store)
                    await scenario(world)
                finally:
                    await world.store.close()
                    await world.analytics.close()

        asyncio.run(whole())

    return run


def test_new_rows_of_every_workspace_and_both_logs_are_handed_over_once(play):
    async def scenario(world):
        await world.rate(10)
        await world.rate(3, THERE)
        await write(world.store, lambda tx: tx.append(OUTCOME, OUTCOME))
        assert await world.export() == 15
        assert await world.heads() == (10, 2)
        assert await world.heads(THERE) == (3, 0)
        assert await world.export() == 0
        await world.rate(1)
        assert await world.export() == 1
        assert await world.heads() == (11, 2)
        mark = await world.mark()
        assert (mark.ratings, mark.outcomes) == (11, 2)

    play(scenario)


def test_what_was_rated_before_the_export_was_switched_on_is_exported_too(play):
    async def scenario(world):
        await world.rate(5)
        off = exporting_deps(world.store, SqliteAnalytics(world.store.path), None, None)
        assert await export_everywhere(off) == 0
        assert await world.export() == 5

    play(scenario)


@pytest.mark.parametrize("half_way", [False, True])
def test_a_feed_that_fails_loses_no_row_and_does_not_move_the_mark(play, half_way):
    async def scenario(world):
        await world.rate(10)
        world.feed.half_way = half_way
        world.feed.fail_next = 1
        with pytest.raises(Unavailable):
            await world.export()
        assert await world.mark() is None
        assert await world.export() == 10
        assert await world.heads() == (10, 0)
        assert set(world.sent()) == {(HERE, place) for place in range(1, 11)}
        (sums,) = await world.analytics.rating_sums(HERE, 0, 10)
        assert sums.n == 10

    play(scenario)


def test_a_crash_between_handing_over_and_the_mark_sends_a_batch_again_and_counts_it_once(play):
    async def scenario(world):
        await world.rate(10)
        plain, calls = world.store.transact, []

        async def die_at_the_second(workspace, work):
            calls.append(workspace)
            if len(calls) == 2:
                raise ConnectionError
            return await plain(workspace, work)

        world.store.transact = die_at_the_second
        with pytest.raises(ConnectionError):
            await world.export()
        world.store.transact = plain
        assert await world.export() == 6
        assert await world.heads() == (10, 0)
        twice = {place for (_, place), count in world.sent().items() if count == 2}
        assert twice == {5, 6, 7, 8}
        (sums,) = await world.analytics.rating_sums(HERE, 0, 10)
        assert sums.n == 10

    play(scenario)


def test_two_who_export_at_once_lose_nothing_and_the_mark_never_goes_back(play):
    async def scenario(world):
        await world.rate(23)
        await asyncio.gather(*(world.export() for _ in range(3)))
        assert (await world.mark()).ratings == 23
        assert await world.heads() == (23, 0)
        assert await world.export() == 0

    play(scenario)


def test_a_call_hands_over_a_bounded_number_of_each_log_and_the_next_one_goes_on(play, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 8)

    async def scenario(world):
        await world.rate(20)
        await write(world.store, lambda tx: tx.append(OUTCOME))
        assert [await world.export() for _ in range(4)] == [9, 8, 4, 0]

    play(scenario)


async def drop_the_third(world):
    """Hands over six rows, the third of which is lost on the way."""
    await world.rate(6)
    world.feed.holding = True
    assert await world.export() == 6
    world.feed.arrive([row for row in world.feed.held if row.seq != 3])
    world.feed.held.clear()
    world.feed.holding = False


async def look(world):
    """Exports when it is time to look; returns how many rows that handed over."""
    world.clock.advance(LOOK_AGAIN_S)
    return await world.export()


def warnings(caplog):
    return [(one.message, one.workspace, one.rows) for one in caplog.records]


def test_what_has_not_arrived_in_time_is_sent_again(play, caplog):
    async def scenario(world):
        await drop_the_third(world)
        world.clock.advance(LOOK_AGAIN_S - 1)
        assert await world.export() == 0
        assert world.server.asked == []
        assert await look(world) == 0
        assert (await world.mark()).ratings == 6
        assert warnings(caplog) == []
        assert await look(world) == 0
        assert warnings(caplog) == [("evidence.not_arrived", HERE, 4)]
        assert await world.export() == 4
        assert await world.heads() == (6, 0)

    play(scenario)


def test_what_is_missing_is_noticed_also_where_new_rows_keep_coming(play, caplog):
    async def scenario(world):
        await drop_the_third(world)
        for _ in range(2):
            await world.rate(1)
            assert await look(world) == 1
        assert warnings(caplog) == [("evidence.not_arrived", HERE, 5)]
        assert await world.export() == 6
        assert await world.heads() == (8, 0)

    play(scenario)


def test_rows_that_are_on_their_way_are_not_taken_for_lost(play, caplog):
    async def scenario(world):
        await world.rate(3)
        await world.export()
        world.feed.holding = True
        for _ in range(4):
            await world.rate(1)
            assert await look(world) == 1
            world.feed.arrive()
        assert warnings(caplog) == []
        assert (await world.mark()).ratings == 7

    play(scenario)


def test_once_everything_has_arrived_nobody_asks_until_there_is_more(play, caplog):
    async def scenario(world):
        await world.rate(2)
        await world.export()
        await look(world)
        asked = len(world.server.asked)
        for _ in range(5):
            await look(world)
        assert len(world.server.asked) == asked
        assert (await world.mark()).ratings == 2
        await world.rate(1)
        await world.export()
        await look(world)
        assert len(world.server.asked) > asked
        assert warnings(caplog) == []

    play(scenario)


def test_a_mark_that_moved_on_meanwhile_is_not_taken_back(play, caplog):
    async def scenario(world):
        await drop_the_third(world)
        await look(world)
        plain = world.analytics.head

        async def head_while_another_exports(workspace):
            found = await plain(workspace)
            await exporting._moved(world.deps, workspace, "ratings", 9)
            return found

        world.analytics.head = head_while_another_exports
        await look(world)
        assert (await world.mark()).ratings == 9
        assert warnings(caplog) == []

    play(scenario)
