"""The demo's HTTP client: patience, errors in the server's words, and order."""

import asyncio

import httpx
import pytest

from demo.client import AT_ONCE, Api, Refused, each
from demo.stage import round_after


def api_over(handler):
    return Api("http://whetstone.test", {"X-API-Key": "k"}, httpx.MockTransport(handler))


def test_a_busy_server_is_asked_again():
    answers = [
        httpx.Response(429, headers={"Retry-After": "0"}),
        httpx.Response(200, json={"n": 1}),
    ]
    seen = []

    def handler(request):
        seen.append(request)
        return answers.pop(0)

    async def scenario():
        async with api_over(handler) as api:
            return await api.post("/v1/x", {"a": 1}, key="once")

    assert asyncio.run(scenario()) == {"n": 1}
    assert [request.headers["Idempotency-Key"] for request in seen] == ["once", "once"]
    assert [request.content for request in seen] == [b'{"a": 1}'] * 2


def test_a_server_that_stays_busy_is_an_error():
    def handler(request):
        return httpx.Response(503, headers={"Retry-After": "0"}, json={"title": "unavailable"})

    async def scenario():
        async with api_over(handler) as api:
            await api.get("/v1/x")

    with pytest.raises(Refused, match="GET /v1/x: 503 unavailable"):
        asyncio.run(scenario())


def test_a_refusal_says_what_the_server_said():
    problem = {"detail": "is wrong", "errors": [{"pointer": "/topic", "detail": "too long"}]}

    async def scenario():
        async with api_over(lambda _: httpx.Response(422, json=problem)) as api:
            await api.post("/v1/x")

    with pytest.raises(Refused) as refused:
        asyncio.run(scenario())
    assert refused.value.status == 422
    assert refused.value.detail == "is wrong; /topic: too long"


@pytest.mark.parametrize("answer", [{"text": "gateway down"}, {"json": ["gateway down"]}])
def test_a_refusal_that_is_no_problem_document_is_shown_as_it_is(answer):
    async def scenario():
        async with api_over(lambda _: httpx.Response(502, **answer)) as api:
            await api.get("/v1/x")

    with pytest.raises(Refused, match="gateway down"):
        asyncio.run(scenario())


def test_each_keeps_the_order_and_its_limit():
    running, most, steps = 0, 0, []

    async def work(number):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(number % 3):
            await asyncio.sleep(0)
        running -= 1
        return number * 2

    async def scenario():
        return await each(range(100), work, lambda: steps.append(1))

    assert asyncio.run(scenario()) == [number * 2 for number in range(100)]
    assert most == AT_ONCE
    assert len(steps) == 100


@pytest.mark.parametrize(
    ("patterns", "number"),
    [([], 1), (["math", "law"], 2), (["math", "math.round2", "law.round11"], 12)],
)
def test_a_new_round_follows_the_last_one_on_a_server(patterns, number):
    assert round_after(patterns) == number
