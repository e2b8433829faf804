"""Notifications as log lines: the channel that is always there."""

import logging

from shared.ports import Notification

_LOGGER = logging.getLogger("whetstone.notify")
_LEVELS = {"critical": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


class LogNotifier:
    """`Notifier` to the log: the event name `notification`, the rest in fields.

    A critical notification is logged as an error.

    Args:
        name: the channel's name.
    """

    def __init__(self, name: str = "log") -> None:
        self.name = name

    async def notify(self, notification: Notification) -> None:
        fields = {
            "workspace": notification.workspace,
            "event_id": notification.event_id,
            "kind": notification.kind,
            "title": notification.title,
            "facts": dict(notification.facts),
            "link": notification.link,
            "severity_of_event": notification.severity,
        }
        _LOGGER.log(_LEVELS[notification.severity], "notification", extra=fields)

    async def close(self) -> None:
        """Holds nothing open."""
