"""Notify: tells people, over mail, Slack, webhook and the log, what happened and where to act."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from shared import bootstrap
from shared.messages.events import Event
from shared.services import notifying
from shared.web.app import Api

app = Api("notify", bootstrap.gate)


@app.consumer
async def on_event(event: Event) -> None:
    """Sends an event to every channel that is for it."""
    await notifying.notify(bootstrap.deps(), event)


@functions_framework.aio.http
async def notify(request: Request) -> Response:  # noqa: ARG001 -- the framework hands it over; the app reads the scope
    """Serves the function on Google Cloud."""
    return app.as_answer()
