"""Feedback: people rate routed requests, and each rating becomes evidence.

What was rated (pattern, model, cost, latency, propensity) comes from the routing decision in the
log, never from the caller. Invariant: a person's standing rating of a request is in the evidence
exactly once; a replaced one is taken back by a row that repeats its figures with sign -1.
"""

import logging
from dataclasses import dataclass

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import (
    FEEDBACK,
    ROUTING_DECISIONS,
    Feedback,
    Rating,
    RatingEvidence,
    RoutingDecision,
)
from shared.domain.learning.bundles import NO_BUNDLE, bundle_of
from shared.domain.learning.raters import RATERS, Given, first, judge, value_of
from shared.domain.learning.sums import FULL_STANDING, inverse_weight
from shared.domain.learning.trials import unit_of
from shared.domain.models import NANO_PER_USD
from shared.domain.times import Timestamp, day_number, seconds_between
from shared.errors import Conflict, InvalidInput, NotFound
from shared.messages.rating import FeedbackRecorded, RecordFeedback
from shared.ports import Transaction
from shared.services.counting_once import NO_TURN, turn_of
from shared.services.deps import Deps
from shared.services.rating_tokens import use_token
from shared.services.unit import audited, event, once, writable

logger = logging.getLogger("whetstone.feedback")

KEPT_RATINGS = 20
"""Replaced ratings that a person's rating of a request keeps; the evidence log has them all."""


async def record_feedback(
    deps: Deps, caller: Caller, command: RecordFeedback, key: IdempotencyKey | None
) -> FeedbackRecorded:
    """Stores a rating of a routed request and appends it to the evidence.

    Raises:
        NotFound: no such request in this workspace.
        Conflict: no model answered the request, so there is nothing to rate.
        InvalidInput: a person rates in another's name.
    """
    settings = await writable(deps, caller.workspace)
    user_id = _rater(caller, command)
    feedback_id = deps.ids.new("fb")
    now = deps.clock.now_text()
    rating = _rating(command, feedback_id, now)
    rated: list[RoutingDecision] = []
    judged = is_rater(caller, command)

    async def work(tx: Transaction) -> FeedbackRecorded:
        decision = await _rateable(tx, command.request_id)
        known = await tx.get(FEEDBACK, f"{command.request_id}:{user_id}")
        turn, counts = NO_TURN, Counts() if known is None else Counts.of(known)
        if known is None:
            turn = await turn_of(tx, decision, "rated", f"{decision.id}:{user_id}", now)
        if judged and counts.standing and _says_more(known, rating):
            counts = await _judged(deps, tx, user_id, decision, rating, known)
        if settings.rating_tokens:
            tx.put(ROUTING_DECISIONS, use_token(deps, caller, command, decision, now))
        rated.append(decision)
        arm = known.arm if known is not None else turn.take(tx) if counts.standing else ""
        stands = standing(command, user_id, decision, rating, known, counts, arm=arm)
        tx.put(FEEDBACK, stands)
        if known is not None:
            tx.append(evidence_of(known, -1, now, decision.propensity))
        tx.append(evidence_of(stands, 1, now, decision.propensity))
        action = "feedback.recorded" if known is None else "feedback.replaced"
        facts: dict[str, JsonValue] = {
            "request_id": command.request_id,
            "quality_score": command.quality_score,
        }
        tx.audit(audited(caller, now, action, feedback_id, user_id=user_id, **facts))
        tx.emit(event(deps, caller, now, "feedback.recorded", feedback_id, **facts))
        return FeedbackRecorded(
            feedback_id=feedback_id,
            replaced=known is not None,
            counted=counts.standing > 0,
            reason=counts.reason or None,
        )

    done = await once(deps, caller, key, FeedbackRecorded, work)
    if rated and rated[-1].revision and not done.replaced:
        _tell(rated[-1], command.quality_score, now)
    return done


def _rating(command: RecordFeedback, feedback_id: str, now: Timestamp) -> Rating:
    return Rating(
        id=feedback_id,
        feedback_id=feedback_id,
        quality_score=command.quality_score,
        is_correct=command.is_correct,
        is_helpful=command.is_helpful,
        comment=command.comment,
        rated_at=now,
    )


async def _rateable(tx: Transaction, request_id: str) -> RoutingDecision:
    """Returns the decision of a request that a model answered."""
    decision = await tx.get(ROUTING_DECISIONS, request_id)
    if decision is None:
        raise NotFound(f"there is no request {request_id} in this workspace")
    if decision.failed:
        raise Conflict(f"no model answered request {request_id}: nothing to rate")
    return decision


def _says_more(known: Feedback | None, rating: Rating) -> bool:
    """Tells whether a rating is judged: the first of a request, and one that changes what it says.

    Else a rater could say what is expected, and change it all at once, beyond any cap.
    """
    if known is None:
        return True
    before = known.rating
    return (before.quality_score, before.is_correct) != (rating.quality_score, rating.is_correct)


