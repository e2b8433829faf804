import asyncio
from collections import Counter

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.feedback import ROUTING_DECISIONS
from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.models import Catalogue
from shared.errors import InvalidInput, Unavailable
from shared.messages.serving import Candidate, RouteRequest
from shared.services.deps import Options
from shared.services.serving.current import current_view
from shared.services.serving.routing import route
from tests.support.serving import (
    CODE,
    LARGE,
    MEDIUM,
    SMALL,
    decision_of,
    decisions_of,
    make_current,
    snapshot,
)
from tests.support.system import WORKSPACE, caller, play

WHO = caller("key:a", scopes=("serve",))


def options(**learning):
    return Options(learning=LearningConfig(**{"exploration_rate": 0.0, **learning}))


async def ask(system, prompt=CODE, *, who=WHO, key=None, **more):
    return await route(system.deps, who, RouteRequest(prompt=prompt, **more), key)


def candidates(*models):
    return [Candidate(provider=model.provider, model=model.model) for model in models]


def field_of(error):
    return error.value.problems[0].pointer


def test_the_proven_model_of_the_pattern_is_chosen_and_the_decision_is_on_record(tmp_path):
    async def scenario(system):
        name = await make_current(system, snapshot({"code": [MEDIUM, LARGE]}))
        answer = await ask(system, session_id="chat-1")
        assert (answer.provider, answer.model) == MEDIUM
        assert (answer.pattern, answer.snapshot_id) == ("code", name)
        assert (answer.propensity, answer.explored, answer.confidence) == (1.0, False, 0.9)
        assert answer.reason == "local/medium is best for code."
        assert answer.request_id.startswith("req_")
        record = await decision_of(system, answer.request_id)
        for field in set(type(answer).model_fields) - {"request_id", "rating_token"}:
            assert getattr(record, field) == getattr(answer, field), field
        assert (record.decided_by, record.session_id) == ("key:a", "chat-1")
        assert record.decided_at == system.clock.now_text()
        assert (record.cost_usd, record.latency_ms, record.attempts) == (None, None, 1)

    play(tmp_path, scenario, options=options())


def test_the_prompt_is_stored_nowhere(tmp_path):
    async def scenario(system):
        await ask(system, "the secret word is xylophone")
        await system.store.close()
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("whetstone.db*"))
        assert b"xylophone" not in stored

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("default", "given", "chosen"),
    [
        (None, None, SMALL),
        (MEDIUM, None, MEDIUM),
        (MEDIUM, (LARGE, SMALL), LARGE),
        (MEDIUM, (LARGE, MEDIUM), MEDIUM),
    ],
)
def test_without_a_snapshot_the_default_answers_else_the_first_candidate(
    tmp_path, default, given, chosen
):
    async def scenario(system):
        answer = await ask(system, candidates=candidates(*given) if given else None)
        assert (answer.provider, answer.model) == chosen
        assert (answer.snapshot_id, answer.confidence) == (None, 0.0)

    play(tmp_path, scenario, options=options(default_model=default))


def test_a_pattern_that_the_caller_names_counts_instead_of_the_found_one(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [MEDIUM], "invoices": [LARGE]}))
        answer = await ask(system, pattern="invoices")
        assert (answer.pattern, answer.model) == ("invoices", "large")

    play(tmp_path, scenario, options=options())


def test_the_best_among_the_candidates_is_chosen_where_the_first_is_not_allowed(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [MEDIUM, LARGE, SMALL]}))
        answer = await ask(system, candidates=candidates(SMALL, LARGE))
        assert (answer.provider, answer.model) == LARGE

    play(tmp_path, scenario, options=options())


def test_candidates_may_be_unknown_to_the_catalogue_and_then_have_no_price(tmp_path):
    async def scenario(system):
        answer = await ask(system, candidates=[Candidate(provider="own", model="m/1")])
        assert (answer.provider, answer.model) == ("own", "m/1")
        assert answer.estimated_cost_usd is None
        assert (await decision_of(system, answer.request_id)).baseline_cost_usd is None

    play(tmp_path, scenario)


def test_prices_of_the_request_come_before_those_of_the_catalogue(tmp_path):
    async def scenario(system):
        own = Candidate(
            provider="local", model="small", usd_per_m_input=100.0, usd_per_m_output=0.0
        )
        answer = await ask(system, "x" * 4000, candidates=[own])
        assert answer.estimated_cost_usd == pytest.approx(0.1)

    play(tmp_path, scenario)


def test_the_estimate_is_price_times_tokens_and_the_baseline_is_the_default(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [SMALL]}, default=LARGE))
        answer = await ask(system, CODE.ljust(4000), expected_output_tokens=500)
        assert answer.estimated_cost_usd == pytest.approx((1000 * 0.1 + 500 * 0.4) / 1e6)
        record = await decision_of(system, answer.request_id)
        assert record.baseline_cost_usd == pytest.approx((1000 * 5.0 + 500 * 20.0) / 1e6)

    play(tmp_path, scenario, options=options(default_model=LARGE))


def test_max_cost_leaves_out_what_is_dearer_or_has_no_price(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [LARGE, MEDIUM, SMALL]}))
        cheap = (1000 * 0.1 + 256 * 0.4) / 1e6
        for max_cost, model in ((1.0, "large"), (0.003, "medium"), (0.001, "small")):
            assert (await ask(system, CODE.ljust(4000), max_cost=max_cost)).model == model
        assert (await ask(system, CODE.ljust(4000), max_cost=cheap)).model == "small"
        with pytest.raises(InvalidInput, match=r"local/small, costs about 0\.000202400") as error:
            await ask(system, CODE.ljust(4000), max_cost=cheap * 0.99)
        assert field_of(error) == "/max_cost"
        unpriced = [Candidate(provider="own", model="m")]
        with pytest.raises(InvalidInput, match="has a price") as error:
            await ask(system, candidates=unpriced, max_cost=1.0)
        assert field_of(error) == "/max_cost"
        priced = [*unpriced, *candidates(SMALL)]
        assert (await ask(system, candidates=priced, max_cost=1.0)).model == "small"
        assert len(await decisions_of(system)) == 5, "what was refused left nothing behind"

    play(tmp_path, scenario, options=options())


