"""The rules of a decision, one by one."""

import pytest

from shared.domain import claims, reviewing
from shared.domain.entries import Entry
from shared.domain.reviewing import Ruling
from shared.domain.times import plus
from shared.errors import Conflict, NotAllowed

T0 = "2026-01-01T12:00:00.000000Z"
HASH = "a" * 64


def entry(**changes):
    fields = {
        "id": "ent_1",
        "state": "pending_approval",
        "topic": "billing",
        "content": "Invoices can be reissued.",
        "content_hash": HASH,
        "confidence_score": 0.9,
        "risk": 0.1,
        "submitter": "agent",
        "submitted_by": "key:k1",
        "submitted_at": T0,
        "created_at": T0,
        "updated_at": T0,
    }
    return Entry(**{**fields, **changes})


def ruling(verdict="approve", reviewer="ada", after_s=60.0, **more):
    return Ruling(verdict=verdict, reviewer=reviewer, at=plus(T0, after_s), **more)


def decide(what, how, known=None, two_above=None):
    return reviewing.decide(what, how, known, two_above)


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        ("approve", "approved"),
        ("reject", "rejected"),
        ("request_revision", "revision_requested"),
    ],
)
def test_a_verdict_leads_to_its_state(verdict, state):
    ruled = decide(entry(), ruling(verdict, notes="so"))
    assert ruled.entry.state == state
    assert ruled.entry.decided_at == ruled.decision.decided_at == plus(T0, 60)
    assert ruled.decision.id == "ent_1:000001"
    assert (ruled.decision.verdict, ruled.decision.reviewer) == (verdict, "ada")
    assert ruled.decision.seconds_to_decision == 60
    assert ruled.decision.content_hash == HASH


def test_only_an_approval_publishes():
    assert decide(entry(), ruling()).entry.published_revision == 1
    assert decide(entry(), ruling("reject")).entry.published_revision is None


def test_a_rejected_revision_leaves_the_published_one():
    waiting = entry(revision=2, published_revision=1)
    ruled = decide(waiting, ruling("reject"))
    assert (ruled.entry.published_revision, ruled.supersedes) == (1, None)


def test_an_approved_revision_supersedes_the_published_one():
    ruled = decide(entry(revision=3, published_revision=1), ruling())
    assert (ruled.entry.published_revision, ruled.supersedes) == (3, 1)


@pytest.mark.parametrize("state", ["approved", "rejected", "revision_requested", "retracted"])
def test_what_does_not_wait_is_not_decided(state):
    with pytest.raises(Conflict) as error:
        decide(entry(state=state), ruling())
    assert error.value.facts["state"] == state


def test_the_loser_is_shown_the_winners_decision():
    won = decide(entry(), ruling(reviewer="bob", notes="fine"))
    with pytest.raises(Conflict, match="approve by bob") as error:
        decide(won.entry, ruling("reject"), won.decision)
    shown = error.value.facts["decision"]
    assert shown == won.decision.model_dump(mode="json", exclude={"id"})
    assert error.value.facts["state"] == "approved"


@pytest.mark.parametrize("seen", [{"revision": 1}, {"revision": 3}, {"content_hash": "b" * 64}])
def test_another_revision_or_content_than_was_seen_is_a_conflict(seen):
    with pytest.raises(Conflict) as error:
        decide(entry(revision=2), ruling(**seen))
    assert error.value.facts["revision"] == 2
    assert error.value.facts["content_hash"] == HASH


def test_the_revision_and_content_that_were_seen_may_be_named():
    named = ruling(revision=1, content_hash=HASH)
    assert decide(entry(), named).entry.state == "approved"


@pytest.mark.parametrize("who", ["agent", "key:k1", " Agent ", "AGENT", "\uff41gent"])
@pytest.mark.parametrize("verdict", ["approve", "reject", "request_revision"])
def test_the_submitter_never_decides_however_the_name_is_spelled(who, verdict):
    with pytest.raises(NotAllowed):
        decide(entry(), ruling(verdict, reviewer=who))


