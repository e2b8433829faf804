"""A change falls with its proof: rows that take ratings back, and what stands after them."""

import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.learning.changes import DriftGroup, GroupName, as_evidence, new_group
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import CODE, LEAST_AFTER, OWED, Figures, code_of, figures
from shared.domain.learning.drift_groups import advance
from shared.domain.learning.drift_words import told, told_change
from shared.domain.learning.proofs import REMEMBERED
from tests.unit.domain.learning.test_drift import row

CONFIG = DriftConfig()
NAME = GroupName("math", "p", "m")
NOW = "2026-11-21T08:00:00.000000Z"


def rated(chance, first, *parts):
    """Returns ratings: of each part so many, by `who` of this name, right in this share."""
    rows, place = [], first
    for count, who, share in parts:
        for _ in range(count):
            right = chance.random() < share
            rater = f"{who}{chance.randrange(12)}"
            rows.append(
                replace(row(place, correct=int(right), quality=5 if right else 2), rater=rater)
            )
            place += 1
    return rows


def mixed(chance, first, count, hostile, share):
    """Returns ratings of which a share is of hostile raters who say that all is wrong."""
    rows = []
    for place in range(first, first + count):
        bad = chance.random() < hostile
        right = not bad and chance.random() < share
        rater = f"bad{chance.randrange(6)}" if bad else f"good{chance.randrange(30)}"
        rows.append(replace(row(place, correct=int(right), quality=5 if right else 1), rater=rater))
    return rows


def back(rows, who="bad"):
    """Returns the rows that take back what raters of this name gave."""
    return [replace(one, sign=-1) for one in rows if one.rater.startswith(who)]


def placed(rows):
    return list(enumerate(rows, start=1))


def folded(rows, cuts=(), config=CONFIG):
    """Returns the group after all rows, its changes and what stands, page by page.

    Between two pages the group is written and read again.
    """
    group, changes, proofs = new_group(NAME, NOW), {}, []
    numbered = placed(rows)
    for start, end in pairwise([0, *sorted(cuts), len(rows)]):
        found = advance(group, numbered[start:end], config, NOW)
        group = DriftGroup.model_validate_json(found.group.model_dump_json())
        changes.update({one.place: one for one in found.changes})
        for place, why in found.withdrawn.items():
            changes[place] = changes[place].model_copy(update={"withdrawn": why})
        proofs += found.proofs
    return group, list(changes.values()), proofs


def feigned(seed=1, first=1):
    """Returns 300 ratings of a model that is right nine times of ten, and a fall feigned in 70."""
    chance = random.Random(seed)
    honest = rated(chance, first, (300, "good", 0.9))
    return [*honest, *mixed(chance, first + 300, 70, 0.6, 0.9)]


def test_a_feigned_fall_is_taken_back_with_the_ratings_that_proved_it():
    rows = feigned()
    group, (change,), proofs = folded([*rows, *back(rows)])
    why = change.withdrawn
    assert change.direction == why.direction == "fall"
    assert why.place > len(rows)
    assert why.of == change.after.n
    assert why.left < why.of
    assert (group.changed, group.direction, group.fallen_from, group.proofs) == (0, None, None, [])
    assert group.status == "stable"
    assert group.unsettled
    assert (proofs[-1].since, proofs[-1].epoch, proofs[-1].after) == (0, 1, Figures())
    assert group.epoch == 1


def test_the_detector_knows_again_what_was_before_less_what_was_taken_back():
    rows = feigned()
    group, _, _ = folded([*rows, *back(rows)])
    kept = [one for one in rows if not one.rater.startswith("bad")]
    assert group.now.n == len(kept)
    assert group.now.correct == sum(one.correct for one in kept)
    assert group.now.quality == sum(one.quality for one in kept)


def test_what_is_said_names_the_days_and_the_ratings():
    rows = feigned()
    group, (change,), _ = folded([*rows, *back(rows)])
    assert told(group, CONFIG).startswith("p/m on math looks as it did: a score of ")
    for words in (told(group, CONFIG), told_change(change)):
        assert "The fall of 2024-10-0" in words
        assert "was taken back on 2026-11-21, as " in words
        assert f"of the {change.after.n} ratings that proved it were taken back" in words


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 430), max_size=6), st.integers(0, 3))
def test_pages_of_any_size_lead_to_the_same_records(cuts, seed):
    rows = feigned(seed)
    rows += [*back(rows), *rated(random.Random(seed), 1000, (60, "good", 0.2))]
    whole = folded(rows)
    assert folded(rows, [cut for cut in cuts if cut < len(rows)]) == whole
    assert whole[1][0].withdrawn is not None


