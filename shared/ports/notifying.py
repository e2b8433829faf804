"""Channels to people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Notification:
    """A message for people: one line, then a few facts, then where to act."""

    workspace: str
    event_id: str
    kind: str
    title: str
    facts: Mapping[str, str]
    link: str
    severity: Literal["critical", "warning", "info"] = "info"


class Notifier(Protocol):
    """A channel to people."""

    name: str

    async def notify(self, notification: Notification) -> None:
        """Sends a notification.

        Raises:
            Unavailable: it may succeed later.
            InvalidInput: the receiver refuses it for good.
        """

    async def close(self) -> None:
        """Lets go of files and connections."""
