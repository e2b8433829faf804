"""Feedback of an older system becomes feedback and evidence, as if it had been given here then.

It keeps what live rating keeps: a person's standing rating of a request is in the evidence exactly
once, and a replaced one is taken back. Many go into one transaction, and no event asks for a
training run: the next one reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from shared.domain.access import Caller
from shared.domain.feedback import (
    FEEDBACK,
    ROUTING_DECISIONS,
    Feedback,
    Rating,
    RatingEvidence,
    RoutingDecision,
)
from shared.domain.older import Reader, Rejected
from shared.domain.times import Timestamp
from shared.messages.rating import RecordFeedback
from shared.ports import Transaction
from shared.ports.older import OlderRow
from shared.services.deps import Deps
from shared.services.importing.decisions import new_id, older_id
from shared.services.rating import evidence_of, standing
from shared.services.unit import audited

_ID, _COMMENT = 200, 4_000
_GOOD = 4


@dataclass(frozen=True, slots=True)
class OlderRating:
    """A rating as it is to be recorded: by whom, and what."""

    id: str
    user_id: str
    command: RecordFeedback
    rated_at: Timestamp

    @property
    def record_id(self) -> str:
        """The id of the feedback that it is, or was, the standing rating of."""
        return f"{self.command.request_id}:{self.user_id}"


def rating_of(source: str, reader: Reader, row: OlderRow) -> OlderRating:
    """Returns the rating that a row tells of.

    Where it does not say who rated, each rating is of somebody else. Where it does not say whether
    the answer was right, a quality of 4 or 5 says so.

    Raises:
        Rejected: it names no request, or says what cannot be.
    """
    older, request = older_id(reader, row), reader.text(row, "request_id", _ID)
    quality = reader.number(row, "quality_score", 1, 5)
    if request is None:
        raise Rejected("it does not say which request was rated")
    if quality is None or quality != round(quality):
        raise Rejected("quality_score is not one of 1, 2, 3, 4 and 5")
    correct = reader.flag(row, "is_correct")
    try:
        command = RecordFeedback(
            request_id=new_id("req", source, request),
            quality_score=round(quality),
            is_correct=quality >= _GOOD if correct is None else correct,
            is_helpful=reader.flag(row, "is_helpful"),
            comment=reader.text(row, "comment", _COMMENT) or "",
            session_id=reader.text(row, "session_id", _ID),
        )
    except ValidationError as error:
        raise Rejected(f"{error.errors()[0]['loc'][0]} {error.errors()[0]['msg']}") from None
    user = reader.text(row, "user_id", _ID) or f"import:{older}"
    return OlderRating(new_id("fb", source, older), user, command, reader.moment(row))


@dataclass(frozen=True, slots=True)
class Written:
    """What became of ratings: `orphans` are of requests that are not here."""

    imported: int
    known: int
    superseded: int
    orphans: frozenset[str]


async def write_ratings(
    deps: Deps, caller: Caller, source: str, ratings: Sequence[OlderRating]
) -> Written:
    """Records the ratings that are not there, in their order, at most 100 at once.

    One that is older than what the same person's stands at is superseded: it changes nothing.
    """
    requests = list({one.command.request_id for one in ratings})
    ids = list({one.record_id for one in ratings})

    async def work(tx: Transaction) -> Written:
        decisions = dict(zip(requests, await tx.get_many(ROUTING_DECISIONS, requests), strict=True))
        stand = dict(zip(ids, await tx.get_many(FEEDBACK, ids), strict=True))
        rows: list[RatingEvidence] = []
        counts = {"imported": 0, "known": 0, "superseded": 0}
        orphans: set[str] = set()
        changed: dict[str, Feedback] = {}
        for one in ratings:
            decision = decisions[one.command.request_id]
            if decision is None:
                orphans.add(one.id)
                continue
            before = stand[one.record_id]
            state = _state(one, before)
            counts[state] += 1
            if state == "imported":
                after = _after(one, decision, before)
                rows += _evidence(one, decision, before, after)
                stand[one.record_id] = changed[one.record_id] = after
        for feedback in changed.values():
            tx.put(FEEDBACK, feedback)
        tx.append(*rows)
        if changed:
            now = deps.clock.now_text()
            facts = {"ratings": counts["imported"]}
            tx.audit(audited(caller, now, "feedback.imported", source, **facts))
        return Written(**counts, orphans=frozenset(orphans))

    return await deps.store.transact(caller.workspace, work)


def found_in(one: OlderRating, stands: Feedback | None) -> Rating | None:
    """Returns a rating as it was recorded, standing or replaced; None where it is not kept."""
    if stands is None:
        return None
    kept = (stands.rating, *stands.history)
    return next((rating for rating in kept if rating.feedback_id == one.id), None)


def is_superseded(one: OlderRating, stands: Feedback | None) -> bool:
    """Tells whether the same person has a standing rating that is not older."""
    return stands is not None and stands.rating.rated_at >= one.rated_at


def _state(one: OlderRating, before: Feedback | None) -> str:
    if found_in(one, before) is not None:
        return "known"
    return "superseded" if is_superseded(one, before) else "imported"


def _after(one: OlderRating, decision: RoutingDecision, before: Feedback | None) -> Feedback:
    rating = Rating(
        id=one.id,
        feedback_id=one.id,
        quality_score=one.command.quality_score,
        is_correct=one.command.is_correct,
        is_helpful=one.command.is_helpful,
        comment=one.command.comment,
        rated_at=one.rated_at,
    )
    return standing(one.command, one.user_id, decision, rating, before)


def _evidence(
    one: OlderRating, decision: RoutingDecision, before: Feedback | None, after: Feedback
) -> list[RatingEvidence]:
    taken_back = []
    if before is not None:
        taken_back = [evidence_of(before, -1, one.rated_at, decision.propensity)]
    return [*taken_back, evidence_of(after, 1, one.rated_at, decision.propensity)]
