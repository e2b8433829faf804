"""What PostgreSQL cannot hold or compare is refused as the port says, and breaks nothing."""

import base64
import json
from contextlib import suppress
from dataclasses import replace

import pytest

from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.records import Filter, Order
from shared.errors import AlreadyExists, InvalidInput
from tests.contract.postgres_steps import chain_of, played
from tests.contract.store_records import (
    HERE,
    RATING,
    creates,
    entry,
    event,
    everything,
    key,
    puts,
    raise_count,
    write,
)

pytestmark = pytest.mark.contract

PENDING = Filter("state", "==", "pending_approval")


def test_values_that_cannot_be_stored_are_invalid_also_in_questions(postgres):
    async def scenario(store):
        nul = Filter("topic", "==", "a\x00b")
        for attempt in (
            lambda: write(store, puts(CONTENT_KEYS, key("a\x00"))),
            lambda: write(store, lambda tx: tx.append(replace(RATING, cost_nanousd=2**80))),
            lambda: store.get(HERE, CONTENT_KEYS, "a\x00"),
            lambda: store.find(HERE, ENTRIES, PENDING, nul, order=Order("submitted_at")),
            lambda: store.transact(HERE, lambda tx: tx.get(CONTENT_KEYS, "\ud800")),
        ):
            with pytest.raises(InvalidInput):
                await attempt()
        assert await raise_count(store) == 1

    played(postgres.fresh(), scenario)


def forged(cursor, last):
    """Returns cursors of the same list with a part of another type."""
    padded = cursor + "=" * (-len(cursor) % 4)
    fingerprint, _, record_id = json.loads(base64.urlsafe_b64decode(padded))
    bodies = (f'["{fingerprint}",{last},"{record_id}"]', f'["{fingerprint}",0.5,{last}]')
    return [base64.urlsafe_b64encode(body.encode()).decode() for body in bodies]


def test_refused_work_leaves_the_statements_behind_it_as_they_were(postgres):
    """The driver prepares what it has sent often, and must not count on what was never executed."""

    async def scenario(store):
        for number in range(30):
            with pytest.raises(InvalidInput):
                await store.get(HERE, CONTENT_KEYS, f"{number}\x00")
            await write(store, creates(CONTENT_KEYS, key(f"a{number}")))
            with pytest.raises(AlreadyExists):
                await write(
                    store, creates(CONTENT_KEYS, key(f"a{number}")), lambda tx: tx.emit(event("e"))
                )
            with pytest.raises(InvalidInput):
                await write(store, everything, lambda tx: tx.append(replace(RATING, sign=2**70)))
            await write(store, everything)
        assert await chain_of(store) == (30, None)

    played(postgres.fresh(), scenario)


@pytest.mark.parametrize("last", ["7", '"x"', "true", "null", "1e300", '"\\u0000"'])
def test_a_forged_cursor_is_refused_or_read_but_never_breaks(postgres, last):
    async def scenario(store):
        order = Order("confidence_score")
        await write(store, puts(ENTRIES, *(entry(number) for number in range(5))))
        page = await store.find(HERE, ENTRIES, PENDING, order=order, limit=1)
        for cursor in forged(page.next_cursor, last):
            with suppress(InvalidInput):
                found = await store.find(HERE, ENTRIES, PENDING, order=order, cursor=cursor)
                assert len(found.items) <= 5

    played(postgres.fresh(), scenario)
