"""Neighbourhoods are the same everywhere, and are told by the share of figures alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.neighbourhoods import cell_of


@given(st.text())
def test_every_prompt_is_in_a_neighbourhood(prompt):
    assert cell_of(prompt, told_apart=True) in {"words", "mixed", "figures"}


@given(st.text())
def test_where_none_are_told_apart_there_is_no_neighbourhood(prompt):
    assert cell_of(prompt, told_apart=False) == ""


@pytest.mark.parametrize(
    ("prompt", "cell"),
    [
        ("", "words"),
        ("Explain the tides.", "words"),
        (
            "Which treaty ended the war that began in 1618, and what did Europe gain by it?",
            "figures",
        ),
        ("Explain which of these 2 treaties ended the war, and what Europe gained by it.", "mixed"),
        ("What is 17 times 23?", "figures"),
        ("a" * 996 + "1234", "words"),
        ("a" * 995 + "12345", "mixed"),
        ("a" * 951 + "1" * 49, "mixed"),
        ("a" * 950 + "1" * 50, "figures"),
    ],
)
def test_the_share_of_figures_tells(prompt, cell):
    assert cell_of(prompt, told_apart=True) == cell


def test_what_comes_after_the_first_2000_characters_does_not_count():
    assert cell_of("a" * 2000 + "1" * 5000, told_apart=True) == "words"
