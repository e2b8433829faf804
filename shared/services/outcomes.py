"""Outcomes: a workflow is evaluated once, and that settles its recommendations.

Every recommendation of the workflow leaves one row of evidence: with its points where the outcome
names it, as missed where it does not. With each goes how easy the workflow was, by what the other
agents earned in it against the standing that they have at this time.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import (
    OUTCOMES,
    RECOMMENDATIONS,
    Outcome,
    OutcomeEvidence,
    Recommendation,
)
from shared.domain.learning.config import TrustConfig
from shared.domain.learning.crowd import ease
from shared.domain.learning.runs import TRUST_ROWS
from shared.domain.records import Filter, Order
from shared.domain.times import Timestamp, day_number, from_text, seconds_between
from shared.errors import Conflict, FieldProblem, InvalidInput
from shared.messages.rating import OutcomeRecorded, RecordOutcome, SettledRecommendation
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, event, once, writable

MAX_WRITES = 500
_OTHER_WRITES = 4
"""The outcome, its audit record, its event, and the answer that an Idempotency-Key keeps."""

_POINTS = {"approved": 2, "partial": 1, "rejected": 0}


async def record_outcome(
    deps: Deps, caller: Caller, command: RecordOutcome, key: IdempotencyKey | None
) -> OutcomeRecorded:
    """Settles a workflow's recommendations. The same outcome again gets the first one's answer.

    Raises:
        InvalidInput: it names a recommendation twice, or one that is not of the workflow; or the
            workflow has no recommendations, or more than one transaction can settle.
        Conflict: another outcome settled the workflow before.
    """
    await writable(deps, caller.workspace)
    _check_distinct(command)
    outcome_id = deps.ids.new("out")
    now = deps.clock.now_text()
    fingerprint = hashlib.sha256(command.model_dump_json().encode()).hexdigest()

    async def work(tx: Transaction) -> OutcomeRecorded:
        known = await tx.get(OUTCOMES, command.workflow_id)
        if known is not None:
            return _answer(_same(known, fingerprint))
        proposed = await _recommendations(tx, command)
        named = _named(command, proposed)
        _check_proposed(proposed)
        standings = await _standings(tx, proposed)
        outcome = _outcome(
            outcome_id, command, named, proposed, caller=caller, now=now, fingerprint=fingerprint
        )
        tx.create(OUTCOMES, outcome)
        judge = _Judge(proposed, named, command, deps.options.learning.trust, standings)
        for one in proposed:
            settled = named.get(one.id)
            if settled is not None:
                tx.put(RECOMMENDATIONS, _settled(one, settled, command, outcome))
            tx.append(judge.evidence(one, outcome))
        facts = {"settled": len(outcome.settled), "missed": len(outcome.missed)}
        tx.audit(audited(caller, now, "outcome.recorded", command.workflow_id, **facts))
        tx.emit(event(deps, caller, now, "outcome.recorded", command.workflow_id, **facts))
        return _answer(outcome)

    return await once(deps, caller, key, OutcomeRecorded, work)


def _check_distinct(command: RecordOutcome) -> None:
    seen: set[str] = set()
    for at, one in enumerate(command.recommendations):
        if one.recommendation_id in seen:
            raise InvalidInput.field(_pointer(at), "is named twice")
        seen.add(one.recommendation_id)


def _check_proposed(proposed: list[Recommendation]) -> None:
    """Refuses an outcome that comes too early, or for a misspelt workflow.

    Kept, it would settle nothing and refuse the true one.
    """
    if not proposed:
        detail = "is of no recommendation: submit what was recommended first, then its outcome"
        raise InvalidInput.field("/workflow_id", detail)


def _pointer(at: int) -> str:
    return f"/recommendations/{at}/recommendation_id"


def _same(known: Outcome, fingerprint: str) -> Outcome:
    if known.fingerprint != fingerprint:
        detail = f"workflow {known.id} was settled at {known.recorded_at} by {known.outcome_id}"
        raise Conflict(detail, facts={"outcome_id": known.outcome_id})
    return known


async def _recommendations(tx: Transaction, command: RecordOutcome) -> list[Recommendation]:
    """Returns all of the workflow's, oldest first: a row each, and two where one is named."""
    room = MAX_WRITES - _OTHER_WRITES - len(command.recommendations)
    found = await tx.find(
        RECOMMENDATIONS,
        Filter("workflow_id", "==", command.workflow_id),
        order=Order("created_at"),
        limit=room + 1,
    )
    if len(found) > room:
        detail = f"has more than {room} recommendations, too many to settle at once"
        raise InvalidInput.field("/workflow_id", detail)
    return found


_Standings = Mapping[tuple[str, str], float]
"""By agent and type the share, 0..1, that it is believed to get right, where outcomes tell."""


