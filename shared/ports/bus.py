"""Events on their way to their consumers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.messages.events import Event


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a consumer could not handle in all its tries."""

    id: str
    consumer: str
    event: Event
    attempts: int
    last_error: str
    since: str


class Bus(Protocol):
    """Carries events to every consumer that `FLOW` names, at least once."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns once each event is handled or durably kept, for each of its consumers.

        Raises:
            Unavailable: not all of them are; publish them again.
        """

    async def failed(
        self, consumer: str, event: Event, error: Exception, attempt: int | None = None
    ) -> bool:
        """Takes note that a consumer could not handle an event which reached it over HTTP.

        Args:
            consumer: the function.
            event: what it was given.
            error: what it raised.
            attempt: which try this was, from 1; None where nobody counts.

        Returns:
            True where the delivery is kept here (held back, or given up) and whoever brought the
            event is done with it; False where it shall be brought again.
        """

    async def bury(self, consumer: str, event: Event, attempts: int, error: str) -> None:
        """Keeps a dead letter: a delivery that was given up elsewhere."""

    async def retry_due(self, limit: int = 100) -> int:
        """Delivers again what is kept here and whose time has come; returns how many."""

    async def dead_letters(
        self, workspace: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """Returns dead letters, oldest first; of all workspaces where `workspace` is None."""

    async def replay(self, ids: Sequence[str]) -> int:
        """Gives dead letters their tries back and returns how many there were."""

    async def close(self) -> None:
        """Lets go of connections."""
