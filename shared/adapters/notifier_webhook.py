"""Notifications as signed JSON to any HTTP receiver, and the check that a receiver makes.

The header `X-Whetstone-Signature: t=<unix seconds>,v1=<hex>` holds the HMAC-SHA256 of `<t>.<body>`
under the shared secret. A receiver that checks it, and the age of t, takes no forged and no
replayed message; the event's id in `X-Whetstone-Event` tells it which messages it has had before,
as delivery is at least once.
"""

import hashlib
import hmac
import json
import re
from dataclasses import asdict

from shared.adapters.notifier_http import JsonPoster
from shared.adapters.notifier_text import one_line
from shared.domain.secrets import Secret, value_of
from shared.errors import InvalidInput, NotAuthenticated
from shared.ports import Clock, Notification

SIGNATURE_HEADER = "X-Whetstone-Signature"
EVENT_HEADER = "X-Whetstone-Event"
_TIME = re.compile(r"t=([0-9]{1,12})")
_SIGNATURE = re.compile(r"v1=([0-9a-f]{64})")


class WebhookNotifier:
    """`Notifier` to an HTTP receiver.

    Args:
        url: where to post, a secret.
        secret: the key of the signature, shared with the receiver; both as they are at each post.
        clock: dates the signature.
        timeout_s: seconds for the whole exchange.
        name: the channel's name.

    Raises:
        InvalidInput: `url` is not an http or https address, or `secret` is empty.
    """

    def __init__(
        self,
        url: str | Secret,
        secret: str | Secret,
        clock: Clock,
        *,
        timeout_s: float = 10.0,
        name: str = "webhook",
    ) -> None:
        if not value_of(secret):
            raise InvalidInput(f"the webhook {name} needs a secret to sign with")
        self.name = name
        self._secret = secret
        self._clock = clock
        self._poster = JsonPoster(f"the webhook {name}", url, timeout_s)

    async def notify(self, notification: Notification) -> None:
        fields = {**asdict(notification), "facts": dict(notification.facts)}
        body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
        signature = sign(value_of(self._secret), body, int(self._clock.now().timestamp()))
        event_id = one_line(notification.event_id).encode("ascii", "replace").decode()
        await self._poster.post(body, {SIGNATURE_HEADER: signature, EVENT_HEADER: event_id})

    async def close(self) -> None:
        """Closes the connections."""
        await self._poster.close()


def sign(secret: str, body: bytes, at_s: int) -> str:
    """Returns the value of the signature header for `body`, sent at `at_s` (Unix seconds)."""
    return f"t={at_s},v1={_hmac(secret, body, at_s)}"


def verify(
    secret: str, header: str, body: bytes, *, now_s: float, tolerance_s: float = 300
) -> None:
    """Returns where `body` was signed with `secret`, not long ago.

    Args:
        secret: the shared key.
        header: the value of `X-Whetstone-Signature`; of several v1 parts one has to fit.
        body: the bytes as they came.
        now_s: the receiver's time, Unix seconds.
        tolerance_s: how far the signature's time may be from it, either way.

    Raises:
        NotAuthenticated: the header cannot be read, is too old or too new, or does not fit the
            body.
    """
    parts = header.split(",")
    times = [int(match[1]) for part in parts if (match := _TIME.fullmatch(part.strip()))]
    signatures = [match[1] for part in parts if (match := _SIGNATURE.fullmatch(part.strip()))]
    if len(times) != 1 or not signatures:
        raise NotAuthenticated(f"{SIGNATURE_HEADER} needs one t and a v1")
    if abs(now_s - times[0]) > tolerance_s:
        raise NotAuthenticated(f"the time in {SIGNATURE_HEADER} is more than {tolerance_s:g} s off")
    expected = _hmac(secret, body, times[0])
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise NotAuthenticated(f"{SIGNATURE_HEADER} does not fit the body")


def _hmac(secret: str, body: bytes, at_s: int) -> str:
    return hmac.new(secret.encode(), b"%d.%s" % (at_s, body), hashlib.sha256).hexdigest()