async def _standings(tx: Transaction, proposed: list[Recommendation]) -> _Standings:
    """Returns what is known of the workflow's agents; nothing where there is only one."""
    places = sorted({_place(one) for one in proposed})
    if len(places) == 1:
        return {}
    rows = await tx.get_many(TRUST_ROWS, [":".join(place) for place in places])
    return {
        place: float(str(row.card["accuracy"]))
        for place, row in zip(places, rows, strict=True)
        if row is not None and row.n > 0
    }


def _named(
    command: RecordOutcome, proposed: list[Recommendation]
) -> dict[str, SettledRecommendation]:
    known = {one.id for one in proposed}
    detail = f"is not a recommendation of workflow {command.workflow_id}"
    problems = [
        FieldProblem(_pointer(at), detail)
        for at, one in enumerate(command.recommendations)
        if one.recommendation_id not in known
    ]
    if problems:
        raise InvalidInput(f"{problems[0].pointer}: {detail}", problems=problems)
    return {one.recommendation_id: one for one in command.recommendations}


def _outcome(
    outcome_id: str,
    command: RecordOutcome,
    named: Mapping[str, SettledRecommendation],
    proposed: list[Recommendation],
    *,
    caller: Caller,
    now: Timestamp,
    fingerprint: str,
) -> Outcome:
    return Outcome(
        id=command.workflow_id,
        outcome_id=outcome_id,
        overall_quality_score=command.overall_quality_score,
        feedback=command.feedback,
        settled=list(named),
        missed=[one.id for one in proposed if one.id not in named],
        recorded_by=caller.subject,
        recorded_at=now,
        fingerprint=fingerprint,
    )


def _quality(settled: SettledRecommendation, command: RecordOutcome) -> float:
    score = settled.quality_score
    return command.overall_quality_score if score is None else score


def _settled(
    one: Recommendation, settled: SettledRecommendation, command: RecordOutcome, outcome: Outcome
) -> Recommendation:
    changes = {
        "status": settled.status,
        "quality_score": _quality(settled, command),
        "outcome_id": outcome.outcome_id,
        "settled_at": outcome.recorded_at,
    }
    return one.model_copy(update=changes)


class _Judge:
    """Makes the evidence rows of one workflow.

    Args:
        proposed: all of its recommendations, oldest first.
        named: those that the outcome settles, by id.
        command: the outcome.
        trust: says what is timely and what is confident.
        standings: what the agents are believed to get right.
    """

    def __init__(
        self,
        proposed: list[Recommendation],
        named: Mapping[str, SettledRecommendation],
        command: RecordOutcome,
        trust: TrustConfig,
        standings: _Standings,
    ) -> None:
        self._proposed = proposed
        self._named = named
        self._command = command
        self._trust = trust
        self._standings = standings
        self._agents: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in proposed:
            self._agents[one.recommendation_type, one.content_hash].add(one.agent_id)

    def evidence(self, one: Recommendation, outcome: Outcome) -> OutcomeEvidence:
        """Returns the row of one recommendation, of a missed one where it is not named."""
        settled, now = self._named.get(one.id), outcome.recorded_at
        waited_s = seconds_between(self._proposed[0].created_at, one.created_at)
        agents = self._agents[one.recommendation_type, one.content_hash]
        return OutcomeEvidence(
            at=now,
            day=day_number(now),
            second=int(from_text(now).timestamp()),
            recommendation_id=one.id,
            workflow_id=one.workflow_id,
            agent_id=one.agent_id,
            recommendation_type=one.recommendation_type,
            completed=int(settled is not None),
            points=_POINTS[settled.status] if settled else 0,
            quality=round(_quality(settled, self._command) * 10) if settled else 0,
            timely=int(waited_s <= self._trust.timely_within_s),
            agreed=int(len(agents) > 1),
            confident=int(one.confidence_score >= self._trust.confident_at),
            confidence_millis=round(one.confidence_score * 1000),
            evaluator=outcome.recorded_by,
            ease_millis=round(self._ease(one) * 1000),
        )

    def _ease(self, one: Recommendation) -> float:
        """Returns how easy the workflow was for the other agents, see crowd.ease; -1..1."""
        surprises = [
            _POINTS[settled.status] / _POINTS["approved"] - standing
            for other in self._proposed
            if other.agent_id != one.agent_id
            and other.recommendation_type == one.recommendation_type
            and (settled := self._named.get(other.id)) is not None
            and (standing := self._standings.get(_place(other))) is not None
        ]
        return ease(sum(surprises), len(surprises))


def _place(one: Recommendation) -> tuple[str, str]:
    return one.agent_id, one.recommendation_type


def _answer(outcome: Outcome) -> OutcomeRecorded:
    return OutcomeRecorded(
        outcome_id=outcome.outcome_id,
        workflow_id=outcome.id,
        settled=outcome.settled,
        missed=outcome.missed,
        recorded_at=outcome.recorded_at,
    )
