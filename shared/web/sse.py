"""Server-sent events: an answer that grows, as `text/event-stream` (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import ClassVar, Protocol, TypeVar

from starlette.responses import StreamingResponse

MEDIA_TYPE = "text/event-stream"


class Part(Protocol):
    """One event: its name, and its data as JSON."""

    event: ClassVar[str]

    def model_dump_json(self) -> str:
        """Returns the data, on one line."""


P = TypeVar("P", bound=Part)


def event_stream(
    parts: AsyncGenerator[P, None], *, place: Callable[[P], int] | None = None
) -> StreamingResponse:
    """Returns the response that sends each part as it comes, and closes `parts` at its end.

    `place` gives each part's id, which a browser names in `Last-Event-ID` when it comes back.
    """
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_encoded(parts, place), media_type=MEDIA_TYPE, headers=headers)


async def _encoded(
    parts: AsyncGenerator[P, None], place: Callable[[P], int] | None
) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts):
        async for part in parts:
            numbered = "" if place is None else f"id: {place(part)}\n"
            yield f"{numbered}event: {part.event}\ndata: {part.model_dump_json()}\n\n".encode()