def test_a_time_before_the_submission_counts_as_no_time():
    assert decide(entry(), ruling(after_s=-5)).decision.seconds_to_decision == 0


# --- two approvals --------------------------------------------------------------------------------


def test_risk_at_the_limit_needs_one_person():
    assert decide(entry(risk=0.5), ruling(), two_above=0.5).votes_needed == 1


def test_the_first_of_two_approvals_leaves_the_entry_waiting():
    ruled = decide(entry(risk=0.6), ruling(notes="fine"), two_above=0.5)
    assert ruled.decision is None
    assert ruled.entry.state == "pending_approval"
    assert ruled.entry.published_revision is None
    assert [(vote.id, vote.notes) for vote in ruled.entry.votes] == [("ada", "fine")]
    assert ruled.votes_needed == 2


def test_the_first_approval_gives_the_claim_back_for_the_second_person():
    claimed, _ = claims.claim(entry(risk=0.6), "ada", T0, 600)
    assert decide(claimed, ruling(), two_above=0.5).entry.claim is None


@pytest.mark.parametrize("again", ["ada", "Ada "])
def test_the_same_person_is_not_two(again):
    once = decide(entry(risk=0.6), ruling(), two_above=0.5)
    with pytest.raises(Conflict, match="another reviewer"):
        decide(once.entry, ruling(reviewer=again), two_above=0.5)


def test_the_second_person_decides_and_both_are_named():
    once = decide(entry(risk=0.6), ruling(), two_above=0.5)
    twice = decide(once.entry, ruling(reviewer="bob"), two_above=0.5)
    assert twice.entry.state == "approved"
    assert twice.decision.reviewers == ["ada", "bob"]
    assert twice.decision.reviewer == "bob"


@pytest.mark.parametrize("verdict", ["reject", "request_revision"])
def test_one_person_is_enough_to_stop_a_risky_entry(verdict):
    once = decide(entry(risk=0.6), ruling(), two_above=0.5)
    ruled = decide(once.entry, ruling(verdict), two_above=0.5)
    assert ruled.decision.reviewers == ["ada"]
    assert ruled.entry.published_revision is None


def test_the_first_approver_decides_alone_once_the_workspace_asks_for_one():
    once = decide(entry(risk=0.6), ruling(), two_above=0.5)
    ruled = decide(once.entry, ruling(), two_above=None)
    assert ruled.entry.state == "approved"
    assert ruled.decision.reviewers == ["ada"]


# --- retraction -----------------------------------------------------------------------------------


def test_an_approved_entry_is_retracted():
    done = reviewing.retract(entry(state="approved", published_revision=1), T0)
    assert (done.entry.state, done.entry.published_revision, done.revision) == (
        "retracted",
        None,
        1,
    )


@pytest.mark.parametrize("state", ["pending_approval", "revision_requested"])
def test_a_newer_revision_goes_on_when_the_published_one_is_retracted(state):
    done = reviewing.retract(entry(state=state, revision=2, published_revision=1), T0)
    assert (done.entry.state, done.entry.published_revision) == (state, None)


def test_a_rejected_revision_does_not_keep_the_published_one_from_being_retracted():
    done = reviewing.retract(entry(state="rejected", revision=2, published_revision=1), T0)
    assert done.entry.state == "retracted"


def test_what_is_not_published_is_not_retracted():
    with pytest.raises(Conflict) as error:
        reviewing.retract(entry(state="rejected"), T0)
    assert error.value.facts == {"state": "rejected"}


def test_history_keeps_the_revision_in_its_state():
    kept = reviewing.archived(entry(state="approved", revision=7))
    assert (kept.id, kept.entry_id, kept.state) == ("ent_1:000007", "ent_1", "approved")
    assert kept.content == entry().content
