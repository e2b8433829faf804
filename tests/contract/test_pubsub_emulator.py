"""What the local cloud relies on in Google's Pub/Sub emulator."""

import asyncio
import json

import pytest

from shared.adapters.bus_pubsub import PubSubBus
from shared.adapters.pubsub_setup import ensure_topology
from shared.adapters.pubsub_topology import consumers, topology
from tests.contract.bus_rigs import approved
from tests.fakes.http_receiver import HttpReceiver
from tests.support.pubsub_fixture import new_project, pubsub_emulator, pubsub_server
from tests.support.system import System
from tests.support.waiting import until

__all__ = ["pubsub_emulator", "pubsub_server"]

pytestmark = [pytest.mark.contract, pytest.mark.slow, pytest.mark.usefixtures("pubsub_emulator")]

AT_ONCE = 300
CONSUMERS = ("publish", "notify")


def test_many_deliveries_that_fail_in_the_same_moment_all_come_again(tmp_path):
    """With pauses that we set (a retry policy) most of them never would: see localcloud.prepare."""
    project, wanted = new_project(), topology(attempts=60, first_backoff_s=None)
    events = [approved(number) for number in range(AT_ONCE)]

    async def publish(url):
        await ensure_topology(project, wanted, dict.fromkeys([*consumers(), "monitor"], url))
        async with System(tmp_path) as system:
            bus = PubSubBus(project, system.store, system.clock)
            await bus.publish(events)
            await bus.close()

    with HttpReceiver() as receiver:
        receiver.status = 503
        asyncio.run(publish(receiver.url))

        def count():
            return len(receiver.deliveries)

        until(lambda: count() > 2 * len(CONSUMERS) * AT_ONCE, count)
        refused = count()
        receiver.status = 200

        def taken():
            return {heard(one) for one in receiver.deliveries[refused:]}

        until(lambda: len(taken()) == len(CONSUMERS) * AT_ONCE, count)


def heard(delivery):
    """Returns the path and the event of a push."""
    attributes = json.loads(delivery.body)["message"]["attributes"]
    return delivery.path, attributes["event_id"]
