"""A snapshot is a function of evidence and configuration; its name proves its bytes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.snapshot import (
    SCHEMA_VERSION,
    Snapshot,
    build_snapshot,
    checksum,
    from_bytes,
    snapshot_id,
    to_bytes,
)
from shared.domain.learning.state import LearningState, fold
from shared.domain.learning.state_json import from_json, to_json
from shared.errors import CorruptData
from tests.unit.domain.learning.evidence import DAY, outcome, rating, state_of

CONFIG = LearningConfig(default_model=ModelId("p", "m"))
RATINGS = [rating(times=20), rating(model="n", quality=4, day=DAY - 9, times=30), rating("math")]
OUTCOMES = [outcome(times=40), outcome(agent="b", points=1, agreed=1, times=12)]


def full(config=CONFIG):
    return build_snapshot(state_of(ratings=RATINGS, outcomes=OUTCOMES, config=config), config)


ratings = st.builds(
    rating,
    pattern=st.sampled_from(["code", "math"]),
    model=st.sampled_from("abc"),
    day=st.integers(DAY - 90, DAY),
    quality=st.integers(1, 5),
    correct=st.integers(0, 1),
    cost_nanousd=st.none() | st.integers(0, 10**10),
    times=st.integers(1, 40),
)
outcomes = st.builds(
    outcome,
    agent=st.sampled_from("ab"),
    points=st.integers(0, 2),
    completed=st.integers(0, 1),
    day=st.integers(DAY - 90, DAY),
    offset=st.integers(0, 86399),
    agreed=st.integers(0, 1),
    confident=st.integers(0, 1),
    times=st.integers(1, 40),
)


@given(st.lists(ratings, max_size=8), st.lists(outcomes, max_size=8), st.integers(0, 8))
def test_replay_equals_incremental_learning_byte_for_byte(rating_rows, outcome_rows, cut):
    state = LearningState.empty(CONFIG)
    state = fold(state, ratings=rating_rows[:cut], outcomes=outcome_rows[:cut])
    state = from_json(to_json(state))
    state = fold(state, ratings=rating_rows[cut:], outcomes=outcome_rows[cut:])
    replayed = state_of(ratings=rating_rows[::-1], outcomes=outcome_rows[::-1], config=CONFIG)
    assert to_bytes(build_snapshot(state, CONFIG)) == to_bytes(build_snapshot(replayed, CONFIG))


@given(st.lists(ratings, min_size=1, max_size=12), st.sampled_from(["code", "math", "law"]))
def test_what_is_believed_is_the_same_before_and_after_the_bytes(rows, pattern):
    made = build_snapshot(state_of(ratings=rows, config=CONFIG), CONFIG)
    data = to_bytes(made)
    read = from_bytes(data, workspace="w", expected_id=snapshot_id("w", data))
    for model in (ModelId("p", name) for name in "abcd"):
        for cell in ("", "words"):
            believed = made.policy.belief(pattern, cell, model)
            assert read.policy.belief(pattern, cell, model) == believed
            assert 0 <= believed.value <= 1


def test_snapshot_survives_its_bytes():
    data = to_bytes(full())
    name = snapshot_id("default", data)
    read = from_bytes(data, workspace="default", expected_id=name)
    assert read == full()
    assert to_bytes(read) == data


def test_empty_snapshot_survives_its_bytes():
    empty = build_snapshot(LearningState.empty(CONFIG), CONFIG)
    data = to_bytes(empty)
    assert empty.as_of is None
    assert empty.totals.mean_quality is None
    read = from_bytes(data, workspace="w", expected_id=snapshot_id("w", data))
    assert read == empty


def test_bytes_are_json_without_spaces_in_the_order_of_declaration():
    data = to_bytes(full())
    document = json.loads(data, parse_float="<{}>".format)
    spelled = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    assert data.decode() == spelled.replace('"<', "").replace('>"', "")
    assert list(document) == list(Snapshot.model_fields)
    assert document["schema_version"] == SCHEMA_VERSION
    assert document["config"]["default_model"] == {"provider": "p", "model": "m"}


def test_figures_have_six_digits():
    lower = full().policy.rows[0].ranking[0].quality_lower
    assert lower == round(lower, 6)


def test_id_tells_workspace_and_content_apart():
    data = to_bytes(full())
    name = snapshot_id("default", data)
    assert len(name) == len("snap_") + 20
    assert name.startswith("snap_")
    assert name != snapshot_id("other", data)
    assert name != snapshot_id("default", data + b" ")
    assert checksum(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_configuration_is_part_of_the_content():
    other = CONFIG.model_copy(update={"quality_margin": 0.2})
    assert to_bytes(full(other)) != to_bytes(full())


@pytest.mark.parametrize("position", [0, 100, -1])
def test_any_changed_byte_is_found(position):
    data = bytearray(to_bytes(full()))
    name = snapshot_id("default", bytes(data))
    data[position] ^= 1
    with pytest.raises(CorruptData, match=name):
        from_bytes(bytes(data), workspace="default", expected_id=name)


def test_snapshot_of_another_workspace_is_refused():
    data = to_bytes(full())
    with pytest.raises(CorruptData):
        from_bytes(data, workspace="other", expected_id=snapshot_id("default", data))


def test_content_that_is_no_snapshot_is_refused():
    for data in (b"{}", b"nonsense"):
        with pytest.raises(CorruptData, match="is not a snapshot"):
            from_bytes(data, workspace="w", expected_id=snapshot_id("w", data))


def test_later_schema_is_refused():
    document = json.loads(to_bytes(full())) | {"schema_version": SCHEMA_VERSION + 1}
    data = json.dumps(document).encode()
    with pytest.raises(CorruptData, match="this version reads"):
        from_bytes(data, workspace="w", expected_id=snapshot_id("w", data))


def test_field_of_a_later_version_is_passed_over():
    document = json.loads(to_bytes(full()))
    document["policy"]["neighbourhoods"] = []
    data = json.dumps(document).encode()
    assert from_bytes(data, workspace="w", expected_id=snapshot_id("w", data)) == full()


def test_as_of_is_the_day_of_the_newest_evidence():
    assert full().as_of == "2026-09-04"


def test_totals_count_the_evidence():
    totals = full().totals
    assert (totals.ratings, totals.groups, totals.agents) == (51, 3, 2)
    assert totals.mean_quality == pytest.approx((20 * 5 + 30 * 4 + 5) / 51, abs=1e-6)
    assert totals.correctness == 1
    assert (totals.recommendations, totals.completed) == (52, 52)
    assert totals.approval_rate == pytest.approx((40 + 6) / 52, abs=1e-6)


def test_sums_of_another_half_life_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        build_snapshot(LearningState.empty(LearningConfig(half_life_days=7)), CONFIG)


def test_watermarks_are_those_of_the_state():
    state = replace(LearningState.empty(CONFIG), ratings_watermark=3, outcomes_watermark=4)
    snapshot = build_snapshot(state, CONFIG)
    assert (snapshot.ratings_watermark, snapshot.outcomes_watermark) == (3, 4)


def test_card_falls_back_from_type_to_agent_to_neutral():
    snapshot = full()
    assert snapshot.card("a", "t").recommendation_type == "t"
    assert snapshot.card("a", "unheard of").recommendation_type == ""
    assert snapshot.card("a", "unheard of").n == 40
    assert snapshot.card("nobody", "t").overall == 0.5
