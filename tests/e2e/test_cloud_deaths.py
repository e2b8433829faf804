"""Deaths on the local cloud under load: whatever dies, nothing is lost and nothing is doubled.

Callers with Idempotency-Keys keep writing while processes are killed with SIGKILL and started
again. What Pub/Sub's emulator holds is in its memory; what is written while it is away is in
test_cloud.
"""

import random

import pytest

from localcloud.cloud import ATTEMPTS
from shared.cli.serve import FUNCTIONS
from tests.support.pubsub_tap import Tap, with_attempts
from tests.support.refusing import down
from tests.support.settled import check_settled_and_whole, given_up, published
from tests.support.steady_writers import SteadyWriters
from tests.support.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.crash]

FEWEST = 5
"""Tries that Pub/Sub makes at least."""


# --- processes that die ---------------------------------------------------------------------------


def test_every_process_is_killed_in_turn_under_load_and_nothing_is_lost_or_doubled(cloud, place):
    """All that hold no data; the storage server's turn is below, PostgreSQL's is in test_cloud."""
    workspace, world = place
    victims = [*map(str, FUNCTIONS), "edge", "schedule", "issuer"]
    assert set(victims) == set(cloud.cloud.names) - {cloud.cloud.store, "pubsub", "storage"}
    with SteadyWriters(world) as writers:
        for name in victims:
            writers.wait_turns(1)
            cloud.kill(name)
            cloud.restart(name)
        writers.wait_turns(1)
    assert writers.told.retries, "nobody noticed anything"
    check_settled_and_whole(cloud, world, workspace, writers.told)


def test_a_storage_server_that_dies_while_objects_are_written_leaves_all_or_nothing(cloud, place):
    workspace, world = place
    with SteadyWriters(world) as writers:
        for _ in range(2):
            writers.wait_turns(2)
            cloud.kill("storage")
            writers.wait_turns(1)  # is approved, and waits to be published
            cloud.restart("storage")
        writers.wait_turns(1)
    check_settled_and_whole(cloud, world, workspace, writers.told)


# --- deliveries -----------------------------------------------------------------------------------


def test_a_consumer_that_is_away_for_some_tries_gets_everything_without_an_operator(cloud, place):
    workspace, world = place
    with SteadyWriters(world) as writers:
        with down(cloud, "publish") as instead:
            until(lambda: instead.asked > FEWEST, lambda: instead.asked)
            writers.wait_turns(1)
        letters = given_up(cloud, workspace)
    assert FEWEST < instead.asked < ATTEMPTS
    assert letters == []
    check_settled_and_whole(cloud, world, workspace, writers.told)


def test_a_consumer_that_is_away_until_events_are_given_up_gets_them_replayed(cloud, place):
    workspace, world = place
    with with_attempts(cloud.environment, "whetstone.entry.approved.publish", FEWEST, ATTEMPTS):
        with SteadyWriters(world, 1) as writers, down(cloud, "publish") as instead:
            until(lambda: given_up(cloud, workspace), lambda: instead.asked)
        assert instead.asked >= FEWEST
    listed = cloud.whetstone("dead-letters", "list", "--workspace", workspace)
    assert "publish:evt_" in listed
    assert f"{FEWEST} tries" in listed
    assert "see the log of publish" in listed
    check_settled_and_whole(cloud, world, workspace, writers.told)


def test_events_that_come_again_in_another_order_change_nothing(cloud, place):
    workspace, world = place
    with Tap(cloud.environment, workspace) as tap:
        with SteadyWriters(world) as writers:
            writers.wait_turns(6)
        check_settled_and_whole(cloud, world, workspace, writers.told)
        writers.told.conversations += 1  # the check counted one
        before = published(cloud, workspace)
        taken = tap.messages(at_least=2 * len(writers.told.verdicts))
        again = taken * 2
        random.Random(7).shuffle(again)
        tap.publish(again)
    last = world.entry()
    entry_id = world.post("/v1/entries", last)["entry_id"]
    world.post(f"/v1/approvals/{entry_id}/approve", {"reviewer": "ada"})
    writers.told.entries[entry_id] = last["content"]
    writers.told.verdicts[entry_id] = "approve"
    check_settled_and_whole(cloud, world, workspace, writers.told)  # the emulator keeps the order
    version, *_ = before[-1]
    assert published(cloud, workspace) == [*before, (version + 1, entry_id, 1)]
