"""Claims: one lives at a time, and one that is over decides nothing."""

import pytest

from shared.domain import claims, reviewing
from shared.domain.entries import Claim, Entry
from shared.domain.reviewing import Ruling
from shared.domain.times import plus
from shared.errors import Conflict, NotAllowed

T0 = "2026-01-01T12:00:00.000000Z"


def entry(**changes):
    fields = {
        "id": "ent_1",
        "state": "pending_approval",
        "topic": "billing",
        "content": "Invoices can be reissued.",
        "content_hash": "a" * 64,
        "confidence_score": 0.9,
        "risk": 0.1,
        "submitter": "agent",
        "submitted_by": "key:k1",
        "submitted_at": T0,
        "created_at": T0,
        "updated_at": T0,
    }
    return Entry(**{**fields, **changes})


def at(seconds):
    return plus(T0, seconds)


def claimed_by(reviewer, what=None, when=0, seconds=600):
    return claims.claim(what or entry(), reviewer, at(when), seconds)[0]


def approve(what, reviewer, when, token=None):
    how = Ruling(verdict="approve", reviewer=reviewer, at=at(when), claim_token=token)
    return reviewing.decide(what, how, None, None)


def test_a_claim_lasts_as_long_as_it_was_taken_for():
    lease = claims.claim(entry(), "ada", T0, 30)[1]
    assert lease == Claim(id="ada", token=1, expires_at=at(30))
    held = claimed_by("ada", seconds=30)
    assert claims.live_claim(held, at(29.999999)) == lease
    assert claims.live_claim(held, at(30)) is None


def test_nobody_takes_a_live_claim_over():
    with pytest.raises(Conflict, match="ada reviews") as error:
        claimed_by("bob", claimed_by("ada"), when=599)
    assert error.value.facts == {"claim": {"reviewer": "ada", "expires_at": at(600)}}


def test_renewing_keeps_the_token_and_moves_the_end():
    renewed = claimed_by("ada", claimed_by("ada"), when=300)
    assert (renewed.claim.token, renewed.claim.expires_at) == (1, at(900))


@pytest.mark.parametrize("next_one", ["ada", "bob"])
def test_each_new_claim_has_a_higher_token(next_one):
    later = claimed_by(next_one, claimed_by("ada"), when=600)
    assert (later.claim.id, later.claim.token) == (next_one, 2)


def test_tokens_rise_across_releases():
    released = claims.release(claimed_by("ada"), "ada", at(1), None)
    assert released.claim is None
    assert claimed_by("ada", released, when=2).claim.token == 2


@pytest.mark.parametrize("state", ["approved", "rejected", "revision_requested", "retracted"])
def test_only_what_waits_is_claimed(state):
    with pytest.raises(Conflict):
        claimed_by("ada", entry(state=state))


@pytest.mark.parametrize("who", ["agent", "key:k1"])
def test_the_submitter_does_not_claim(who):
    with pytest.raises(NotAllowed):
        claimed_by(who)


def test_releasing_nothing_changes_nothing():
    free = entry()
    assert claims.release(free, "ada", T0, None) is free
    over = claimed_by("ada", seconds=30)
    assert claims.release(over, "bob", at(30), None) is over


def test_another_ones_live_claim_is_not_released():
    with pytest.raises(Conflict):
        claims.release(claimed_by("ada"), "bob", at(1), None)


def test_a_token_of_an_earlier_claim_does_not_release_the_present_one():
    second = claimed_by("ada", claimed_by("ada", seconds=30), when=30)
    with pytest.raises(Conflict):
        claims.release(second, "ada", at(31), 1)
    assert claims.release(second, "ada", at(31), 2).claim is None


def test_the_holder_decides_with_or_without_the_token():
    assert approve(claimed_by("ada"), "ada", 1).entry.claim is None
    assert approve(claimed_by("ada"), "ada", 1, token=1).entry.state == "approved"


def test_nobody_else_decides_under_a_live_claim():
    with pytest.raises(Conflict) as error:
        approve(claimed_by("ada"), "bob", 1)
    assert error.value.facts["claim"]["reviewer"] == "ada"


def test_anybody_else_decides_once_the_claim_has_expired():
    assert approve(claimed_by("ada", seconds=30), "bob", 30).entry.state == "approved"


@pytest.mark.parametrize("token", [None, 1])
def test_an_expired_claimant_must_claim_again(token):
    over = claimed_by("ada", seconds=30)
    with pytest.raises(Conflict, match="expired"):
        approve(over, "ada", 30, token=token)
    again = claimed_by("ada", over, when=31)
    assert approve(again, "ada", 32, token=2).entry.state == "approved"


@pytest.mark.parametrize("when", [32, 100])
def test_an_expired_claimant_is_fenced_off_where_another_has_claimed_since(when):
    second = claimed_by("bob", claimed_by("ada", seconds=30), when=31, seconds=30)
    with pytest.raises(Conflict):
        approve(second, "ada", when, token=1)


def test_a_token_without_a_claim_is_over():
    with pytest.raises(Conflict) as error:
        approve(entry(), "ada", 1, token=1)
    assert error.value.facts == {"claim": None}


def test_a_wrong_token_of_the_holder_is_refused():
    with pytest.raises(Conflict, match="claim 7"):
        approve(claimed_by("ada"), "ada", 1, token=7)


def test_different_people_stay_different():
    assert not claims.same_person("ada", "adam")
    assert claims.same_person("Ada", " ada ")