def test_a_change_that_what_is_left_still_shows_stands_and_its_proof_shrinks_row_by_row():
    """Honest raters proved the fall beside the hostile ones, so it stands without these."""
    chance = random.Random(4)
    rows = [*rated(chance, 1, (300, "good", 0.9)), *mixed(chance, 301, 60, 0.3, 0.1)]
    group, (change,), proofs = folded([*rows, *back(rows)])
    (proof,) = group.proofs
    assert change.withdrawn is None
    assert group.status == "fallen"
    gone = change.after.n - proof.left
    assert gone > 0
    assert len(proofs) == 1 + gone
    assert proofs[-1].after == figures(proof.after)
    assert proofs[-1].after.n == proof.left
    assert as_evidence(proofs[-1]).n == proof.left


def test_too_few_that_are_left_prove_nothing():
    chance = random.Random(5)
    rows = rated(chance, 1, (300, "good", 0.9), (14, "bad", 0.0))
    _, (change,), _ = folded([*rows, *back(rows)])
    assert 0 < change.withdrawn.left < LEAST_AFTER


def test_what_came_since_holds_a_change_up_of_which_the_whole_proof_is_gone():
    """It was feigned, and then came true: what was rated before is old all the same."""
    chance = random.Random(2)
    rows = [*rated(chance, 1, (300, "good", 0.9)), *rated(chance, 301, (40, "bad", 0.0))]
    fell = rated(chance, 1000, (60, "good", 0.1))
    group, (change,), proofs = folded([*rows, *fell, *back(rows)])
    assert change.withdrawn is None
    (proof,) = group.proofs
    assert proof.left < change.after.n
    assert (proofs[-1].since, group.status) == (1, "fallen")
    quiet, (same,), _ = folded([*rows, *back(rows)])
    assert same.withdrawn is not None
    assert quiet.fallen_from is None


def test_a_replaced_rating_takes_its_place_in_the_proof_and_is_counted_once():
    chance = random.Random(6)
    rows = rated(chance, 1, (300, "good", 0.9), (60, "good", 0.2))
    group, (change,), _ = folded(rows)
    prover = next(one for one in reversed(rows) if code_of(one) in codes(group.proofs[0].provers))
    again = replace(prover, feedback_id="fb_again", quality=4, correct=1)
    after, (same,), proofs = folded([*rows, replace(prover, sign=-1), again])
    assert same == change
    assert [one.after.n for one in proofs[1:]] == [change.after.n - 1, change.after.n]
    assert proofs[-1].after.quality == change.after.quality + 4 - prover.quality
    assert after.now == group.now


def codes(text):
    return [text[at : at + CODE] for at in range(0, len(text), CODE)]


def test_who_is_put_back_while_a_change_stands_is_in_its_proof_again():
    chance = random.Random(4)
    rows = [*rated(chance, 1, (300, "good", 0.9)), *mixed(chance, 301, 60, 0.3, 0.1)]
    whole, changes, proofs = folded(rows)
    again = [replace(one, sign=1) for one in back(rows)]
    returned, same, log = folded([*rows, *back(rows), *again])
    assert same == changes
    assert log[-1].after == proofs[-1].after
    assert returned.now == whole.now
    assert returned.watch.owed == ""


def test_what_was_taken_back_stays_so_when_its_raters_are_put_back():
    """Their ratings count again as such; the model has to fall once more to be told as fallen."""
    rows = feigned()
    again = [replace(one, sign=1) for one in back(rows)]
    group, (change,), proofs = folded([*rows, *back(rows), *again])
    assert change.withdrawn is not None
    assert proofs[-1].since == 0
    assert group.now.n == len(rows)
    found = rated(random.Random(9), 1000, (120, "good", 0.1))
    fallen, changes, log = folded([*rows, *back(rows), *again, *found])
    assert [one.epoch for one in changes] == [1, 2]
    assert log[-1].since == fallen.epoch == 2
    assert fallen.withdrawn is None


def test_a_rise_back_to_where_a_model_has_been_falls_with_the_feigned_fall():
    chance = random.Random(1)
    rows = feigned(1)
    recovered = rated(chance, 1000, (200, "good", 0.9))
    _, before, _ = folded([*rows, *recovered])
    assert [one.direction for one in before] == ["fall", "rise"]
    group, (fall, rise), proofs = folded([*rows, *recovered, *back(rows)])
    assert fall.withdrawn is not None
    assert rise.withdrawn is not None
    assert (group.proofs, proofs[-1].since, group.epoch) == ([], 0, 2)


