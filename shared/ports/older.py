"""Databases of the systems that came before, as they are read once, to be imported."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

OlderRow = Mapping[str, object]
"""A row by the names of its columns."""


class OlderSource(Protocol):
    """A database that is only read, and does not change meanwhile."""

    async def columns(self) -> dict[str, list[str]]:
        """Returns the columns of each table.

        Raises:
            Unavailable: it cannot be opened.
        """

    def rows(self, table: str, order: str | None, limit: int) -> AsyncIterator[list[OlderRow]]:
        """Yields all rows of a table, up to `limit` at a time.

        Args:
            table: one of `columns`.
            order: the column that they are ordered by; as the database has them where None.
            limit: rows at once.
        """

    async def having(self, table: str, column: str, values: Sequence[object]) -> list[OlderRow]:
        """Returns the rows whose column has one of these values."""

    async def close(self) -> None:
        """Lets go of the database."""
