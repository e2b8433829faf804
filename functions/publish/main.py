"""Publish: puts what people approved into search, and takes out what they retracted."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import bootstrap
from shared.messages.events import Event
from shared.services import publishing
from shared.web.app import Api

app = Api("publish", bootstrap.gate)


@app.consumer
async def publish_event(event: Event) -> None:
    """Publishes the entry as it stands now, whatever the event says of it."""
    await publishing.publish(bootstrap.deps(), event)


@functions_framework.aio.http
async def publish(request: Request) -> Response:  # noqa: ARG001 -- the framework hands it over; the app reads the scope
    """Serves the function on Google Cloud."""
    return app.as_answer()
