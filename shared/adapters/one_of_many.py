"""Reading one record as a list of one, for backends to which one costs what many do."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from shared.domain.records import Collection, R


class StoreReadingMany(ABC):
    """A store whose `get` is its `get_many`."""

    async def get(self, workspace: str, collection: Collection[R], id: str) -> R | None:
        """See Store."""
        (record,) = await self.get_many(workspace, collection, (id,))
        return record

    @abstractmethod
    async def get_many(
        self, workspace: str, collection: Collection[R], ids: Sequence[str]
    ) -> list[R | None]:
        """See Store."""


class TransactionReadingMany(ABC):
    """A transaction whose `get` is its `get_many`."""

    async def get(self, collection: Collection[R], id: str) -> R | None:
        """See Transaction."""
        (record,) = await self.get_many(collection, (id,))
        return record

    @abstractmethod
    async def get_many(self, collection: Collection[R], ids: Sequence[str]) -> list[R | None]:
        """See Transaction."""
