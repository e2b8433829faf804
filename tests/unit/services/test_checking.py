"""The look at the alert rules: each fires at its threshold, and closes when it is well again."""

import math
from dataclasses import replace

import pytest

from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.domain.access import DEFAULT_WORKSPACE
from shared.domain.alerts import default_rule
from shared.domain.feedback import RatingEvidence
from shared.domain.knowledge.publication import KNOWLEDGE_HEADS, KnowledgeHead
from shared.domain.learning.runs import (
    LEARNING_HEADS,
    RUNS,
    SNAPSHOTS,
    LearningHead,
    SnapshotInfo,
    TrainingRun,
)
from shared.domain.operations import ALERT_RULES, DELIVERIES, Delivery
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.traffic import Traffic
from shared.errors import CorruptData, Unavailable
from shared.messages.events import Event
from shared.messages.monitoring import AlertsQuery
from shared.messages.reviewing import Approve
from shared.messages.submitting import SubmitEntry
from shared.ports import IndexChange, IndexDocument
from shared.services import access, checking, monitoring, publishing, reviewing, submitting
from tests.support.entries import submit
from tests.support.system import WORKSPACE, caller, play


def started(tmp_path, scenario):
    async def run(system):
        await access.bootstrap_access(system.deps, "first")
        await scenario(system)

    play(tmp_path, run)


async def alerts(system, state="open", workspace=WORKSPACE):
    who = caller("ada", role="admin", workspace=workspace)
    page = await monitoring.list_alerts(system.deps, who, AlertsQuery(state=state))
    return {one.rule: one for one in page.items}


async def put(system, collection, record, workspace=WORKSPACE):
    async def write(tx):
        tx.put(collection, record)

    await system.store.transact(workspace, write)


def delivery(system, number, tenant=WORKSPACE):
    now = system.clock.now_text()
    event = Event(
        event_id=f"evt_{number}",
        type="entry.approved",
        workspace=tenant,
        occurred_at=now,
        subject="ent_1",
    )
    return Delivery(
        id=f"publish:evt_{number}",
        consumer="publish",
        event_id=event.event_id,
        event_type=event.type,
        tenant=tenant,
        event=event.model_dump_json(),
        state="dead",
        attempts=5,
        last_error="Unavailable: x",
        next_attempt_at=now,
        created_at=now,
    )


def test_a_healthy_system_has_no_alerts(tmp_path):
    async def scenario(system):
        found = await checking.check(system.deps)
        assert (found.workspaces, found.open, found.resolved) == (1, 0, 0)
        assert await alerts(system) == {}

    started(tmp_path, scenario)


def test_dead_letters_raise_in_their_workspace_and_resolve_when_gone(tmp_path):
    async def scenario(system):
        await access.create_workspace(system.deps, "other")
        await put(system, DELIVERIES, delivery(system, 1, "other"), SYSTEM_WORKSPACE)
        assert (await checking.check(system.deps)).open == 1
        assert await alerts(system) == {}
        found = (await alerts(system, workspace="other"))["dead_letters"]
        assert found.summary == "1 events were given up by publish"
        assert found.evidence["threshold"] == 1
        assert (await checking.check(system.deps)).open == 1
        await system.bus.replay(["publish:evt_1"])
        assert (await checking.check(system.deps)).resolved == 1
        assert await alerts(system, workspace="other") == {}
        assert list(await alerts(system, "resolved", "other")) == ["dead_letters"]

    started(tmp_path, scenario)


def test_an_entry_that_waits_too_long_raises_once_an_hour_at_most(tmp_path):
    async def scenario(system):
        entry = SubmitEntry(topic="t", content="c", confidence_score=0.5)
        who = caller("bot", scopes=("submit",))
        submitted = await submitting.submit_entry(system.deps, who, entry, None)
        system.clock.advance(86_399)
        assert (await checking.check(system.deps)).open == 0
        system.clock.advance(1)
        await checking.check(system.deps)
        first = (await alerts(system))["oldest_pending"]
        assert first.evidence["entry_id"] == submitted.entry_id
        assert first.summary.endswith("for 24 hours")
        system.clock.advance(600)
        await checking.check(system.deps)
        assert (await alerts(system))["oldest_pending"] == first

    started(tmp_path, scenario)


def rating(system):
    return RatingEvidence(
        at=system.clock.now_text(),
        day=1,
        feedback_id="fb_1",
        request_id="req_1",
        rater="u",
        pattern="code",
        provider="p",
        model="m",
        snapshot_id="",
        sign=1,
        quality=4,
        correct=1,
        cost_nanousd=0,
        costed=0,
        latency_ms=0,
        timed=0,
        propensity=1.0,
    )


async def rate(system):
    async def write(tx):
        tx.append(rating(system))

    await system.store.transact(WORKSPACE, write)


