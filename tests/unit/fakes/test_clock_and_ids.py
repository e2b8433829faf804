"""The clock and the ids that other tests rely on."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.ports import Clock, Ids
from tests.fakes.clock import START, ManualClock
from tests.fakes.ids import SeededIds


def test_the_clock_stands_still_until_it_is_moved():
    clock: Clock = ManualClock()
    assert clock.now() == clock.now() == START
    assert clock.now_text() == "2026-01-01T12:00:00.000000Z"
    assert clock.monotonic_s() == 0


def test_advancing_moves_both_clocks():
    clock = ManualClock()
    clock.advance(1.5)
    clock.advance(days=2)
    assert clock.now() == START + timedelta(days=2, seconds=1.5)
    assert clock.monotonic_s() == 2 * 86400 + 1.5


def test_the_clock_does_not_advance_backwards():
    clock = ManualClock()
    with pytest.raises(ValueError, match="set_time"):
        clock.advance(-1)


def test_the_time_can_be_set_back_and_is_utc():
    clock = ManualClock()
    clock.set_time(datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2020, 1, 1, tzinfo=UTC)
    assert clock.monotonic_s() == 0


def draw(ids: Ids) -> list[object]:
    return [ids.new("ent"), ids.secret(), ids.uniform(), ids.new("req")]


def test_equal_seeds_give_equal_sequences_and_others_do_not():
    assert draw(SeededIds(7)) == draw(SeededIds(7))
    assert draw(SeededIds(7)) != draw(SeededIds(8))


def test_seeded_ids_look_like_the_real_ones():
    ids = SeededIds()
    assert re.fullmatch(r"ent_[0-9a-hjkmnp-tv-z]{20}", ids.new("ent"))
    assert len({ids.new("x") for _ in range(1000)}) == 1000
    assert 0 <= ids.uniform() < 1
