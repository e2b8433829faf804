"""Publish: puts what people approved into search, and takes out what they retracted."""

from shared import bootstrap
from shared.messages.events import Event
from shared.services import publishing
from shared.web.app import Api
from shared.web.cloud import cloud_function

app = Api("publish", bootstrap.gate)


@app.consumer
async def publish_event(event: Event) -> None:
    """Publishes the entry as it stands now, whatever the event says of it."""
    await publishing.publish(bootstrap.deps(), event)


publish = cloud_function(app, bootstrap.start)
