"""The evidence log: its sums, its rows, and where copies of them go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from shared.domain.feedback import Evidence
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums
from shared.domain.learning.trials import ArmSums


class Analytics(Protocol):
    """Sums over the evidence log. Positions count from 0 (nothing read) and only grow."""

    async def head(self, workspace: str) -> tuple[int, int]:
        """Returns the settled ends of the ratings and the outcomes log.

        No row will appear at or below them later.
        """

    async def rating_sums(
        self, workspace: str, after: int, upto: int, days: int = 1
    ) -> list[RatingSums]:
        """Returns the sums of the ratings in (after, upto] that count (standing above 0).

        By step of so many `days`, pattern, provider, model, cell, standing, epoch and bundle, in
        that order. The step of a day is day // days.
        """

    async def outcome_sums(self, workspace: str, after: int, upto: int) -> list[OutcomeSums]:
        """Returns the sums of the outcomes in (after, upto].

        By agent, type, agreed, confident and day, in that order.
        """

    async def quality_sums(self, workspace: str, after: int, upto: int) -> list[QualitySums]:
        """Returns the sums of the ratings in (after, upto] that count, by what routed them."""

    async def arm_sums(self, workspace: str, after: int, upto: int) -> list[ArmSums]:
        """Returns the ratings in (after, upto] that count and were decided in a trial.

        By arm, score and flag, in that order.
        """


EvidenceKind = Literal["ratings", "outcomes", "prompts"]
"""The logs of evidence."""


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A row of a log of evidence at its place, which counts from 1."""

    workspace: str
    seq: int
    evidence: Evidence


class EvidenceLog(Protocol):
    """The logs of evidence as rows, for those who keep a copy."""

    async def rows(
        self, workspace: str, kind: EvidenceKind, after: int, limit: int
    ) -> list[EvidenceRow]:
        """Returns up to `limit` rows with places above `after`, in order and without gaps.

        Fewer than `limit` means that there are no more now. What was appended without a place
        (see `Store.number_pending`) gets one first.

        Raises:
            Unavailable: the store does not answer.
        """


class EvidenceFeed(Protocol):
    """Carries rows of evidence to where another system sums them up, at least once."""

    async def publish(self, rows: Sequence[EvidenceRow]) -> None:
        """Returns once every row is durably on its way. Rows may arrive twice and in any order.

        Raises:
            Unavailable: some are not; all may be published again.
        """

    async def close(self) -> None:
        """Lets go of connections."""
