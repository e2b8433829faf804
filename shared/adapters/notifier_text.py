"""A notification in words, for the channels that carry text."""

from shared.ports import Notification


def one_line(text: str, limit: int = 200) -> str:
    """Returns `text` on one line of at most `limit` characters, without control characters."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def subject(notification: Notification) -> str:
    """Returns the headline: severity where it matters, workspace, title."""
    urgency = "" if notification.severity == "info" else f"{notification.severity.upper()}: "
    return one_line(f"[{notification.workspace}] {urgency}{notification.title}")


def plain_text(notification: Notification) -> str:
    """Returns the whole message: the title, a line for each fact, the link."""
    facts = [
        f"{one_line(name)}: {one_line(value, limit=2000)}"
        for name, value in notification.facts.items()
    ]
    parts = [
        one_line(notification.title),
        "\n".join(facts),
        one_line(notification.link, limit=2000),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
