"""One decoder for events, however they arrive: a Pub/Sub push, or a CloudEvent of either mode."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError
from pydantic_core import from_json

from shared.errors import InvalidInput
from shared.messages.events import Event

PUBSUB_TYPE = "google.cloud.pubsub.topic.v1.messagePublished"
"""The type under which Eventarc carries a Pub/Sub push as the data of a CloudEvent."""

_TRIED = "CloudPubSubDeadLetterSourceDeliveryCount"
"""The attribute of a dead letter that tells how often it was delivered before."""

_COUNT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event, and what came with it.

    `consumer` is the only one that it is meant for, None where it is for all; `attempt` counts the
    deliveries from 1, None where nobody does.
    """

    event: Event
    consumer: str | None = None
    attempt: int | None = None


def decode(headers: Mapping[bytes, bytes], body: bytes) -> Event:
    """Returns the event in a push request; see `receive`."""
    return receive(headers, body).event


def receive(headers: Mapping[bytes, bytes], body: bytes) -> Delivered:
    """Returns the event in a push request, with what the push tells beside it.

    Args:
        headers: lower-case names; `ce-…` mark a binary CloudEvent.
        body: the request's.

    Raises:
        InvalidInput: no event of ours is in it. A push with this body can never succeed.
    """
    if b"ce-id" in headers:
        return _cloud_event(_attributes(headers), _json(body) if body else None)
    content = _json(body)
    if "specversion" in content:
        return _structured(content)
    if "message" in content:
        return _pubsub(content)
    return Delivered(_envelope(content))


def _attributes(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Returns the attributes of a binary CloudEvent, whose values are percent-encoded."""
    found = {name[3:]: value for name, value in headers.items() if name.startswith(b"ce-")}
    try:
        return {
            name.decode(): unquote(value.decode(), errors="strict") for name, value in found.items()
        }
    except UnicodeDecodeError:
        raise InvalidInput("the event's attributes are not UTF-8") from None


def _structured(content: Mapping[str, Any]) -> Delivered:
    encoded = content.get("data_base64")
    data = content.get("data") if encoded is None else _json(_bytes(encoded, "/data_base64"))
    return _cloud_event(content, data)


def _cloud_event(attributes: Mapping[str, Any], data: object) -> Delivered:
    if attributes.get("type") == PUBSUB_TYPE and isinstance(data, dict):
        return _pubsub(data)
    return Delivered(
        _envelope(
            {
                "event_id": attributes.get("id"),
                "type": attributes.get("type"),
                "workspace": attributes.get("workspace"),
                "occurred_at": attributes.get("time"),
                "subject": attributes.get("subject"),
                "data": {} if data is None else data,
            }
        )
    )


def _pubsub(push: Mapping[str, Any]) -> Delivered:
    message = push.get("message")
    if not isinstance(message, dict):
        raise InvalidInput.field("/message", "must be a Pub/Sub message")
    content = _json(_bytes(message.get("data"), "/message/data"))
    event = _structured(content).event if "specversion" in content else _envelope(content)
    attributes = message.get("attributes")
    told = attributes if isinstance(attributes, dict) else {}
    consumer = told.get("consumer")
    attempt = push.get("deliveryAttempt", told.get(_TRIED))
    return Delivered(event, consumer if isinstance(consumer, str) else None, _count(attempt))


def _count(value: object) -> int | None:
    """Returns a count that came as a number or, among the attributes, as its digits."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS else None


def _bytes(encoded: object, where: str) -> bytes:
    if not isinstance(encoded, str):
        raise InvalidInput.field(where, "must be the event as base64")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:  # also where it is not ASCII
        raise InvalidInput.field(where, "is not base64") from None


def _envelope(content: Mapping[str, Any]) -> Event:
    try:
        return Event.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/" + "/".join(map(str, first["loc"]))
        raise InvalidInput.field(where, str(first["msg"])) from None


def _json(text: bytes) -> dict[str, Any]:
    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError:
        msg = "the event is not JSON"
        raise InvalidInput(msg) from None
    if not isinstance(content, dict):
        msg = "the event must be a JSON object"
        raise InvalidInput(msg)
    return content
