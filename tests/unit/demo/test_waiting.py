"""What the demo leaves in the queue."""

from demo.dataset import Claim, load
from demo.waiting import CLAIMS, contradictions


def claim(number, paper):
    return Claim(str(number), str(paper), f"claim {number}")


def test_like_claims_stand_beside_each_other_and_lonely_ones_are_left_out():
    claims = [claim(1, 1), claim(2, 2), claim(3, 1), claim(4, 3), claim(5, 3), claim(6, 3)]
    assert [one.claim_id for one in contradictions(claims, 9)] == ["1", "3", "4", "5"]
    assert len(contradictions(claims, 3)) == 3


def test_the_data_has_enough_of_them():
    assert len(contradictions(list(load().claims), CLAIMS)) == CLAIMS
