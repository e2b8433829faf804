import asyncio
import json

import pytest

from shared.messages.serving import StreamDelta, StreamError
from shared.web.sse import event_stream


async def collect(parts):
    response = event_stream(parts)
    return response, b"".join([piece async for piece in response.body_iterator])


@pytest.mark.parametrize("text", ["plain", "two\nlines\n\nand more", "\r", "ünïcode \u2028 \u0085"])
def test_a_part_is_one_event_whatever_its_text(text):
    async def parts():
        yield StreamDelta(text=text)
        yield StreamError(request_id="req_1", detail="it broke")

    response, body = asyncio.run(collect(parts()))
    assert response.media_type == "text/event-stream"
    first, second, rest = body.decode().split("\n\n")
    assert rest == ""
    name, data = first.split("\n")
    assert name == "event: delta"
    assert json.loads(data.removeprefix("data: ")) == {"text": text}
    assert "\r" not in data
    assert second.startswith("event: error\n")


def test_a_response_that_is_cut_off_closes_its_parts():
    closed = []

    async def parts():
        try:
            while True:
                yield StreamDelta(text="more")
        finally:
            closed.append(True)

    async def scenario():
        body = event_stream(parts()).body_iterator
        await anext(body)
        await body.aclose()
        assert closed == [True]

    asyncio.run(scenario())