def test_learning_that_has_evidence_and_does_not_run_raises_until_it_has(tmp_path):
    async def scenario(system):
        system.clock.advance(days=3)
        assert (await checking.check(system.deps)).open == 0, "there is nothing to learn from"
        await rate(system)
        await checking.check(system.deps)
        assert "no training run has succeeded for 72 hours" in {
            one.summary for one in (await alerts(system)).values()
        }
        event = Event(
            event_id="evt_1",
            type="learning.completed",
            workspace=WORKSPACE,
            occurred_at=system.clock.now_text(),
            subject="run_1",
        )
        await checking.on_learning(system.deps, event)
        assert await alerts(system) == {}
        closed = (await alerts(system, "resolved"))["learning_not_run"]
        assert closed.resolved_at

    started(tmp_path, scenario)


def run_of(status="succeeded", *, dry_run=False, at="2026-01-03T12:00:00.000000Z"):
    return TrainingRun(
        id=f"run_{status}_{dry_run}",
        status=status,
        dry_run=dry_run,
        trigger="schedule",
        requested_by="x",
        requested_at=at,
        finished_at=at,
    )


def test_only_a_real_run_that_succeeded_counts_as_learning(tmp_path):
    async def scenario(system):
        await rate(system)
        system.clock.advance(days=3)
        await put(system, RUNS, run_of("failed"))
        await put(system, RUNS, run_of(dry_run=True))
        assert (await checking.check(system.deps)).open == 1
        await put(system, RUNS, run_of())
        assert (await checking.check(system.deps)).resolved == 1

    started(tmp_path, scenario)


def test_evidence_that_was_read_asks_for_no_run(tmp_path):
    async def scenario(system):
        await rate(system)
        snapshot = SnapshotInfo(
            id="snap_1",
            parent_id=None,
            run_id="r",
            blob_key="b",
            state_key="s",
            checksum="c",
            ratings_watermark=1,
            outcomes_watermark=0,
            created_at="2026-01-01T12:00:00.000000Z",
        )
        await put(system, SNAPSHOTS, snapshot)
        await put(system, LEARNING_HEADS, LearningHead(id="head", tip_id="snap_1"))
        system.clock.advance(days=9)
        assert (await checking.check(system.deps)).open == 0
        await rate(system)
        assert (await checking.check(system.deps)).open == 1

    started(tmp_path, scenario)


@pytest.mark.parametrize(
    "change", [{"mode": "manual"}, {"learning_stopped": True}, {"hold": "rolled back"}]
)
def test_learning_that_is_meant_to_wait_raises_nothing(tmp_path, change):
    async def scenario(system):
        await rate(system)
        await system.change_settings(**change)
        system.clock.advance(days=9)
        assert (await checking.check(system.deps)).open == 0

    started(tmp_path, scenario)


def test_search_that_falls_behind_raises(tmp_path):
    async def scenario(system):
        now = system.clock.now_text()
        await put(system, KNOWLEDGE_HEADS, KnowledgeHead(id="head", version=9, updated_at=now))
        assert (await checking.check(system.deps)).open == 0
        await put(system, KNOWLEDGE_HEADS, KnowledgeHead(id="head", version=10, updated_at=now))
        await checking.check(system.deps)
        found = (await alerts(system))["index_behind"]
        assert found.evidence == {"published": 10, "shown": 0, "threshold": 10}

    started(tmp_path, scenario)


async def publish(system, count):
    who = caller("ada", role="reviewer")
    for number in range(count):
        entry_id = await submit(system, number)
        await reviewing.decide(
            system.deps, who, entry_id, Approve(), None, verdict="approve", notes=""
        )
        await publishing.publish_entry(system.deps, WORKSPACE, entry_id)


def test_an_index_that_only_this_process_has_not_kept_up_is_no_alert(tmp_path):
    async def scenario(system):
        await publish(system, 10)
        await system.index.drop(WORKSPACE)  # as an instance that has just started
        assert (await checking.check(system.deps)).open == 0
        assert await system.index.version(WORKSPACE) == 10

    started(tmp_path, scenario)


def test_an_index_that_outgrows_the_memory_of_its_instances_raises_before_it_has(tmp_path):
    async def scenario(system):
        await publish(system, 3)
        found = await checking.check(system.deps)
        assert found.open == 0, "what is on a disk that lasts may grow"
        for room, is_open in ((9 * found.largest_index_bytes, 0), (found.largest_index_bytes, 1)):
            local = SqliteKnowledgeIndex(system.root / "disk")
            index = StoredIndex(local, system.deps.blobs, room_bytes=room)
            assert (await checking.check(replace(system.deps, index=index))).open == is_open
            await index.close()
        alert = (await alerts(system))["index_large"]
        assert alert.evidence["room_mb"] == round(found.largest_index_bytes / 1e6, 1)
        await checking.check(system.deps)
        assert "index_large" in await alerts(system, "resolved")

    started(tmp_path, scenario)


class CountingBlobs(FolderBlobs):
    """Counts the files that are loaded."""

    loaded = 0

    async def get_file(self, key, file):
        self.loaded += 1
        return await super().get_file(key, file)