async def _judged(
    deps: Deps,
    tx: Transaction,
    user_id: str,
    decision: RoutingDecision,
    rating: Rating,
    replaced: Feedback | None,
) -> "Counts":
    """Returns what a person's rating of a request counts, and notes it of the rater.

    It counts no more than the one that it replaces. What does not count changes nothing of the
    rater and writes nothing: somebody who sends many ratings at once would have them all wait for
    one record.
    """
    known = await tx.get(RATERS, user_id)
    rater = known or first(user_id, rating.rated_at)
    told = given(decision, rating)._replace(again=replaced is not None)
    verdict = judge(rater, told, deps.options.learning.raters)
    if verdict.rater is not known:
        tx.put(RATERS, verdict.rater)
    most = FULL_STANDING if replaced is None else replaced.standing
    taken = most if replaced is not None and rater.state == "aside" else 0
    return Counts(min(most, verdict.standing), taken, verdict.reason)


def _tell(decision: RoutingDecision, quality_score: int, now: Timestamp) -> None:
    """Logs a first rating by the revision that decided, which a canary of it is judged by."""
    facts = {
        "routed_by": decision.revision,
        "quality_score": quality_score,
        "age_s": round(seconds_between(decision.decided_at, now), 3),
    }
    logger.info("feedback.rated", extra=facts)


def is_rater(caller: Caller, command: RecordFeedback) -> bool:
    """Tells whether one person rates: a machine that names nobody rates for many."""
    return command.user_id is not None or caller.role is not None


def given(decision: RoutingDecision, rating: Rating) -> Given:
    """Returns a rating as its rater is judged by it."""
    return Given(
        model=f"{decision.provider}/{decision.model}",
        value=value_of(rating.quality_score, is_correct=rating.is_correct),
        expected=decision.expected,
        at=rating.rated_at,
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """How many quarters a rating counts, what it counted before it was set aside, and why not."""

    standing: int = FULL_STANDING
    taken: int = 0
    reason: str = ""

    @classmethod
    def of(cls, known: Feedback) -> "Counts":
        """Returns that of the rating which is replaced: a further one counts no more."""
        reason = "" if known.standing else "the rating that this one replaces does not count"
        return cls(known.standing, known.taken_standing, reason)


def _rater(caller: Caller, command: RecordFeedback) -> str:
    """Returns who rates; only machines and admins may name somebody else."""
    if command.user_id is None:
        return caller.subject
    if caller.role in ("viewer", "reviewer") and command.user_id != caller.subject:
        raise InvalidInput.field("/user_id", f"must be your own, {caller.subject}, or left out")
    return command.user_id


def standing(
    command: RecordFeedback,
    user_id: str,
    decision: RoutingDecision,
    rating: Rating,
    known: Feedback | None,
    counts: Counts | None = None,
    *,
    arm: str = "",
) -> Feedback:
    """Returns a person's feedback on a request, once `rating` takes the place of what is known.

    `arm` is the arm of a trial that the rating counts for, empty for none.
    """
    counts = counts or Counts()
    cost_usd = decision.estimated_cost_usd if decision.cost_usd is None else decision.cost_usd
    return Feedback(
        id=f"{command.request_id}:{user_id}",
        request_id=command.request_id,
        user_id=user_id,
        session_id=command.session_id,
        pattern=decision.pattern,
        provider=decision.provider,
        model=decision.model,
        cell=decision.cell,
        snapshot_id=decision.snapshot_id,
        cost_nanousd=None if cost_usd is None else round(cost_usd * NANO_PER_USD),
        latency_ms=decision.latency_ms,
        input_tokens=decision.input_tokens,
        output_tokens=decision.output_tokens,
        epoch=decision.epoch,
        arm=arm,
        bundle=_bundle(command, decision),
        standing=counts.standing,
        taken_standing=counts.taken,
        rating=rating,
        history=[] if known is None else [*known.history, known.rating][-KEPT_RATINGS:],
        updated_at=rating.rated_at,
    )


def _bundle(command: RecordFeedback, decision: RoutingDecision) -> int:
    """Returns where the session falls that the decision, else the rating, names; see bundles."""
    if not decision.propensity:
        return NO_BUNDLE
    unit = unit_of(decision.session_id or command.session_id, decision.id)
    return bundle_of(unit, decision.thinned)


def evidence_of(feedback: Feedback, sign: int, at: Timestamp, propensity: float) -> RatingEvidence:
    """Returns the row that adds a rating (sign 1) or takes it back (-1), on the day it was made."""
    rating = feedback.rating
    return RatingEvidence(
        at=at,
        day=day_number(rating.rated_at),
        feedback_id=rating.feedback_id,
        request_id=feedback.request_id,
        rater=feedback.user_id,
        pattern=feedback.pattern,
        provider=feedback.provider,
        model=feedback.model,
        snapshot_id=feedback.snapshot_id or "",
        sign=sign,
        quality=rating.quality_score,
        correct=int(rating.is_correct),
        cost_nanousd=feedback.cost_nanousd or 0,
        costed=int(feedback.cost_nanousd is not None),
        latency_ms=feedback.latency_ms or 0,
        timed=int(feedback.latency_ms is not None),
        propensity=propensity,
        cell=feedback.cell,
        weight=inverse_weight(propensity),
        input_tokens=feedback.input_tokens or 0,
        output_tokens=feedback.output_tokens or 0,
        tokened=int(feedback.input_tokens is not None and feedback.output_tokens is not None),
        standing=feedback.standing,
        epoch=feedback.epoch,
        arm=feedback.arm,
        bundle=feedback.bundle,
    )
