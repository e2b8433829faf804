"""Cells are the same everywhere, and shared words bring prompts together."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.neighbourhoods import cell_of


@given(st.text(), st.integers(2, 64))
def test_every_prompt_has_one_of_the_cells(prompt, count):
    assert 0 <= int(cell_of(prompt, count)) < count


@pytest.mark.parametrize("count", [0, 1])
def test_without_division_there_is_no_cell(count):
    assert cell_of("Explain the tides.", count) == ""


def test_a_cell_never_changes():
    assert cell_of("Explain how the tides follow the moon.", 16) == "5"


def test_order_case_and_repetition_do_not_matter():
    assert cell_of("moon tides MOON follow", 64) == cell_of("Follow, tides: moon!", 64)


def test_prompts_that_share_most_words_meet_more_often_than_strangers():
    chance = random.Random(3)
    words = ["".join(chance.choices("abcdefghij", k=7)) for _ in range(2000)]
    near = far = 0
    for _ in range(300):
        one = chance.sample(words, 20)
        near += cell_of(" ".join(one), 16) == cell_of(" ".join([*one[:18], "extra"]), 16)
        far += cell_of(" ".join(one), 16) == cell_of(" ".join(chance.sample(words, 20)), 16)
    assert near > 240
    assert far < 60
