"""The log of changes that were proven of models, and what is known of each model besides.

A change is evidence like a rating: it is noted once, at the place in the log of ratings that proved
it, and never taken back. Invariant: the changes and the groups are a fold over the ratings in the
order of their places, so how many rows are read at once leaves no trace.
"""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import FALLS, Alarm, Direction, Figures, Watch, evidence, figures
from shared.domain.learning.epochs import Changed
from shared.domain.learning.spelling import in_100, in_ratings
from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp

DriftStatus = Literal["new", "stable", "unproven", "fallen", "risen"]

ENOUGH = 20
"""Ratings from which a model has a standing that it could fall from."""

RECOVERED_AFTER = 30
"""Ratings since a fall from which a model may have recovered."""


class GroupName(NamedTuple):
    """A model in a pattern."""

    pattern: str
    provider: str
    model: str

    @property
    def id(self) -> str:
        """An id for any names, as some stores restrict the characters of ids."""
        return hashlib.sha256("\n".join(self).encode()).hexdigest()[:32]


class DriftGroup(Record):
    """What is known of a model in a pattern; `id` follows from its names.

    `epoch` counts its changes so far, `changed` is the place of the last one (0: none), which went
    `direction`. `fallen_from` has the ratings before a fall that it has not recovered from.
    `unsettled` says that its alert is still to be raised or resolved. `now` are the ratings since
    the last change; `before` and `after` divide them where they differ most, among the newest.
    """

    pattern: str
    provider: str
    model: str
    status: DriftStatus = "new"
    epoch: int = 0
    changed: int = 0
    direction: Direction | None = None
    fallen_from: Figures | None = None
    unsettled: bool = False
    now: Figures = Figures()
    before: Figures = Figures()
    after: Figures = Figures()
    watch: Watch
    updated_at: Timestamp

    @property
    def name(self) -> GroupName:
        """Which group it is."""
        return GroupName(self.pattern, self.provider, self.model)


class DriftChange(Record):
    """A change that was proven; `id` is its place, in digits that sort.

    `epoch` is the number of the group's changes with this one. Figures as in drift.Alarm; `needed`
    is what `evidence` had to reach.
    """

    place: int
    pattern: str
    provider: str
    model: str
    epoch: int
    direction: Direction
    day: int
    before: Figures
    after: Figures
    evidence: float
    needed: float
    noticed_at: Timestamp

    @property
    def name(self) -> GroupName:
        """Whose change it is."""
        return GroupName(self.pattern, self.provider, self.model)


class DriftHead(Record):
    """How far the ratings were read; `id` is always `head`. `changed`: the last change's place."""

    read: int = 0
    changed: int = 0


def place_id(place: int) -> str:
    """Returns the id of a change at a place of the log."""
    return f"{place:015d}"


def new_group(name: GroupName, now: Timestamp) -> DriftGroup:
    """Returns a group before its first rating."""
    return DriftGroup(id=name.id, **name._asdict(), watch=Watch(), updated_at=now)


def advance(
    group: DriftGroup,
    rows: Iterable[tuple[int, RatingEvidence]],
    config: DriftConfig,
    now: Timestamp,
) -> tuple[DriftGroup, list[DriftChange]]:
    """Returns the group after its next rows, and the changes that they prove.

    Args:
        group: as it stood; its detector is moved on in place.
        rows: the group's rows, each with its place, in order.
        config: see there.
        now: for the records.
    """
    changes: list[DriftChange] = []
    for place, row in rows:
        alarm = group.watch.take(row, place, config)
        if alarm is not None:
            group = _changed(group, alarm, config)
            changes.append(_noted(group, alarm, config, now))
        elif group.fallen_from is not None and _recovered(group.watch, group.fallen_from, config):
            group = group.model_copy(update={"fallen_from": None, "unsettled": True})
    before, after = group.watch.split()
    latest = figures(group.watch.kinds)
    seen = {
        "status": _status(group, latest, before, after, config),
        "now": latest,
        "before": before,
        "after": after,
        "updated_at": now,
    }
    return group.model_copy(update=seen), changes


def as_evidence(change: DriftChange) -> Changed:
    """Returns a change as a run folds it in."""
    after = change.after
    return Changed(
        epoch=change.epoch,
        place=change.place,
        day=change.day,
        n=after.n,
        quality=after.quality,
        quality_squared=after.quality_squared,
        correct=after.correct,
    )


