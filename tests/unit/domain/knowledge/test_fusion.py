"""Fusion by rank."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.knowledge.fusion import RANK_OFFSET, fused

RANKINGS = st.lists(st.lists(st.integers(0, 50), unique=True, max_size=20), max_size=4)


def test_the_score_is_the_sum_of_reciprocal_ranks():
    assert fused([[7, 8], [8, 9]]) == [
        (8, pytest.approx(1 / 62 + 1 / 61)),
        (7, pytest.approx(1 / 61)),
        (9, pytest.approx(1 / 62)),
    ]


def test_nothing_ranked_is_nothing_fused():
    assert fused([]) == fused([[], []]) == []


def test_of_equal_scores_the_smaller_number_comes_first():
    assert [document for document, _ in fused([[5, 1], [1, 5], [9]])] == [1, 5, 9]


@given(rankings=RANKINGS)
def test_every_document_is_there_once_with_a_score_in_range(rankings):
    found = fused(rankings)
    assert {document for document, _ in found} == {one for ranking in rankings for one in ranking}
    assert len(found) == len({document for document, _ in found})
    assert all(0 < score <= len(rankings) / (RANK_OFFSET + 1) + 1e-12 for _, score in found)


@given(ranking=st.lists(st.integers(), unique=True, max_size=30), times=st.integers(1, 4))
def test_rankings_that_agree_keep_their_order(ranking, times):
    assert [document for document, _ in fused([ranking] * times)] == ranking


@given(rankings=RANKINGS)
def test_the_order_of_the_rankings_does_not_matter(rankings):
    there, back = fused(rankings), fused(rankings[::-1])
    assert dict(there) == pytest.approx(dict(back))
