"""The detectors of drift beside a play, as the running system has them beside its log."""

from typing import NamedTuple

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.changes import (
    DriftChange,
    DriftGroup,
    GroupName,
    as_evidence,
    new_group,
)
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift_groups import advance
from shared.domain.learning.epochs import Changed, Name
from shared.domain.learning.sums import RatingSums


class Noted(NamedTuple):
    """What the detectors have found: the changes by place, and what stands of them, for runs."""

    changes: dict[int, DriftChange]
    stands: list[tuple[Name, Changed]]


class Detectors:
    """One for each model in each pattern.

    Args:
        config: when a change counts as proven; at a rate of 0 none is looked for.
        falls: whether a change falls with its proof; else rows that take ratings back are not told.
    """

    def __init__(self, config: DriftConfig, *, falls: bool = True) -> None:
        self._config, self._falls = config, falls
        self._groups: dict[GroupName, DriftGroup] = {}
        self.place = 0
        self.noted = Noted({}, [])

    def take(self, row: RatingEvidence) -> bool:
        """Takes in the log's next row; returns whether something changed or was taken back."""
        self.place += 1
        if self._config.false_alarm_rate <= 0 or (row.sign < 0 and not self._falls):
            return False
        name = GroupName(row.pattern, row.provider, row.model)
        group = self._groups.get(name) or new_group(name, "")
        found = advance(group, [(self.place, row)], self._config, "")
        self._groups[name] = found.group
        changes, stands = self.noted
        changes.update({one.place: one for one in found.changes})
        for place, why in found.withdrawn.items():
            changes[place] = changes[place].model_copy(update={"withdrawn": why})
        stands += [(one.name, as_evidence(one)) for one in found.proofs]
        return bool(found.changes or found.withdrawn)


def evidence(rated: RatingSums, rater: str, number: int, at: str, sign: int = 1) -> RatingEvidence:
    """Returns the row of the log that a play's rating `number` leaves, or that takes it back."""
    return RatingEvidence(
        at=at,
        day=rated.day,
        feedback_id=f"fb_{number}",
        request_id=f"req_{number}",
        rater=rater,
        pattern=rated.pattern,
        provider=rated.provider,
        model=rated.model,
        snapshot_id="",
        sign=sign,
        quality=rated.quality,
        correct=rated.correct,
        cost_nanousd=0,
        costed=0,
        latency_ms=0,
        timed=0,
        propensity=1.0,
        standing=rated.standing,
        epoch=rated.epoch,
    )