def _changed(group: DriftGroup, alarm: Alarm, config: DriftConfig) -> DriftGroup:
    """Returns the group after an alarm.

    A second fall is still one from where the first began; a rise to about there ends it.
    """
    fallen_from = group.fallen_from
    if alarm.direction == "fall":
        fallen_from = fallen_from or alarm.before
    elif fallen_from is not None and alarm.after.value >= fallen_from.value - config.min_change:
        fallen_from = None
    return group.model_copy(
        update={
            "epoch": group.epoch + 1,
            "changed": alarm.place,
            "direction": alarm.direction,
            "fallen_from": fallen_from,
            "unsettled": True,
        }
    )


def _recovered(watch: Watch, fallen_from: Figures, config: DriftConfig) -> bool:
    """Returns whether the ratings since a fall are as good as those before it."""
    since = sum(watch.kinds)
    if since < RECOVERED_AFTER:
        return False
    return figures(watch.kinds).value >= fallen_from.value - config.min_change


def _noted(group: DriftGroup, alarm: Alarm, config: DriftConfig, now: Timestamp) -> DriftChange:
    return DriftChange(
        id=place_id(alarm.place),
        place=alarm.place,
        **group.name._asdict(),
        epoch=group.epoch,
        direction=alarm.direction,
        day=alarm.day,
        before=alarm.before,
        after=alarm.after,
        evidence=alarm.evidence,
        needed=1 / config.false_alarm_rate,
        noticed_at=now,
    )


def _status(
    group: DriftGroup, latest: Figures, before: Figures, after: Figures, config: DriftConfig
) -> DriftStatus:
    """Returns where a group stands whose figures are these now.

    A fall is suspected where the bets on falls have earned the square root of what proves it.
    """
    if group.fallen_from is not None:
        return "fallen"
    if latest.n < ENOUGH:
        return "risen" if group.direction == "rise" else "new"
    if after.n == 0 or before.value - after.value < config.min_change:
        return "stable"
    earned = FALLS * evidence(group.watch.falls)
    return "unproven" if earned**2 * config.false_alarm_rate >= 1.0 else "stable"


def told(group: DriftGroup, config: DriftConfig) -> str:
    """Returns where a group stands, in a sentence for someone who knows no statistics."""
    who = f"{group.provider}/{group.model} on {group.pattern}"
    match group.status:
        case "fallen":
            assert group.fallen_from is not None  # noqa: S101 -- that is what the status says
            return (
                f"{who} fell from {shown(group.fallen_from)} and has not recovered: "
                f"{shown(group.now)} since."
            )
        case "unproven":
            earned = FALLS * evidence(group.watch.falls)
            return (
                f"{who} looks worse, {shown(group.after)} after {shown(group.before)}, "
                f"but that is not proven: chance alone may look like this once in {earned:,.0f} "
                f"ratings, and a change is told from once in {1 / config.false_alarm_rate:,.0f}."
            )
        case "risen":
            return f"{who} is better than it was: {shown(group.now)} since the change."
        case "new":
            return f"{who} has too few ratings to fall from anything: {shown(group.now)}."
        case "stable":
            return f"{who} looks as it did: {shown(group.now)}."


def told_change(change: DriftChange) -> str:
    """Returns a change in a sentence for someone who knows no statistics."""
    verb = "fell" if change.direction == "fall" else "rose"
    return (
        f"{change.provider}/{change.model} on {change.pattern} {verb} from "
        f"{shown(change.before)} to {shown(change.after)}; while nothing changes this comes up at "
        f"most once in {change.needed:,.0f} ratings."
    )


def shown(seen: Figures) -> str:
    """Returns ratings as people read them: their score, half right answers and half ratings."""
    if seen.n == 0:
        return "no rating"
    return f"a score of {in_100(seen.value)} of 100 ({in_ratings(seen.n)})"


DRIFT_GROUPS = Collection(
    "drift_groups",
    DriftGroup,
    queries=(
        Query((), "pattern", narrow=("status",)),
        Query(("unsettled",), "pattern"),
    ),
)
DRIFT_CHANGES = Collection("drift_changes", DriftChange, queries=(Query((), "place"),))
DRIFT_HEADS = Collection("drift_heads", DriftHead)
