"""No caller teaches more than his part, however fast he is; one alone teaches all."""

import random

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.labellers import LATELY, MOST_CALLERS, Given, caller_hash, taken

BLOCK = 100


def played(blocks, known=None):
    """Returns which callers' prompts counted in each block, and what is known at the end."""
    known, counted = known or {}, []
    for block in blocks:
        takes, known = taken(known, block)
        counted.append([caller for caller, counts in zip(block, takes, strict=True) if counts])
    return counted, known


def traffic(blocks, shares, seed=1):
    draw = random.Random(seed)
    return [draw.choices(list(shares), list(shares.values()), k=BLOCK) for _ in range(blocks)]


def share(counted, caller):
    rows = [one for block in counted for one in block]
    return rows.count(caller) / len(rows)


PEOPLE = {f"person{number}": 1.0 for number in range(20)}


def test_all_counts_where_one_caller_labels_alone():
    counted, known = played([["app"] * BLOCK] * 60)
    assert all(len(block) == BLOCK for block in counted)
    assert known["app"].offered < LATELY


def test_who_labels_a_fifth_counts_like_one_of_the_others():
    counted, _ = played(traffic(60, {**PEOPLE, "eve": 5.0}))
    assert share(counted, "eve") < 0.08
    assert sum(map(len, counted)) > 0.75 * 60 * BLOCK


def test_whole_blocks_of_one_caller_do_not_count_where_others_labelled_before():
    _, known = played(traffic(10, PEOPLE))
    flood, known = played([["eve"] * BLOCK] * 5, known)
    assert sum(map(len, flood)) < 300
    later, _ = played(traffic(10, PEOPLE), known)
    assert sum(map(len, later)) > 0.9 * 10 * BLOCK


def test_callers_who_label_alike_lose_next_to_nothing():
    counted, _ = played(traffic(60, PEOPLE))
    assert sum(map(len, counted)) > 0.9 * 60 * BLOCK


def test_one_who_labels_nearly_all_loses_next_to_nothing():
    counted, _ = played(traffic(40, {"app": 99.0, "ann": 1.0}))
    assert sum(map(len, counted)) > 0.95 * 40 * BLOCK


def test_what_is_kept_of_callers_is_bounded():
    _, known = played([[f"c{block}.{place}" for place in range(BLOCK)] for block in range(60)])
    assert len(known) <= MOST_CALLERS
    assert sum(one.offered for one in known.values()) < LATELY


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.builds(lambda n, m: Given(max(n, m), min(n, m)), *[st.integers(1, 400)] * 2),
    ),
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=BLOCK),
)
def test_the_cap_is_the_same_for_all_and_leaves_half(known, block):
    before = dict(known)
    takes, _ = taken(known, block)
    assert known == before
    offered = {
        caller: block.count(caller) + known.get(caller, Given(0, 0)).offered
        for caller in {*block, *known}
    }
    counted = {
        caller: known.get(caller, Given(0, 0)).counted
        + sum(counts for one, counts in zip(block, takes, strict=True) if one == caller)
        for caller in offered
    }
    refused = {one for one, counts in zip(block, takes, strict=True) if not counts}
    if refused:
        cap = min(counted[one] for one in refused)
        assert 2 * sum(min(cap, n) for n in offered.values()) >= sum(offered.values())


def test_a_caller_is_known_by_a_hash():
    assert caller_hash("key:a") == caller_hash("key:a") != caller_hash("key:b")
    assert len(caller_hash("ann@example.org")) == 8