def test_each_index_is_loaded_once_where_all_of_them_have_no_room_together(tmp_path):
    async def scenario(system):
        await access.create_workspace(system.deps, "other")
        document = IndexDocument("e1", 1, "topic", "text", ())
        blobs = CountingBlobs(tmp_path / "saved")
        indexes = [
            StoredIndex(
                SqliteKnowledgeIndex(tmp_path / name), blobs, least_changes=1, share=0, room_bytes=1
            )
            for name in ("publisher", "monitor")
        ]
        for workspace in (WORKSPACE, "other"):
            await indexes[0].apply(workspace, [IndexChange(1, "e1", document)])
            await indexes[0].save(workspace)
        assert await indexes[1].version("other") == 1
        blobs.loaded = 0
        found = await checking.check(replace(system.deps, index=indexes[1]))
        assert (blobs.loaded, found.largest_index_bytes > 0) == (2, True)
        for one in indexes:
            await one.close()

    started(tmp_path, scenario)


@pytest.mark.parametrize("error", [Unavailable("no disk"), CorruptData("no sense")])
def test_an_index_that_cannot_catch_up_is_behind(tmp_path, monkeypatch, error):
    async def scenario(system):
        await publish(system, 10)
        await system.index.drop(WORKSPACE)

        async def fails(*args, **how):
            raise error

        monkeypatch.setattr(system.index, "apply", fails)
        await checking.check(system.deps)
        found = (await alerts(system))["index_behind"]
        assert found.evidence == {"published": 10, "shown": 0, "threshold": 10}

    started(tmp_path, scenario)


def test_a_full_outbox_raises_for_the_operators_workspace(tmp_path):
    async def scenario(system):
        await access.create_workspace(system.deps, "other")
        rule = default_rule("outbox_backlog").model_copy(update={"threshold": 2.0})
        await put(system, ALERT_RULES, rule, DEFAULT_WORKSPACE)

        async def write(tx):
            for number in range(2):
                tx.emit(
                    Event(
                        event_id=f"evt_{number}",
                        type="entry.submitted",
                        workspace="other",
                        occurred_at=system.clock.now_text(),
                        subject="ent_1",
                    )
                )

        await system.store.transact("other", write)
        await checking.check(system.deps)
        assert list(await alerts(system)) == ["outbox_backlog"]
        assert await alerts(system, workspace="other") == {}
        await system.drain()
        await checking.check(system.deps)
        assert await alerts(system) == {}

    started(tmp_path, scenario)


def traffic(fast, slow, errors):
    return Traffic(fast + slow, errors, (0.1, 5.0, math.inf), (fast, slow, 0))


def test_failing_and_slow_requests_raise_and_resolve(tmp_path):
    async def scenario(system):
        await checking.check(system.deps, traffic(90, 10, 2))
        found = await alerts(system)
        assert found["error_rate"].summary == "2 of 100 requests failed since the last check"
        assert found["latency_p99"].evidence["requests"] == 100
        await checking.check(system.deps, traffic(100, 0, 0))
        assert await alerts(system) == {}

    started(tmp_path, scenario)


def test_a_few_requests_prove_nothing(tmp_path):
    async def scenario(system):
        assert (await checking.check(system.deps, traffic(0, 19, 19))).open == 0

    started(tmp_path, scenario)


def test_traffic_is_counted_from_one_look_to_the_next():
    watch = checking.TrafficWatch()
    assert watch.look(None) is None
    assert watch.look(traffic(10, 0, 1)) == traffic(10, 0, 1)
    assert watch.look(traffic(15, 5, 1)) == traffic(5, 5, 0)


def test_a_rule_that_was_turned_off_closes_its_alert(tmp_path):
    async def scenario(system):
        await put(system, DELIVERIES, delivery(system, 1), SYSTEM_WORKSPACE)
        await checking.check(system.deps)
        rule = default_rule("dead_letters").model_copy(update={"enabled": False})
        await put(system, ALERT_RULES, rule)
        assert (await checking.check(system.deps)).resolved == 1
        assert await alerts(system) == {}

    started(tmp_path, scenario)


def test_a_check_that_cannot_look_changes_no_alert_and_stops_no_other(tmp_path, caplog):
    async def scenario(system):
        await put(system, DELIVERIES, delivery(system, 1), SYSTEM_WORKSPACE)
        await checking.check(system.deps)
        now = system.clock.now_text()
        await put(system, KNOWLEDGE_HEADS, KnowledgeHead(id="head", version=50, updated_at=now))

        async def away(*_):
            raise Unavailable("the bus is away")

        system.bus.dead_letters = away
        seen = []

        async def extra(deps, workspace):
            seen.append(workspace)
            raise Unavailable("no")

        found = await checking.check(system.deps, extra=(extra,))
        assert (found.open, found.resolved) == (1, 0)
        assert set(await alerts(system)) == {"dead_letters", "index_behind"}
        assert seen == [WORKSPACE]
        assert [one.message for one in caplog.records].count("check.failed") == 2

    started(tmp_path, scenario)
