"""A session counts once in a trial: its first rating, and how its first completion ended.

Answers of one session go together: the same person on the same subject. A bet on each of them would
take twenty opinions for what is one, and no bet is fair on the mean of a session that still goes
on. What comes first of each session is a fair draw whatever follows.
"""

from typing import Literal, NamedTuple

from shared.domain.feedback import RoutingDecision
from shared.domain.learning.trials import (
    TRIAL_UNITS,
    UNIT_KEPT_DAYS,
    TrialUnit,
    label,
    unit_id,
    unit_of,
)
from shared.domain.times import Timestamp, plus
from shared.ports import Transaction

_DAY_S = 86_400


class Turn(NamedTuple):
    """Whether something counts in the trial of a decision; `unit` is the place that it takes."""

    arm: str
    unit: TrialUnit | None

    def take(self, tx: Transaction) -> str:
        """Writes that it counts, and returns the arm that it counts for, empty for none."""
        if self.unit is not None:
            tx.put(TRIAL_UNITS, self.unit)
        return self.arm


NO_TURN = Turn("", None)


async def turn_of(
    tx: Transaction,
    decision: RoutingDecision,
    what: Literal["rated", "completed"],
    by: str,
    now: Timestamp,
) -> Turn:
    """Returns whether a rating or a completion is the first of its session; writes nothing.

    Args:
        tx: reads before it writes.
        decision: what was rated or completed.
        what: of the two.
        by: the rating or the request.
        now: the time.
    """
    if decision.trial is None or decision.arm is None:
        return NO_TURN
    arm = label(decision.trial, decision.arm)
    if what == "completed" and not decision.session_id:
        return Turn(arm, None)  # a request is completed once
    name = unit_id(decision.trial, unit_of(decision.session_id, decision.id), what)
    if await tx.get(TRIAL_UNITS, name) is not None:
        return NO_TURN
    fresh = TrialUnit(id=name, by=by, expires_at=plus(now, UNIT_KEPT_DAYS * _DAY_S))
    return Turn(arm, fresh)
