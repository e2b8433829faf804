"""An event as it travels outside this process: a CloudEvent 1.0 in JSON.

`shared/web/events.py` reads it back; a golden file holds both to the same form.
"""

from pydantic_core import to_json

from shared.messages.events import Event

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""The media type of a structured CloudEvent."""

SOURCE = "urn:whetstone"
"""Who speaks: together with the id this makes an event unique, as CloudEvents ask."""


def structured(event: Event) -> bytes:
    """Returns the event as a structured CloudEvent, its workspace as an extension attribute."""
    return to_json(
        {
            "specversion": "1.0",
            "id": event.event_id,
            "source": SOURCE,
            "type": event.type,
            "subject": event.subject,
            "time": event.occurred_at,
            "workspace": event.workspace,
            "datacontenttype": "application/json",
            "data": event.data,
        }
    )
