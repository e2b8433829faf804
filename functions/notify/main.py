"""Notify: tells people, over mail, Slack, webhook and the log, what happened and where to act."""

from shared import bootstrap
from shared.messages.events import Event
from shared.services import notifying
from shared.web.app import Api
from shared.web.cloud import cloud_function

app = Api("notify", bootstrap.gate)


@app.consumer
async def on_event(event: Event) -> None:
    """Sends an event to every channel that is for it."""
    await notifying.notify(bootstrap.deps(), event)


notify = cloud_function(app, bootstrap.start)
