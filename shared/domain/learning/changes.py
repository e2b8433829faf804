"""The log of changes that were proven of models, and what is known of each model besides.

A change is evidence like a rating: it is noted at the place in the log of the rating that proved
it. It falls with its proof, at the place of the row that took too much of that back: runs read, in
the order of places, what stands from each on. Invariant: the changes and the groups are a fold over
the ratings in the order of their places, so how many rows are read at once leaves no trace.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import Field

from shared.domain.learning.drift import Direction, Figures, Watch
from shared.domain.learning.epochs import Changed
from shared.domain.learning.proofs import Proof
from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp

DriftStatus = Literal["new", "stable", "unproven", "fallen", "risen"]


class GroupName(NamedTuple):
    """A model in a pattern."""

    pattern: str
    provider: str
    model: str

    @property
    def id(self) -> str:
        """An id for any names, as some stores restrict the characters of ids."""
        return hashlib.sha256("\n".join(self).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That a change was taken back, by the row at `place` of the log.

    The change was proven on `day` by `of` ratings; `left` of them were still there. `on` is the
    day of the row, `at` when that was noticed.
    """

    direction: Direction
    day: int
    place: int
    of: int
    left: int
    on: int
    at: Timestamp


class DriftGroup(Record):
    """What is known of a model in a pattern; `id` follows from its names.

    `epoch` counts its changes so far, `changed` is the place of the last one that stands (0: none),
    which went `direction`; `proofs` has the newest that stand. `withdrawn` is the newest one where
    that was taken back. `fallen_from` has the ratings before a fall that it has not recovered from.
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
    proofs: list[Proof] = Field(default_factory=list)
    withdrawn: Withdrawal | None = None
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
    is what `evidence` had to reach. `withdrawn` says that it was taken back since, and why.
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
    withdrawn: Withdrawal | None = None

    @property
    def name(self) -> GroupName:
        """Whose change it is."""
        return GroupName(self.pattern, self.provider, self.model)


class DriftProof(Record):
    """What stands of a group's changes from `place` on; `id` is that, in digits that sort.

    Noted with each change, with each rating that is taken out of the proof of the last one or put
    back into it, and where a change falls. Figures as in epochs.Changed.
    """

    place: int
    pattern: str
    provider: str
    model: str
    epoch: int
    since: int
    day: int
    after: Figures
    withdrawn: int

    @property
    def name(self) -> GroupName:
        """Whose changes they are."""
        return GroupName(self.pattern, self.provider, self.model)


class DriftHead(Record):
    """How far the ratings were read; `id` is always `head`.

    `changed` is the place where a change was last proven, or taken back.
    """

    read: int = 0
    changed: int = 0


def place_id(place: int) -> str:
    """Returns the id of a change at a place of the log."""
    return f"{place:015d}"


def new_group(name: GroupName, now: Timestamp) -> DriftGroup:
    """Returns a group before its first rating."""
    return DriftGroup(id=name.id, **name._asdict(), watch=Watch(), updated_at=now)


def as_evidence(stands: DriftProof) -> Changed:
    """Returns what stands of a group's changes as a run folds it in."""
    left = stands.after
    return Changed(
        epoch=stands.epoch,
        since=stands.since,
        place=stands.place,
        day=stands.day,
        n=left.n,
        quality=left.quality,
        quality_squared=left.quality_squared,
        correct=left.correct,
        withdrawn=stands.withdrawn,
    )


DRIFT_GROUPS = Collection(
    "drift_groups",
    DriftGroup,
    queries=(
        Query((), "pattern", narrow=("status",)),
        Query(("unsettled",), "pattern"),
    ),
)
DRIFT_CHANGES = Collection("drift_changes", DriftChange, queries=(Query((), "place"),))
DRIFT_PROOFS = Collection("drift_proofs", DriftProof, queries=(Query((), "place"),))
DRIFT_HEADS = Collection("drift_heads", DriftHead)