def test_without_any_model_the_error_names_candidates(tmp_path):
    async def scenario(system):
        with pytest.raises(InvalidInput) as error:
            await ask(system, candidates=None)
        assert field_of(error) == "/candidates"

    play(tmp_path, scenario, catalogue=Catalogue({}))


def test_half_a_price_is_refused_by_the_name_of_the_candidate(tmp_path):
    async def scenario(system):
        half = Candidate(provider="a", model="b", usd_per_m_input=1.0)
        with pytest.raises(InvalidInput) as error:
            await ask(system, candidates=[*candidates(SMALL), half])
        assert field_of(error) == "/candidates/1"

    play(tmp_path, scenario)


def test_a_candidate_named_twice_is_no_likelier_to_be_explored(tmp_path):
    async def scenario(system):
        answer = await ask(system, candidates=candidates(SMALL, SMALL, MEDIUM))
        assert answer.propensity == pytest.approx(1 - 0.5 + 0.5 / 2)

    play(tmp_path, scenario, options=options(exploration_rate=0.5), seed=3)


def test_logged_propensities_are_the_frequencies_of_the_choices(tmp_path):
    rounds = 1500

    async def scenario(system):
        await make_current(system, snapshot({"code": [MEDIUM, LARGE]}))
        answers = [await ask(system) for _ in range(rounds)]
        counts = Counter((one.provider, one.model) for one in answers)
        stated = {(one.provider, one.model): one.propensity for one in answers}
        assert stated == pytest.approx({MEDIUM: 0.8, SMALL: 0.1, LARGE: 0.1})
        for model, propensity in stated.items():
            spread = (propensity * (1 - propensity) / rounds) ** 0.5
            assert abs(counts[model] / rounds - propensity) < 4 * spread
        assert all(one.explored == ((one.provider, one.model) != MEDIUM) for one in answers)
        inverse = sum(1 / one.propensity for one in answers) / rounds
        assert inverse == pytest.approx(3, rel=0.15), "weights of k candidates sum to k"

    play(tmp_path, scenario, options=options(exploration_rate=0.3))


def test_critical_requests_never_explore(tmp_path):
    async def scenario(system):
        answers = [await ask(system, critical=True) for _ in range(50)]
        assert {(one.model, one.propensity, one.explored) for one in answers} == {
            ("small", 1.0, False)
        }

    play(tmp_path, scenario, options=options(exploration_rate=1.0))


def test_the_decision_path_reads_nothing_and_writes_one_row(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [MEDIUM]}))
        await ask(system)
        statements = []
        system.store._reading.set_trace_callback(statements.append)
        system.store._writing.set_trace_callback(statements.append)
        await ask(system)
        words = [one.split(" ", 3) for one in statements]
        assert not any(one[0] == "SELECT" for one in words), statements
        changes = [one for one in words if one[0] in ("INSERT", "UPDATE", "DELETE")]
        assert [one[2] for one in changes] == [ROUTING_DECISIONS.name]

    play(tmp_path, scenario)


def test_a_retried_key_is_one_decision(tmp_path):
    async def scenario(system):
        first = await ask(system, key=IdempotencyKey("k", "same"))
        retry = IdempotencyKey("k", "same")
        assert await ask(system, key=retry) == first
        assert retry.replayed
        assert len(await decisions_of(system)) == 1
        with pytest.raises(InvalidInput):
            await ask(system, key=IdempotencyKey("k", "other"))

    play(tmp_path, scenario, options=options(exploration_rate=1.0))


def test_at_once_the_same_key_is_one_decision(tmp_path):
    async def scenario(system):
        keys = [IdempotencyKey("k", "same") for _ in range(8)]
        answers = await asyncio.gather(*(ask(system, key=key) for key in keys))
        assert len({one.request_id for one in answers}) == 1
        assert len(await decisions_of(system)) == 1

    play(tmp_path, scenario)


def test_a_read_only_workspace_routes_nothing_once_its_view_is_looked_at_again(tmp_path):
    async def scenario(system):
        await ask(system)
        await system.change_settings(read_only=True)
        system.clock.advance(3)
        with pytest.raises(Unavailable):
            await ask(system)
        assert len(await decisions_of(system)) == 1

    play(tmp_path, scenario)


def test_decisions_belong_to_the_workspace_of_the_caller(tmp_path):
    async def scenario(system):
        theirs = caller("key:b", scopes=("serve",), workspace="other")
        await make_current(system, snapshot({"code": [LARGE]}), workspace="other")
        mine, other = await ask(system), await ask(system, who=theirs)
        assert (mine.model, other.model) == ("small", "large")
        assert [one.id for one in await decisions_of(system)] == [mine.request_id]
        assert await system.store.get("other", ROUTING_DECISIONS, mine.request_id) is None
        assert (await current_view(system.deps, WORKSPACE)).snapshot_id is None

    play(tmp_path, scenario, options=options())


def test_models_with_the_same_name_at_two_providers_are_two(tmp_path):
    async def scenario(system):
        twin = ModelId("third", "small")
        await make_current(system, snapshot({"code": [twin]}))
        answer = await ask(system, candidates=candidates(SMALL, twin))
        assert (answer.provider, answer.model) == twin

    play(tmp_path, scenario, options=options())
