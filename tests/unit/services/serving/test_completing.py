import asyncio

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.trials import Arm
from shared.errors import InvalidInput, Unavailable
from shared.messages.serving import Candidate, CompleteRequest, Turn
from shared.services.deps import Options
from shared.services.serving.completing import complete
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
from tests.unit.services.serving.test_assigning import tried

WHO = caller("key:a", scopes=("serve",))


def options(**more):
    learning = LearningConfig(exploration_rate=0.0, default_model=LARGE)
    return Options(**{"learning": learning, "completion_timeout_s": 5.0, **more})


@pytest.fixture(scope="module")
def served():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(served):
    yield served
    served.heal()


def run(tmp_path, server, scenario, **more):
    async def whole(system):
        async with providers(system, server):
            await make_current(system, snapshot({"code": [SMALL, MEDIUM, LARGE]}, default=LARGE))
            return await scenario(system)

    return play(tmp_path, whole, options=options(**more))


async def ask(system, /, *, key=None, **command):
    command = command if "messages" in command else {"prompt": CODE, **command}
    return await complete(system.deps, WHO, CompleteRequest(**command), key)


def test_the_chosen_model_answers_and_what_it_took_is_on_record(tmp_path, server):
    async def scenario(system):
        answer = await ask(system)
        text = plain_answer("small", [{"role": "user", "content": CODE}])
        assert (answer.text, answer.finish_reason, answer.attempts) == (text, "stop", 1)
        assert (answer.provider, answer.model, answer.propensity) == (*SMALL, 1.0)
        given, made = count_tokens(CODE), count_tokens(text)
        assert answer.usage.model_dump() == {
            "input_tokens": given,
            "output_tokens": made,
            "estimated": False,
        }
        assert answer.cost_usd == pytest.approx((given * 0.1 + made * 0.4) / 1e6)
        record = await decision_of(system, answer.request_id)
        assert (record.input_tokens, record.output_tokens) == (given, made)
        assert (record.cost_usd, record.latency_ms) == (answer.cost_usd, answer.latency_ms)
        assert record.baseline_cost_usd == pytest.approx((given * 5 + made * 20) / 1e6)
        assert not record.failed

    run(tmp_path, server, scenario)


def test_a_pattern_that_the_caller_states_is_learned_from(tmp_path, server):
    async def scenario(system):
        await ask(system)
        answer = await ask(system, pattern="fibonacci")
        [row] = await system.deps.evidence_log.rows(WORKSPACE, "prompts", 0, 10)
        assert (row.evidence.request_id, row.evidence.pattern) == (answer.request_id, "fibonacci")

    run(tmp_path, server, scenario)


def test_usage_that_the_provider_left_out_is_estimated_and_says_so(tmp_path, server):
    server.break_with(Fault.NO_USAGE)

    async def scenario(system):
        answer = await ask(system)
        assert answer.usage.estimated
        assert answer.usage.output_tokens > 0
        assert answer.cost_usd > 0

    run(tmp_path, server, scenario)


def test_what_the_caller_set_reaches_the_provider_and_nothing_else(tmp_path, server):
    async def scenario(system):
        await ask(system, system="Be brief.", temperature=0.5, max_tokens=9, stop=["END"])
        sent = server.received[-1].body
        assert sent["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": CODE},
        ]
        del sent["messages"]
        assert sent == {
            "model": "small",
            "stream": False,
            "temperature": 0.5,
            "max_tokens": 9,
            "stop": ["END"],
        }

    run(tmp_path, server, scenario)


