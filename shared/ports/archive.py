"""Everything that a store holds of a workspace, for those who keep a copy and bring it back."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """A row of a part: its key there, and all of it as one line of JSON, as the store has it."""

    key: str
    doc: str


class ArchiveView(Protocol):
    """A workspace as it was at one moment, whatever is written meanwhile."""

    @property
    def moment(self) -> str:
        """A name by which the moment can be opened again for a while; empty where it cannot."""

    @property
    def ends(self) -> Mapping[str, int]:
        """The last places of the logs, by part."""

    @property
    def audit_head(self) -> str:
        """The hash of the last audit record."""

    async def rows(self, part: str, after: str, limit: int) -> list[ArchiveRow]:
        """Returns up to about `limit` rows of a part with keys behind `after`, in their order.

        Empty means that there are no more. The parts are those of `shared.domain.backup.PARTS`;
        of the outbox all rows come at once, in the order in which they are to be published.

        Raises:
            Unavailable: the store does not answer.
        """


class Archive(Protocol):
    """Reads whole workspaces out of a store, and writes them into one.

    Everything is in it, the hashes of API keys too.
    """

    def view(self, workspace: str, moment: str = "") -> AbstractAsyncContextManager[ArchiveView]:
        """Opens a workspace as it is now, or as it was at the `moment` of an earlier view.

        Raises:
            NotFound: that moment cannot be opened any more.
            Unavailable: the store does not answer.
        """

    async def load(self, workspace: str, part: str, rows: Sequence[ArchiveRow]) -> None:
        """Writes rows as they were, at their old keys and places; again is the same as once.

        Rows of a log are loaded in their order. Nobody else may write to the workspace meanwhile.

        Raises:
            CorruptData: a row is not what this part holds.
            Unavailable: the store does not answer; what was written may be written again.
        """

    async def holds(self, workspace: str) -> bool:
        """Tells whether there is anything of this workspace, but for the mark of a restore."""
