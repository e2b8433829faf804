"""The state machine of an entry against a model small enough to be read at once."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.domain import claims, reviewing
from shared.domain.entries import Entry
from shared.domain.reviewing import Ruling
from shared.domain.times import plus
from shared.errors import WhetstoneError

T0 = "2026-01-01T12:00:00.000000Z"
PEOPLE = st.sampled_from(["ada", "bob", "cyd", "agent"])
VERDICTS = st.sampled_from(["approve", "reject", "request_revision"])
STATES = {"approve": "approved", "reject": "rejected", "request_revision": "revision_requested"}


class Review(RuleBasedStateMachine):
    """One risky entry (two must approve), people who claim and decide, and a clock."""

    def __init__(self):
        super().__init__()
        self.now_s = 0
        self.entry = Entry(
            id="ent_1",
            state="pending_approval",
            topic="t",
            content="c",
            content_hash="a" * 64,
            confidence_score=0.2,
            risk=0.8,
            submitter="agent",
            submitted_by="agent",
            submitted_at=T0,
            created_at=T0,
            updated_at=T0,
        )
        self.decisions = {}
        # the model
        self.state = "pending_approval"
        self.revision = 1
        self.published = None
        self.approved_by = set()
        self.holder, self.until, self.token = None, 0, 0
        self.tokens_given = 0
        self.tokens = {}

    @property
    def now(self):
        return plus(T0, self.now_s)

    @property
    def held_by(self):
        return self.holder if self.until > self.now_s else None

    def may_decide(self, who, verdict, token):
        waits = who != "agent" and self.state == "pending_approval"
        if not waits or self.held_by not in (None, who):
            return False
        if self.holder == who and self.held_by is None:
            return False
        if token is not None and not (self.holder == who and token == self.token):
            return False
        return verdict != "approve" or who not in self.approved_by

    @rule(seconds=st.sampled_from([1, 29, 30, 31, 600]))
    def time_passes(self, seconds):
        self.now_s += seconds

    @rule(who=PEOPLE, seconds=st.sampled_from([30, 600]))
    def claim(self, who, seconds):
        free = self.held_by in (None, who)
        if who == "agent" or self.state != "pending_approval" or not free:
            with pytest.raises(WhetstoneError):
                claims.claim(self.entry, who, self.now, seconds)
            return
        self.entry, lease = claims.claim(self.entry, who, self.now, seconds)
        if self.held_by is None:
            self.tokens_given += 1
            self.token = self.tokens_given
        self.holder, self.until = who, self.now_s + seconds
        self.tokens[who] = lease.token
        assert lease.token == self.token

    @rule(who=PEOPLE, verdict=VERDICTS, with_token=st.booleans())
    def decide(self, who, verdict, with_token):
        token = self.tokens.get(who) if with_token else None
        how = Ruling(verdict=verdict, reviewer=who, at=self.now, claim_token=token)
        known = self.decisions.get(self.revision)
        if not self.may_decide(who, verdict, token):
            with pytest.raises(WhetstoneError):
                reviewing.decide(self.entry, how, known, 0.5)
            return
        ruled = reviewing.decide(self.entry, how, known, 0.5)
        self.entry = ruled.entry
        self.holder = None
        self.until = 0
        if verdict == "approve":
            self.approved_by.add(who)
            if len(self.approved_by) < 2:
                assert ruled.decision is None
                return
            assert ruled.supersedes == self.published
            self.published = self.revision
        assert self.revision not in self.decisions
        self.decisions[self.revision] = ruled.decision
        self.state = STATES[verdict]

    @rule(who=PEOPLE)
    def release(self, who):
        if self.held_by not in (None, who):
            with pytest.raises(WhetstoneError):
                claims.release(self.entry, who, self.now, None)
            return
        self.entry = claims.release(self.entry, who, self.now, None)
        if self.holder == who:
            self.holder, self.until = None, 0

    @rule()
    def retract(self):
        if self.published is None:
            with pytest.raises(WhetstoneError):
                reviewing.retract(self.entry, self.now)
            return
        self.entry = reviewing.retract(self.entry, self.now).entry
        self.published = None
        if self.state in ("approved", "rejected"):
            self.state = "retracted"

    @rule()
    def submit_next_revision(self):
        if self.state not in ("approved", "revision_requested"):
            return
        self.revision += 1
        self.state = "pending_approval"
        self.approved_by = set()
        self.holder, self.until = None, 0
        self.entry = self.entry.model_copy(
            update={
                "revision": self.revision,
                "state": "pending_approval",
                "claim": None,
                "votes": [],
                "submitted_at": self.now,
            }
        )

    @invariant()
    def entry_is_what_the_model_says(self):
        assert self.entry.state == self.state
        assert self.entry.published_revision == self.published
        live = claims.live_claim(self.entry, self.now)
        assert (live.id if live else None) == self.held_by

    @invariant()
    def only_what_two_people_approved_is_published(self):
        if self.published is not None:
            decision = self.decisions[self.published]
            assert decision.verdict == "approve"
            assert len(set(decision.reviewers)) == 2
            assert "agent" not in decision.reviewers


Review.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestReview = Review.TestCase