def test_a_conversation_is_sent_whole_and_judged_by_its_newest_question(tmp_path, server):
    async def scenario(system):
        turns = [
            Turn(role="user", content="hello there"),
            Turn(role="assistant", content="hi"),
            Turn(role="user", content=CODE),
        ]
        answer = await ask(system, messages=turns)
        assert answer.pattern == "code"
        assert [one["content"] for one in server.received[-1].body["messages"]] == [
            "hello there",
            "hi",
            CODE,
        ]

    run(tmp_path, server, scenario)


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        ({"prompt": None}, "/prompt"),
        ({"prompt": "a", "messages": [Turn(role="user", content="b")]}, "/messages"),
        ({"messages": [Turn(role="system", content="b")]}, "/messages"),
        ({"messages": [Turn(role="user", content="  ")]}, "/messages"),
        ({"candidates": [Candidate(provider="who", model="m")]}, "/candidates/0"),
        ({"max_cost": 0.0}, "/max_cost"),
    ],
)
def test_a_request_that_cannot_be_asked_names_the_field_and_leaves_nothing(
    tmp_path, server, command, pointer
):
    async def scenario(system):
        before = len(server.received)
        with pytest.raises(InvalidInput) as error:
            await ask(system, **command)
        assert error.value.problems[0].pointer == pointer
        assert len(server.received) == before
        assert await decisions_of(system) == []

    run(tmp_path, server, scenario)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.SERVER_ERROR,
        Fault.RATE_LIMITED,
        Fault.UNAUTHORIZED,
        Fault.BAD_REQUEST,
        Fault.UNKNOWN_MODEL,
        Fault.DROP,
        Fault.DROP_MIDWAY,
        Fault.MALFORMED,
        Fault.ERROR_EVENT,
    ],
)
def test_a_model_that_fails_is_replaced_by_the_next_and_the_record_says_so(tmp_path, server, fault):
    server.break_with(fault, model="small")

    async def scenario(system):
        answer = await ask(system)
        assert (answer.provider, answer.model, answer.attempts) == (*MEDIUM, 2)
        assert (answer.propensity, answer.explored) == (0.0, False)
        assert answer.reason == "Fallback: local/small did not answer."
        record = await decision_of(system, answer.request_id)
        assert (record.provider, record.model, record.attempts) == (*MEDIUM, 2)
        assert (record.propensity, record.failed, record.confidence) == (0.0, False, 0.9)
        tokens = (answer.usage.input_tokens, answer.usage.output_tokens)
        assert record.cost_usd == pytest.approx((tokens[0] * 1.0 + tokens[1] * 4.0) / 1e6)
        assert len(await decisions_of(system)) == 1

    run(tmp_path, server, scenario)


def test_a_model_that_hangs_is_given_up_after_its_time(tmp_path, server):
    server.break_with(Fault.HANG, model="small")

    async def scenario(system):
        answer = await ask(system)
        assert (answer.model, answer.attempts) == ("medium", 2)

    run(tmp_path, server, scenario, completion_timeout_s=0.2)


def test_where_nobody_answers_the_error_lists_who_was_asked_and_the_failure_is_on_record(
    tmp_path, server
):
    server.break_with(Fault.SERVER_ERROR)

    async def scenario(system):
        with pytest.raises(Unavailable) as error:
            await ask(system)
        facts = error.value.facts
        asked = [(one["provider"], one["model"]) for one in facts["attempts"]]
        assert asked == [SMALL, MEDIUM, LARGE]
        assert all("500" in one["error"] for one in facts["attempts"])
        record = await decision_of(system, facts["request_id"])
        assert (record.failed, record.attempts, record.cost_usd) == (True, 3, None)
        assert (record.provider, record.model) == SMALL

    run(tmp_path, server, scenario)


def test_how_completions_of_a_trials_arm_end_is_counted(tmp_path, server):
    async def scenario(system):
        arm = Arm(name="small", share=1.0, provider=SMALL.provider, model=SMALL.model)
        await tried(system, [arm])
        answer = await ask(system)
        assert (answer.model, answer.propensity) == ("small", 1.0)
        server.break_with(Fault.SERVER_ERROR)
        with pytest.raises(Unavailable):
            await ask(system)
        counted = await system.store.counters(WORKSPACE, "trial:")
        assert counted == {"trial:exp_1/small": {"answered": 1, "failed": 1}}

    run(tmp_path, server, scenario)


def test_of_a_session_only_the_first_completion_counts_in_a_trial(tmp_path, server):
    async def scenario(system):
        arm = Arm(name="small", share=1.0, provider=SMALL.provider, model=SMALL.model)
        await tried(system, [arm])
        await ask(system, session_id="s1")
        server.break_with(Fault.SERVER_ERROR)
        for session in ("s1", "s1", "s2", "s2"):
            with pytest.raises(Unavailable):
                await ask(system, session_id=session)
        counted = await system.store.counters(WORKSPACE, "trial:")
        assert counted == {"trial:exp_1/small": {"answered": 1, "failed": 1}}

    run(tmp_path, server, scenario)


