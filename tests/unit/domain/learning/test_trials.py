from itertools import pairwise

from shared.domain.learning.trials import (
    Arm,
    ArmSums,
    Trial,
    arm_at,
    counter,
    label,
    position,
    with_ratings,
)

ARMS = [Arm(name="a", share=0.3, snapshot_id="snap_1"), Arm(name="b", share=0.5)]


def trial():
    return Trial(
        id="exp_1",
        kind="experiment",
        state="running",
        name="a or b",
        arms=ARMS,
        started_at="2026-01-01T00:00:00Z",
        started_by="ada",
        ends_at="2026-01-15T00:00:00Z",
        read_from=0,
        read_upto=0,
    )


def sums(arm, n, quality=5, correct=1):
    return ArmSums(arm, quality, correct, n, 7 * n, n, 3 * n, 100 * n, n, 10_000 * n)


def test_a_session_stays_in_its_arm_and_another_key_shares_out_anew():
    places = [position("key", f"session:{n}") for n in range(200)]
    assert places == [position("key", f"session:{n}") for n in range(200)]
    assert all(0 <= place < 1 for place in places)
    assert places != [position("other", f"session:{n}") for n in range(200)]


def test_sessions_are_shared_out_as_planned():
    drawn = [arm_at(ARMS, position("key", f"session:{n}")) for n in range(10_000)]
    names = [one.name if one else "" for one in drawn]
    for name, share in (("a", 0.3), ("b", 0.5), ("", 0.2)):
        assert abs(names.count(name) / 10_000 - share) < 0.02


def test_every_place_belongs_to_one_arm_or_to_none():
    found = [arm_at(ARMS, n / 1000) for n in range(1000)]
    changes = sum(one != other for one, other in pairwise(found))
    assert changes == 2
    assert found[-1] is None


def test_ratings_add_up_by_arm_and_strangers_are_passed_over():
    rows = [sums(label("exp_1", "a"), 3), sums(label("exp_1", "a"), 2, 1, 0)]
    strange = [sums(label("exp_0", "a"), 9), sums(label("exp_1", "gone"), 9)]
    told = {counter("exp_1", "b"): {"answered": 4, "failed": 1}}
    first = trial().model_copy(update={"counts": with_ratings(trial(), [*rows, *strange], told)})
    again = with_ratings(first, [sums(label("exp_1", "a"), -1)], told)
    assert again["a"].ratings == {"1:0": 2, "5:1": 2}
    assert (again["a"].costed, again["a"].cost_nanousd) == (4, 28)
    assert (again["b"].answered, again["b"].failed, again["b"].ratings) == (4, 1, {})
