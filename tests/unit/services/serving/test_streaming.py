import asyncio
from dataclasses import replace

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.learning.config import LearningConfig
from shared.errors import InvalidInput, Unavailable
from shared.messages.serving import (
    CompleteRequest,
    StreamDelta,
    StreamEnd,
    StreamError,
    StreamStart,
)
from shared.ports import Completion, CompletionChunk
from shared.services.deps import Options
from shared.services.serving import streaming
from shared.services.serving.streaming import stream
from tests.fakes.openai_server import Fault, OpenAIServer, count_tokens, plain_answer
from tests.support.serving import (
    CODE,
    LARGE,
    MEDIUM,
    SMALL,
    decision_of,
    decisions_of,
    make_current,
    providers,
    snapshot,
)
from tests.support.system import WORKSPACE, caller, play

WHO = caller("key:a", scopes=("serve",))


@pytest.fixture(scope="module")
def served():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(served):
    yield served
    served.heal()


def run(tmp_path, server, scenario, **more):
    learning = LearningConfig(exploration_rate=0.0, default_model=LARGE)
    options = Options(learning=learning, **{"completion_timeout_s": 5.0, **more})

    async def whole(system):
        async with providers(system, server):
            await make_current(system, snapshot({"code": [SMALL, MEDIUM, LARGE]}, default=LARGE))
            return await scenario(system)

    return play(tmp_path, whole, options=options)


async def opened(system, deps=None, key=None):
    command = CompleteRequest(prompt=CODE, stream=True)
    return await stream(deps or system.deps, WHO, command, key)


async def settled_record(system, request_id):
    """Returns the decision once the task that completes it is done."""
    await asyncio.gather(*streaming._reading)
    return await decision_of(system, request_id)


def text_of(parts):
    return "".join(part.text for part in parts if isinstance(part, StreamDelta))


class Scripted:
    """A provider that says words until it is told to fail, and notes whether it was closed."""

    def __init__(self, words, error=None):
        self._words, self._error = words, error
        self.said = 0
        self.closed = False

    async def stream(self, request, *, timeout_s):
        try:
            for word in self._words:
                self.said += 1
                yield CompletionChunk(word)
                await asyncio.sleep(0)
            if self._error is not None:
                raise self._error
            await asyncio.Event().wait()
        finally:
            self.closed = True


def test_a_pattern_that_the_caller_states_is_learned_from_once(tmp_path, server):
    async def scenario(system):
        command = CompleteRequest(prompt=CODE, stream=True, pattern="fibonacci")
        parts = [part async for part in await stream(system.deps, WHO, command, None)]
        await asyncio.gather(*streaming._reading)
        [row] = await system.deps.evidence_log.rows(WORKSPACE, "prompts", 0, 10)
        assert (row.evidence.pattern, len(parts) > 1) == ("fibonacci", True)

    run(tmp_path, server, scenario)


def test_the_parts_are_the_decision_the_pieces_and_the_usage(tmp_path, server):
    async def scenario(system):
        first, *deltas, last = [part async for part in await opened(system)]
        assert isinstance(first, StreamStart)
        assert (first.provider, first.model, first.attempts) == (*SMALL, 1)
        text = plain_answer("small", [{"role": "user", "content": CODE}])
        assert text_of(deltas) == text
        assert len(deltas) > 3
        assert isinstance(last, StreamEnd)
        assert (last.request_id, last.finish_reason) == (first.request_id, "stop")
        assert last.usage.output_tokens == count_tokens(text)
        record = await decision_of(system, first.request_id)
        assert record.cost_usd == last.cost_usd > 0
        assert record.output_tokens == last.usage.output_tokens
        assert record.baseline_cost_usd > record.cost_usd
        assert not record.failed

    run(tmp_path, server, scenario)


def test_the_decision_is_on_record_before_the_first_part(tmp_path, server):
    async def scenario(system):
        parts = await opened(system)
        [record] = await decisions_of(system)
        assert (record.provider, record.model, record.cost_usd) == (*SMALL, None)
        first = await anext(parts)
        assert first.request_id == record.id
        await parts.aclose()

    run(tmp_path, server, scenario)


def test_the_record_is_whole_before_the_last_part(tmp_path, server):
    async def scenario(system):
        async for part in await opened(system):
            if isinstance(part, StreamEnd):
                assert (await decision_of(system, part.request_id)).cost_usd == part.cost_usd
                return
        pytest.fail("there was no last part")

    run(tmp_path, server, scenario)


@pytest.mark.parametrize(
    "fault", [Fault.SERVER_ERROR, Fault.RATE_LIMITED, Fault.BAD_REQUEST, Fault.DROP, Fault.HANG]
)
def test_a_model_that_fails_before_its_first_piece_is_replaced(tmp_path, server, fault):
    server.break_with(fault, model="small")

    async def scenario(system):
        first, *_, last = [part async for part in await opened(system)]
        assert (first.provider, first.model, first.attempts) == (*MEDIUM, 2)
        assert isinstance(last, StreamEnd)
        record = await decision_of(system, first.request_id)
        assert (record.model, record.attempts, record.propensity) == ("medium", 2, 0.0)

    run(tmp_path, server, scenario, completion_timeout_s=0.3 if fault is Fault.HANG else 5.0)


@pytest.mark.parametrize(
    "fault", [Fault.DROP_MIDWAY, Fault.MALFORMED, Fault.ERROR_EVENT, Fault.NO_END]
)
def test_a_model_that_fails_midway_ends_the_stream_with_an_error(tmp_path, server, fault):
    server.break_with(fault, model="small")

    async def scenario(system):
        first, *deltas, last = [part async for part in await opened(system)]
        assert isinstance(last, StreamError)
        assert last.request_id == first.request_id
        assert text_of(deltas)
        record = await decision_of(system, first.request_id)
        assert (record.failed, record.model, record.attempts) == (True, "small", 1)
        assert record.output_tokens > 0
        assert record.cost_usd > 0

    run(tmp_path, server, scenario)


