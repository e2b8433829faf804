"""Notifications to a Slack channel, through an incoming webhook."""

import json
from urllib.parse import quote

from shared.adapters.notifier_http import JsonPoster
from shared.adapters.notifier_text import one_line, subject
from shared.domain.secrets import Secret
from shared.ports import Notification

_MAX_FACT_LENGTH = 500
_MAX_FACTS = 30
_URL_CHARACTERS = ":/?#[]@!$&'()*+,;=%~"


class SlackNotifier:
    """`Notifier` to Slack.

    Args:
        url: the webhook's address, a secret, as it is at each post.
        timeout_s: seconds for the whole exchange.
        name: the channel's name.

    Raises:
        InvalidInput: `url` is not an http or https address.
    """

    def __init__(self, url: str | Secret, *, timeout_s: float = 10.0, name: str = "slack") -> None:
        self.name = name
        self._poster = JsonPoster(f"the Slack webhook {name}", url, timeout_s)

    async def notify(self, notification: Notification) -> None:
        body = {"text": mrkdwn(notification), "unfurl_links": False}
        await self._poster.post(json.dumps(body).encode(), {})

    async def close(self) -> None:
        """Closes the connections."""
        await self._poster.close()


def mrkdwn(notification: Notification) -> str:
    """Returns the message in Slack's markup; nothing in it can add a link or a mention."""
    lines = [f"*{escape(subject(notification))}*"]
    for name, value in list(notification.facts.items())[:_MAX_FACTS]:
        lines.append(f"• {escape(one_line(name))}: {escape(one_line(value, _MAX_FACT_LENGTH))}")
    if notification.link:
        lines.append(
            f"<{escape(quote(notification.link, safe=_URL_CHARACTERS, errors='replace'))}|Open>"
        )
    return "\n".join(lines)


def escape(text: str) -> str:
    """Returns `text` without the characters that start Slack's links, mentions and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