def test_no_more_models_are_tried_than_configured(tmp_path, server):
    server.break_with(Fault.SERVER_ERROR)

    async def scenario(system):
        with pytest.raises(Unavailable) as error:
            await ask(system)
        assert len(error.value.facts["attempts"]) == 2

    run(tmp_path, server, scenario, completion_attempts=2)


def test_the_deadline_of_the_whole_ends_the_fallbacks(tmp_path, server):
    class Slow:
        """A provider that fails after ten seconds."""

        async def complete(self, request, *, timeout_s):
            limits.append(timeout_s)
            system_clock.advance(10)
            raise Unavailable("too slow")

    limits = []

    async def scenario(system):
        nonlocal system_clock
        system_clock = system.clock
        system.deps.providers.update({"local": Slow(), "other": Slow()})
        with pytest.raises(Unavailable) as error:
            await ask(system)
        assert limits == [15.0, 5.0]
        assert [one["latency_ms"] for one in error.value.facts["attempts"]] == [10_000, 10_000]

    system_clock = None
    run(tmp_path, server, scenario, completion_timeout_s=20.0, completion_deadline_s=15.0)


def test_a_request_that_every_model_refuses_is_the_callers_to_change(tmp_path, server):
    server.break_with(Fault.BAD_REQUEST)

    async def scenario(system):
        with pytest.raises(InvalidInput) as error:
            await ask(system)
        assert len(error.value.facts["attempts"]) == 3
        assert (await decision_of(system, error.value.facts["request_id"])).failed

    run(tmp_path, server, scenario)


def test_fallbacks_stay_among_the_candidates_and_within_the_cost(tmp_path, server):
    server.break_with(Fault.SERVER_ERROR)

    async def scenario(system):
        two = [Candidate(provider=one.provider, model=one.model) for one in (LARGE, MEDIUM)]
        with pytest.raises(Unavailable) as error:
            await ask(system, candidates=two)
        assert [one["model"] for one in error.value.facts["attempts"]] == ["medium", "large"]
        with pytest.raises(Unavailable) as error:
            await ask(system, max_cost=0.0015)
        assert [one["model"] for one in error.value.facts["attempts"]] == ["small", "medium"]

    run(tmp_path, server, scenario)


def test_a_model_without_a_provider_is_passed_over(tmp_path, server):
    async def scenario(system):
        del system.deps.providers["local"]
        answer = await ask(system)
        assert (answer.model, answer.attempts) == ("large", 3)

    run(tmp_path, server, scenario)


def test_a_retried_key_gets_the_first_answer_and_asks_nobody(tmp_path, server):
    async def scenario(system):
        first = await ask(system, key=IdempotencyKey("k", "same"))
        asked = len(server.received)
        server.break_with(Fault.SERVER_ERROR)
        retry = IdempotencyKey("k", "same")
        assert await ask(system, key=retry) == first
        assert retry.replayed
        assert len(server.received) == asked
        with pytest.raises(InvalidInput):
            await ask(system, key=IdempotencyKey("k", "other"))
        server.heal()
        system.clock.advance(days=3)
        assert (await ask(system, key=IdempotencyKey("k", "other"))).request_id != first.request_id

    run(tmp_path, server, scenario)


def test_at_once_the_same_key_leaves_one_decision_and_one_answer(tmp_path, server):
    async def scenario(system):
        keys = [IdempotencyKey("k", "same") for _ in range(4)]
        answers = await asyncio.gather(*(ask(system, key=key) for key in keys))
        assert len({one.request_id for one in answers}) == 1
        assert len(await decisions_of(system)) == 1

    run(tmp_path, server, scenario)


def test_a_short_answer_is_estimated_as_short(tmp_path, server):
    async def scenario(system):
        long = await ask(system)
        short = await ask(system, max_tokens=1)
        assert short.estimated_cost_usd < long.estimated_cost_usd

    run(tmp_path, server, scenario)