def test_the_earlier_of_two_changes_falls_and_the_later_stands():
    chance = random.Random(2)
    rows = [*rated(chance, 1, (300, "good", 0.9)), *mixed(chance, 301, 60, 0.5, 0.9)]
    fell = rated(chance, 1000, (40, "good", 0.9), (100, "good", 0.05))
    group, (first, second), proofs = folded([*rows, *fell, *back(rows)])
    assert first.withdrawn is not None
    assert second.withdrawn is None
    (proof,) = group.proofs
    assert (proof.epoch, proofs[-1].since) == (2, 2)
    assert group.fallen_from == figures(proof.before)
    assert group.fallen_from.value > 0.85
    assert group.withdrawn is None
    assert group.status == "fallen"


def test_the_later_of_two_changes_falls_and_the_earlier_is_the_last_again():
    chance = random.Random(2)
    fell = rated(chance, 1, (300, "good", 0.95), (200, "good", 0.6))
    rows = mixed(chance, 501, 90, 0.7, 0.6)
    group, (first, second), proofs = folded([*fell, *rows, *back(rows)])
    assert first.withdrawn is None
    assert second.withdrawn is not None
    assert (proofs[-1].since, proofs[-1].epoch) == (1, 2)
    assert proofs[-1].after == first.after
    assert (group.changed, group.fallen_from) == (first.place, first.before)
    assert group.withdrawn == second.withdrawn
    assert "has not recovered" in told(group, CONFIG)


def test_the_next_change_gets_a_number_of_its_own():
    rows = feigned()
    fell = rated(random.Random(3), 1000, (120, "good", 0.1))
    group, changes, proofs = folded([*rows, *back(rows), *fell])
    assert [one.epoch for one in changes] == [1, 2]
    assert [one.epoch for one in proofs] == sorted(one.epoch for one in proofs)
    assert (group.epoch, proofs[-1].since) == (2, 2)


def test_ratings_taken_back_before_the_alarm_prove_nothing():
    chance = random.Random(1)
    honest = rated(chance, 1, (300, "good", 0.9))
    pushed = rated(chance, 301, (12, "bad", 0.0))
    later = rated(chance, 400, (300, "good", 0.9))
    group, changes, _ = folded([*honest, *pushed, *back(pushed), *later])
    assert changes == []
    assert group.now.n == 600


def test_the_detector_is_not_blind_after_many_were_set_aside():
    rows = feigned()
    fell = rated(random.Random(3), 1000, (60, "good", 0.1))
    _, changes, _ = folded([*rows, *back(rows), *fell])
    assert len(changes) == 2
    assert changes[1].place < len(rows) + len(back(rows)) + 45


def test_beyond_some_the_oldest_change_stays_for_good():
    chance, rows, place = random.Random(2), [], 1
    for number in range(REMEMBERED + 2):
        part = rated(chance, place, (150, f"{number}_", 0.95 if number % 2 else 0.05))
        rows, place = [*rows, *part], place + 200
    group, changes, _ = folded(rows)
    assert len(changes) > REMEMBERED
    assert len(group.proofs) == REMEMBERED
    oldest = group.proofs[0]
    taken, same, _ = folded([*rows, *back(rows, "1_"), *back(rows, "2_")])
    assert taken.proofs[0] == oldest
    assert [one.withdrawn for one in same[: -REMEMBERED + 1]] == [None] * (len(same) - 4)


def test_a_group_is_written_and_read_as_it_is():
    rows = feigned()
    for cut in (320, 365, len(rows) + 5, len(rows) + len(back(rows))):
        found = advance(new_group(NAME, NOW), placed([*rows, *back(rows)])[:cut], CONFIG, NOW)
        text = found.group.model_dump_json()
        assert DriftGroup.model_validate_json(text) == found.group
        assert json.loads(text)["watch"]["rated"] == found.group.watch.rated


@pytest.mark.parametrize("times", [1, 2000])
def test_a_group_needs_no_more_room_however_many_are_taken_back(times):
    chance, group = random.Random(1), new_group(NAME, NOW)
    rows = feigned()
    for _ in range(1 + times // 1000):
        some = rated(chance, 1000, (600, "bad", 0.5))
        rows += [*some, *back(some)]
    group = advance(group, placed(rows), CONFIG, NOW).group
    assert len(group.model_dump_json()) < 12_000


def test_a_prover_that_is_put_back_after_many_others_is_in_its_proof_again():
    chance = random.Random(6)
    rows = rated(chance, 1, (300, "good", 0.9), (60, "good", 0.2))
    group, (change,), _ = folded(rows)
    prover = next(one for one in reversed(rows) if code_of(one) in codes(group.proofs[0].provers))
    others = rated(chance, 2000, (OWED + 1, "late", 0.2))
    moved = [replace(prover, sign=-1), *others, *back(others, "late"), prover]
    group, (same,), proofs = folded([*rows, *moved])
    assert same == change
    assert proofs[-1].after == change.after
    assert group.proofs[0].gone == ""
