"""One decoder for events, however they arrive: a raw Pub/Sub push body, a structured CloudEvent, or a binary one."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from shared.errors import InvalidInput
from shared.messages.events import Event


def decode(headers: Mapping[bytes, bytes], body: bytes) -> Event:
    """Returns the event in a push request.

    Args:
        headers: lower-case names; `ce-…` mark a binary CloudEvent.
        body: the request's.

    Raises:
        InvalidInput: no event of ours is in it. A push with this body can never succeed.
    """
    content = _json(body)
    if b"ce-id" in headers:
        attributes = {name[3:].decode(): value.decode() for name, value in headers.items() if name.startswith(b"ce-")}
        return _cloud_event(attributes, content)
    if "specversion" in content:
        return _cloud_event(content, content.get("data"))
    if "message" in content:
        return _pubsub(content)
    return _envelope(content)


def _cloud_event(attributes: Mapping[str, Any], data: Any) -> Event:
    if isinstance(data, dict) and "message" in data:  # Eventarc carries the Pub/Sub message as the data
        return _pubsub(data)
    return _envelope(
        {
            "event_id": attributes.get("id"),
            "type": attributes.get("type"),
            "workspace": attributes.get("workspace"),
            "occurred_at": attributes.get("time"),
            "subject": attributes.get("subject"),
            "data": data or {},
        }
    )


def _pubsub(push: Mapping[str, Any]) -> Event:
    message = push.get("message")
    encoded = message.get("data") if isinstance(message, dict) else None
    if not isinstance(encoded, str):
        raise InvalidInput.field("/message/data", "must be the event as base64")
    try:
        text = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise InvalidInput.field("/message/data", "is not base64") from None
    content = _json(text)
    if "specversion" in content:
        return _cloud_event(content, content.get("data"))
    return _envelope(content)


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