def test_where_nobody_begins_the_error_is_an_error_and_the_failure_on_record(tmp_path, server):
    server.break_with(Fault.SERVER_ERROR)

    async def scenario(system):
        with pytest.raises(Unavailable) as error:
            await opened(system)
        assert len(error.value.facts["attempts"]) == 3
        [record] = await decisions_of(system)
        assert record.failed

    run(tmp_path, server, scenario)


def test_an_idempotency_key_is_refused(tmp_path, server):
    async def scenario(system):
        with pytest.raises(InvalidInput) as error:
            await opened(system, key=IdempotencyKey("k", "same"))
        assert error.value.problems[0].pointer == "Idempotency-Key"
        assert await decisions_of(system) == []

    run(tmp_path, server, scenario)


def test_a_caller_who_hangs_up_stops_the_provider_and_leaves_a_whole_record(tmp_path, server):
    async def scenario(system):
        provider = Scripted(["one ", "two ", "three"])
        system.deps.providers["local"] = provider
        parts = await opened(system)
        first = await anext(parts)
        await anext(parts)
        await parts.aclose()
        record = await settled_record(system, first.request_id)
        assert provider.closed
        assert not record.failed
        assert record.output_tokens > 0
        assert record.cost_usd > 0
        assert record.latency_ms is not None

    run(tmp_path, server, scenario)


def test_a_caller_whose_task_is_cancelled_leaves_a_whole_record(tmp_path, server):
    async def scenario(system):
        provider = Scripted(["one "])
        system.deps.providers["local"] = provider
        parts = await opened(system)

        async def listen():
            return [part async for part in parts]

        listening = asyncio.create_task(listen())
        for _ in range(10):
            await asyncio.sleep(0)
        listening.cancel()
        await asyncio.wait({listening})
        [stored] = await decisions_of(system)
        record = await settled_record(system, stored.id)
        assert provider.closed
        assert (record.failed, record.input_tokens > 0) == (False, True)
        assert record.latency_ms is not None

    run(tmp_path, server, scenario)


def test_a_caller_who_takes_nothing_is_given_up(tmp_path, server, monkeypatch):
    monkeypatch.setattr(streaming, "STALLED_S", 0.01)

    async def scenario(system):
        provider = Scripted(["word "] * 1000)
        system.deps.providers["local"] = provider
        parts = await opened(system)
        [stored] = await decisions_of(system)
        record = await settled_record(system, stored.id)
        assert provider.closed
        assert provider.said == streaming.BUFFERED + 1
        assert (record.failed, record.latency_ms is not None) == (False, True)
        await parts.aclose()

    run(tmp_path, server, scenario)


def test_a_caller_who_hangs_up_on_a_full_buffer_does_not_hold_the_end_up(tmp_path, server):
    async def scenario(system):
        words = ["word "] * streaming.BUFFERED
        system.deps.providers["local"] = Scripted(words, Unavailable("it broke"))
        parts = await opened(system)
        first = await anext(parts)
        for _ in range(500):
            await asyncio.sleep(0)
        await asyncio.wait_for(parts.aclose(), 5)
        assert (await settled_record(system, first.request_id)).failed

    run(tmp_path, server, scenario)


def test_a_whole_answer_that_nobody_takes_is_still_on_record(tmp_path, server, monkeypatch):
    monkeypatch.setattr(streaming, "STALLED_S", 0.01)

    class Whole(Scripted):
        async def stream(self, request, *, timeout_s):
            for _ in range(streaming.BUFFERED):
                yield CompletionChunk("word ")
            yield CompletionChunk("", Completion("word " * 64, "stop", 7, 64))

    async def scenario(system):
        system.deps.providers["local"] = Whole([])
        parts = await opened(system)
        [stored] = await decisions_of(system)
        record = await settled_record(system, stored.id)
        assert (record.input_tokens, record.output_tokens, record.failed) == (7, 64, False)
        await parts.aclose()

    run(tmp_path, server, scenario)


def test_a_provider_that_crashes_ends_the_stream_with_an_error_that_tells_nothing(tmp_path, server):
    async def scenario(system):
        system.deps.providers["local"] = Scripted(["one"], ZeroDivisionError("inside"))
        *_, last = [part async for part in await opened(system)]
        assert isinstance(last, StreamError)
        assert last.detail == "the answer broke off"

    run(tmp_path, server, scenario)


class FailingStore:
    """The real store, of which the transactions after the first `good` fail."""

    def __init__(self, real, good):
        self._real, self._good = real, good

    def __getattr__(self, name):
        return getattr(self._real, name)

    async def transact(self, workspace, run):
        self._good -= 1
        if self._good < 0:
            raise Unavailable("the disk is full")
        return await self._real.transact(workspace, run)


def test_without_a_record_nothing_is_sent(tmp_path, server):
    async def scenario(system):
        provider = Scripted(["one"])
        system.deps.providers["local"] = provider
        with pytest.raises(Unavailable, match="disk"):
            await opened(system, replace(system.deps, store=FailingStore(system.store, 0)))
        assert provider.closed

    run(tmp_path, server, scenario)


def test_where_the_cost_cannot_be_recorded_the_stream_ends_with_an_error(tmp_path, server):
    async def scenario(system):
        deps = replace(system.deps, store=FailingStore(system.store, 1))
        first, *deltas, last = [part async for part in await opened(system, deps)]
        assert text_of(deltas)
        assert isinstance(last, StreamError)
        assert (await decision_of(system, first.request_id)).cost_usd is None

    run(tmp_path, server, scenario)
