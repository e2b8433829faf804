"""One group's fold: its rows in, and out come the changes that they prove or take back.

Invariant: the rows in the order of their places lead to the same in pages of any size, and the
place of a row is that of what it leads to.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.changes import (
    DriftChange,
    DriftGroup,
    DriftProof,
    DriftStatus,
    Withdrawal,
    place_id,
)
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import FALLS, Alarm, Figures, code_of, evidence, figures, kind_of
from shared.domain.learning.proofs import Proof, fallen, proof_of, put_in, remembered, take_out
from shared.domain.times import Timestamp, day_number

ENOUGH = 20
"""Ratings from which a model has a standing that it could fall from."""

RECOVERED_AFTER = 30
"""Ratings since a fall from which a model may have recovered."""


class Advanced(NamedTuple):
    """What a group's next rows have led to.

    `changes` are those that they prove, as they stand now; `withdrawn` has the earlier ones that
    were taken back, by place. `proofs` says what stands, for runs.
    """

    group: DriftGroup
    changes: list[DriftChange]
    withdrawn: dict[int, Withdrawal]
    proofs: list[DriftProof]


def advance(
    group: DriftGroup,
    rows: Iterable[tuple[int, RatingEvidence]],
    config: DriftConfig,
    now: Timestamp,
) -> Advanced:
    """Returns the group after its next rows, and what they change.

    Args:
        group: as it stood; its detector and what is left of its proofs are moved on in place.
        rows: the group's rows, each with its place, in order.
        config: see there.
        now: for the records.
    """
    changes: dict[int, DriftChange] = {}
    withdrawn: dict[int, Withdrawal] = {}
    stands: list[DriftProof] = []
    for place, row in rows:
        may = group.proofs and _may_move(group, row)
        moved = _moved(group, place, row, config, now) if may else None
        alarm = None if moved else group.watch.take(row, place, config)
        if moved is not None:
            group, touched, fell = moved
            withdrawn.update(fell)
            stands += [_standing(group, place)] if touched else []
        elif alarm is not None:
            group = _changed(group, alarm, config)
            changes[place] = _noted(group, alarm, config, now)
            stands.append(_standing(group, place))
        if alarm is None and group.fallen_from is not None and _recovered(group, config):
            group = group.model_copy(update={"fallen_from": None, "unsettled": True})
    noted = [
        one.model_copy(update={"withdrawn": withdrawn.pop(place, None)})
        for place, one in changes.items()
    ]
    return Advanced(_seen(group, config, now), noted, withdrawn, stands)


def _seen(group: DriftGroup, config: DriftConfig, now: Timestamp) -> DriftGroup:
    """Returns a group with where it stands now."""
    before, after = group.watch.split()
    latest = figures(group.watch.kinds)
    seen = {
        "status": _status(group, latest, before, after, config),
        "now": latest,
        "before": before,
        "after": after,
        "updated_at": now,
    }
    return group.model_copy(update=seen)


def _standing(group: DriftGroup, place: int) -> DriftProof:
    """Returns what stands of a group's changes after the row at a place."""
    last = group.proofs[-1] if group.proofs else None
    return DriftProof(
        id=place_id(place),
        place=place,
        **group.name._asdict(),
        epoch=group.epoch,
        since=last.epoch if last else 0,
        day=last.day if last else 0,
        after=figures(last.after) if last else Figures(),
        withdrawn=group.withdrawn.on if group.withdrawn else 0,
    )


def _changed(group: DriftGroup, alarm: Alarm, config: DriftConfig) -> DriftGroup:
    """Returns the group after an alarm."""
    proof = proof_of(alarm, group.epoch + 1, group.fallen_from)
    return group.model_copy(
        update={
            "epoch": proof.epoch,
            "changed": alarm.place,
            "direction": alarm.direction,
            "proofs": remembered(group.proofs, proof),
            "withdrawn": None,
            "fallen_from": _fallen_from(proof, config),
            "unsettled": True,
        }
    )


def _fallen_from(proof: Proof, config: DriftConfig) -> Figures | None:
    """Returns what a model has not recovered from after a change.

    A second fall is still one from where the first began; a rise to about there ends it.
    """
    known = proof.fallen_from
    if proof.direction == "fall":
        return known or figures(proof.before)
    if known is not None and figures(proof.after).value >= known.value - config.min_change:
        return None
    return known


def _may_move(group: DriftGroup, row: RatingEvidence) -> bool:
    """Returns whether a row may change what is left of a proof."""
    return row.standing > 0 and (row.sign < 0 or bool(group.watch.owed))


class _Moved(NamedTuple):
    """A group after a row that was none for the detector.

    `touched` says that what a run has to know is another now.
    """

    group: DriftGroup
    touched: bool
    withdrawn: dict[int, Withdrawal]


def _moved(
    group: DriftGroup, place: int, row: RatingEvidence, config: DriftConfig, now: Timestamp
) -> _Moved | None:
    """Takes a rating back or puts it back where it counts; None where the detector is to take it.

    Changes that are not shown any more without it are taken back.
    """
    proofs, watch, kind, code = group.proofs, group.watch, kind_of(row), code_of(row)
    last = proofs[-1]
    if row.sign > 0:
        back = put_in(proofs, watch, kind, code)
        return _Moved(group, touched=back is last, withdrawn={}) if back else None
    hit = take_out(proofs, watch, kind, code)
    fell = fallen(proofs, watch, config.min_change)
    if not fell:
        return _Moved(_again(group, config), touched=hit is last, withdrawn={})
    found = {
        one.place: Withdrawal(
            one.direction, one.day, place, one.of, one.left, day_number(row.at), now
        )
        for one in fell
    }
    newest, known = fell[-1], fell[0].fallen_from
    for later in [one for one in proofs if one.place > fell[0].place]:
        later.fallen_from = known
        known = _fallen_from(later, config)
    update = {
        "changed": proofs[-1].place if proofs else 0,
        "direction": proofs[-1].direction if proofs else None,
        "fallen_from": known,
        "withdrawn": found[newest.place] if newest.epoch == group.epoch else group.withdrawn,
        "unsettled": True,
    }
    return _Moved(group.model_copy(update=update), touched=True, withdrawn=found)


def _again(group: DriftGroup, config: DriftConfig) -> DriftGroup:
    """Returns a group that fell with what is left of the ratings that it fell from."""
    if group.fallen_from is None:
        return group
    return group.model_copy(update={"fallen_from": _fallen_from(group.proofs[-1], config)})


def _recovered(group: DriftGroup, config: DriftConfig) -> bool:
    """Returns whether a group had fallen, and its ratings since are as good as those before."""
    if group.fallen_from is None or sum(group.watch.kinds) < RECOVERED_AFTER:
        return False
    return figures(group.watch.kinds).value >= group.fallen_from.value - config.min_change


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
