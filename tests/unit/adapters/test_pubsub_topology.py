"""The topology follows from FLOW, and no event can fall out of it."""

import pytest

from shared.adapters.pubsub_topology import KEPT_S, RECORDER, consumers, topology
from shared.errors import InvalidInput
from shared.messages.events import FLOW


def test_each_event_type_has_a_topic_and_each_of_its_consumers_a_push_subscription():
    wanted = topology()
    names = {one.name for one in wanted.topics}
    pairs = {(one.topic, one.function, one.path) for one in wanted.subscriptions}
    for type, route in FLOW.items():
        assert f"whetstone.{type}" in names
        for consumer in route.consumers:
            assert (f"whetstone.{type}", consumer, f"/events/{consumer}") in pairs
    pushed = [one for one in wanted.subscriptions if one.dead_letter_topic is not None]
    assert len(pushed) == sum(len(route.consumers) for route in FLOW.values())


def test_names_are_unique_and_such_as_pubsub_takes():
    wanted = topology(prefix="mine-2")
    names = [one.name for one in (*wanted.topics, *wanted.subscriptions)]
    assert len(set(names)) == len(names)
    for name in names:
        assert 3 <= len(name) <= 255
        assert name[0].isalpha()
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._")


def test_what_a_consumer_cannot_handle_is_recorded_by_the_monitor_and_kept_for_people():
    wanted = topology()
    topics = {one.name: one for one in wanted.topics}
    for consumer in consumers():
        dead = f"whetstone.dead-letter.{consumer}"
        assert topics[dead].retention_s > KEPT_S
        recording, kept = (one for one in wanted.subscriptions if one.topic == dead)
        assert (recording.function, recording.path) == (
            RECORDER,
            f"/events/dead-letters/{consumer}",
        )
        assert (kept.function, kept.path) == (None, None)
        assert recording.dead_letter_topic is None
    used = {one.dead_letter_topic for one in wanted.subscriptions} - {None}
    assert used == {f"whetstone.dead-letter.{name}" for name in consumers()}


def test_every_topic_is_there_before_what_names_it():
    wanted = topology()
    names = {one.name for one in wanted.topics}
    for one in wanted.subscriptions:
        assert one.topic in names
        assert one.dead_letter_topic is None or one.dead_letter_topic in names


def test_a_training_run_has_the_time_that_pubsub_gives_at_most():
    deadlines = {one.function: one.ack_deadline_s for one in topology().subscriptions}
    assert deadlines["retrain"] == 600
    assert deadlines["publish"] == 60


@pytest.mark.parametrize("attempts", [0, 4, 101])
def test_tries_that_pubsub_does_not_take_are_refused(attempts):
    with pytest.raises(InvalidInput, match="5 to 100"):
        topology(attempts=attempts)


@pytest.mark.parametrize("prefix", ["", "1st", "google-things", "ünder"])
def test_a_prefix_that_pubsub_does_not_take_is_refused(prefix):
    with pytest.raises(InvalidInput):
        topology(prefix=prefix)
