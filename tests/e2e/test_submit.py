"""Submitting over HTTP: every limit, duplicates, batches, recommendations, and rubbish."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.submit.main import app
from shared.domain.entries import ENTRIES, NEAR_BANDS, REVISIONS
from shared.domain.feedback import AGENTS, RECOMMENDATIONS
from shared.domain.operations import IDEMPOTENCY
from shared.errors import Unavailable
from shared.services import recommending
from tests.support.system import WORKSPACE, play

ENTRY = {"topic": "billing", "content": "Invoices can be reissued.", "confidence_score": 0.75}


async def left_behind(system):
    """Returns how much there is of everything that a submission writes."""
    store = system.store
    counts = [
        await store.count(WORKSPACE, collection, at_most=10_000)
        for collection in (ENTRIES, REVISIONS, NEAR_BANDS, RECOMMENDATIONS, AGENTS, IDEMPOTENCY)
    ]
    audits = len(await store.audit_chain(WORKSPACE, 0, 10_000))
    return [*counts, audits, len(await store.outbox(10_000)), await store.counters(WORKSPACE, "")]


def with_http(tmp_path, scenario, **options):
    async def run(system):
        return await scenario(system, await system.client(app, scopes=("submit",)))

    return play(tmp_path, run, **options)


def metadata_of(size):
    return {"m": "x" * (size - len('{"m":""}'))}


FITS = [
    {"topic": "t" * 200},
    {"topic": "é" * 200},
    {"content": "x" * 100_000},
    {"content": "é" * 50_000},
    {"content": "€" * 33_333},
    {"confidence_score": 0},
    {"confidence_score": 1},
    {"confidence_score": 1.0},
    {"tags": ["t" * 100] * 50},
    {"metadata": metadata_of(16_384)},
    {"metadata": {"NaN": "-Infinity"}},
    {"metadata": {"path": "C:\\u0000", "n": None, "deep": [[[[1]]]]}},
    {"submitter": "s" * 256},
    {"submitter": None},
]
TOO_MUCH = [
    ({"topic": "t" * 201}, "/topic"),
    ({"topic": ""}, "/topic"),
    ({"topic": " \n"}, "/topic"),
    ({"topic": None}, "/topic"),
    ({"content": "x" * 100_001}, "/content"),
    ({"content": "é" * 50_001}, "/content"),
    ({"content": "€" * 33_334}, "/content"),
    ({"content": ""}, "/content"),
    ({"content": "a\x00b"}, "/content"),
    ({"confidence_score": -0.01}, "/confidence_score"),
    ({"confidence_score": 1.01}, "/confidence_score"),
    ({"confidence_score": "0.5"}, "/confidence_score"),
    ({"confidence_score": True}, "/confidence_score"),
    ({"tags": ["t"] * 51}, "/tags"),
    ({"tags": ["t" * 101]}, "/tags/0"),
    ({"tags": ["a", ""]}, "/tags/1"),
    ({"tags": ["a", 1]}, "/tags/1"),
    ({"tags": "a"}, "/tags"),
    ({"metadata": metadata_of(16_385)}, "/metadata"),
    ({"metadata": {"a": ["x\x00"]}}, "/metadata"),
    ({"metadata": {"a\x00": 1}}, "/metadata"),
    ({"metadata": []}, "/metadata"),
    ({"submitter": "s" * 257}, "/submitter"),
    ({"submitter": ""}, "/submitter"),
    ({"state": "approved"}, "/state"),
    ({"id": "ent_mine"}, "/id"),
]


@pytest.mark.parametrize("changes", FITS, ids=lambda one: str(one)[:40])
def test_a_field_at_its_limit_is_taken_and_kept_as_it_is(tmp_path, changes):
    async def scenario(system, http):
        response = await http.post("/v1/entries", json={**ENTRY, **changes})
        assert response.status_code == 202, response.text
        answer = response.json()
        assert answer["state"] == "pending_approval"
        assert (answer["revision"], answer["duplicate"]) == (1, False)
        read = (await http.get(f"/v1/entries/{answer['entry_id']}")).json()
        for name, value in changes.items():
            assert read[name] == (value if value is not None else "key:key_001")

    with_http(tmp_path, scenario)


@pytest.mark.parametrize(("changes", "pointer"), TOO_MUCH, ids=lambda one: str(one)[:40])
def test_a_field_beyond_its_limit_is_422_names_it_and_leaves_nothing(tmp_path, changes, pointer):
    async def scenario(system, http):
        before = await left_behind(system)
        headers = {"Idempotency-Key": "k"}
        response = await http.post("/v1/entries", json={**ENTRY, **changes}, headers=headers)
        assert response.status_code == 422
        assert [one["pointer"] for one in response.json()["errors"]] == [pointer]
        assert await left_behind(system) == before

    with_http(tmp_path, scenario)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["confidence_score", "metadata"])
def test_numbers_that_json_does_not_have_are_refused(tmp_path, field, number):
    async def scenario(system, http):
        fields = {name: json.dumps(value) for name, value in ENTRY.items()}
        fields[field] = number if field == "confidence_score" else f'{{"a": [{number}]}}'
        body = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
        headers = {"Content-Type": "application/json"}
        response = await http.post("/v1/entries", content=body, headers=headers)
        assert response.status_code == 422, response.text
        assert (await left_behind(system))[0] == 0

    with_http(tmp_path, scenario)


# --- duplicates -----------------------------------------------------------------------------------


def test_the_same_content_from_32_tasks_is_one_entry(tmp_path):
    async def scenario(system, http):
        answers = await asyncio.gather(
            *(http.post("/v1/entries", json={**ENTRY, "tags": [str(n)]}) for n in range(32))
        )
        assert {one.status_code for one in answers} == {202}
        told = [one.json() for one in answers]
        assert len({one["entry_id"] for one in told}) == 1
        assert sorted(one["duplicate"] for one in told) == [False] + [True] * 31
        entries, _, _, _, _, _, audits, events, counters = await left_behind(system)
        assert (entries, audits, events) == (1, 1, 1)
        assert counters["review"] == {"pending_approval": 1}

    with_http(tmp_path, scenario)


def test_another_topic_or_workspace_is_another_entry(tmp_path):
    async def scenario(system, http):
        other = await system.client(app, scopes=("submit",), workspace="other")
        first = (await http.post("/v1/entries", json=ENTRY)).json()
        second = (await http.post("/v1/entries", json={**ENTRY, "topic": "x"})).json()
        third = (await other.post("/v1/entries", json=ENTRY)).json()
        assert len({one["entry_id"] for one in (first, second, third)}) == 3
        assert not any(one["duplicate"] for one in (first, second, third))
        assert third["near_duplicates"] == []
        assert (await other.get(f"/v1/entries/{first['entry_id']}")).status_code == 404

    with_http(tmp_path, scenario)


def test_a_near_duplicate_is_named_and_raises_the_risk(tmp_path):
    async def scenario(system, http):
        words = " ".join(f"word{number}" for number in range(200))
        first = (await http.post("/v1/entries", json={**ENTRY, "content": words})).json()
        near = {**ENTRY, "content": f"{words} more"}
        second = (await http.post("/v1/entries", json=near)).json()
        far = {**ENTRY, "content": words[::-1]}
        third = (await http.post("/v1/entries", json=far)).json()
        assert second["near_duplicates"] == [first["entry_id"]]
        assert not second["duplicate"]
        assert third["near_duplicates"] == []
        assert (await http.get(f"/v1/entries/{second['entry_id']}")).json()["risk"] == 0.5
        assert (await http.get(f"/v1/entries/{third['entry_id']}")).json()["risk"] == 0.25

    with_http(tmp_path, scenario)


# --- retries --------------------------------------------------------------------------------------


def test_a_retry_with_the_same_key_is_answered_the_same_and_changes_nothing(tmp_path):
    async def scenario(system, http):
        headers = {"Idempotency-Key": "k" * 255}
        answers = await asyncio.gather(
            *(http.post("/v1/entries", json=ENTRY, headers=headers) for _ in range(8))
        )
        assert len({one.content for one in answers}) == 1
        assert not answers[0].json()["duplicate"]
        replayed = [one.headers.get("idempotent-replayed") for one in answers]
        assert sorted(map(str, replayed)) == ["None"] + ["true"] * 7
        assert (await left_behind(system))[0] == 1

    with_http(tmp_path, scenario)


def test_a_key_with_another_body_is_422_and_with_another_route_another_key(tmp_path):
    async def scenario(system, http):
        headers = {"Idempotency-Key": "k"}
        await http.post("/v1/entries", json=ENTRY, headers=headers)
        before = await left_behind(system)
        changed = {**ENTRY, "topic": "else"}
        response = await http.post("/v1/entries", json=changed, headers=headers)
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"
        assert await left_behind(system) == before
        batch = await http.post("/v1/entries:batch", json={"entries": [changed]}, headers=headers)
        assert batch.json()["accepted"] == 1

    with_http(tmp_path, scenario)


def test_a_key_is_forgotten_after_its_time_and_not_before(tmp_path):
    async def scenario(system, http):
        headers = {"Idempotency-Key": "k"}
        await http.post("/v1/entries", json=ENTRY, headers=headers)
        system.clock.advance(48 * 3600 - 1)
        again = await http.post("/v1/entries", json=ENTRY, headers=headers)
        assert again.headers["idempotent-replayed"] == "true"
        system.clock.advance(1)
        later = await http.post("/v1/entries", json=ENTRY, headers=headers)
        assert "idempotent-replayed" not in later.headers
        assert later.json()["duplicate"]

    with_http(tmp_path, scenario)


def test_a_read_only_workspace_takes_nothing(tmp_path):
    async def scenario(system, http):
        await system.change_settings(read_only=True)
        response = await http.post("/v1/entries", json=ENTRY)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert (await left_behind(system))[0] == 0

    with_http(tmp_path, scenario)


# --- batches --------------------------------------------------------------------------------------


def numbered(count):
    return [{**ENTRY, "content": f"content number {number}"} for number in range(count)]


def test_bad_items_of_a_batch_keep_no_other_out(tmp_path):
    async def scenario(system, http):
        good = numbered(3)
        entries = [good[0], {}, 7, None, {**good[1], "tags": [""]}, good[1], good[0], good[2]]
        response = await http.post("/v1/entries:batch", json={"entries": entries})
        assert response.status_code == 200
        answer = response.json()
        assert [one["index"] for one in answer["items"]] == list(range(8))
        fine = [one["index"] for one in answer["items"] if one["entry"]]
        assert fine == [0, 5, 6, 7]
        assert (answer["accepted"], answer["failed"]) == (4, 4)
        assert answer["items"][6]["entry"]["duplicate"]
        no_object = answer["items"][2]["problem"]
        assert no_object["errors"] == [{"pointer": "", "detail": "Input should be an object"}]
        problem = answer["items"][4]["problem"]
        assert problem["code"] == "invalid_input"
        assert problem["errors"][0]["pointer"] == "/tags/0"
        assert (await left_behind(system))[0] == 3

    with_http(tmp_path, scenario)


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1, 200), (500, 200), (501, 422)])
def test_a_batch_has_1_to_500_items(tmp_path, count, status):
    async def scenario(system, http):
        response = await http.post("/v1/entries:batch", json={"entries": numbered(count)})
        assert response.status_code == status
        assert (await left_behind(system))[0] == (count if status == 200 else 0)

    with_http(tmp_path, scenario)


def test_a_batch_that_was_cut_goes_on_where_it_stopped(tmp_path):
    async def scenario(system, http):
        headers = {"Idempotency-Key": "k"}
        plain, left = system.store.transact, 8  # the batch's key, and seven items

        async def failing(workspace, run):
            nonlocal left
            if left == 0:
                raise Unavailable("the store cannot write now; try again")
            left -= 1
            return await plain(workspace, run)

        system.store.transact = failing
        body = {"entries": numbered(20)}
        cut = (await http.post("/v1/entries:batch", json=body, headers=headers)).json()
        assert (cut["accepted"], cut["failed"]) == (7, 13)
        assert {one["problem"]["code"] for one in cut["items"][7:]} == {"unavailable"}
        system.store.transact = plain
        whole = (await http.post("/v1/entries:batch", json=body, headers=headers)).json()
        assert whole["accepted"] == 20
        assert whole["items"][:7] == cut["items"][:7]
        assert not any(one["entry"]["duplicate"] for one in whole["items"])
        entries, *_, audits, events, _ = await left_behind(system)
        assert (entries, audits, events) == (20, 20, 20)

    with_http(tmp_path, scenario)


def test_a_key_with_another_batch_is_422_and_none_of_its_items_is_taken(tmp_path):
    async def scenario(system, http):
        headers = {"Idempotency-Key": "k"}
        entries = numbered(5)
        first = {"entries": [entries[0], {}]}
        once = await http.post("/v1/entries:batch", json=first, headers=headers)
        before = await left_behind(system)
        other = {"entries": entries[1:]}
        response = await http.post("/v1/entries:batch", json=other, headers=headers)
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"
        assert await left_behind(system) == before
        again = await http.post("/v1/entries:batch", json=first, headers=headers)
        assert again.json() == once.json()

    with_http(tmp_path, scenario)


def test_a_repeated_batch_says_that_it_was_answered_before_also_where_an_item_is_refused(tmp_path):
    async def scenario(system, http):
        for name, entries in (("k", numbered(2)), ("l", [{}, *numbered(1)])):
            headers, body = {"Idempotency-Key": name}, {"entries": entries}
            first = await http.post("/v1/entries:batch", json=body, headers=headers)
            again = await http.post("/v1/entries:batch", json=body, headers=headers)
            assert "idempotent-replayed" not in first.headers
            assert again.headers["idempotent-replayed"] == "true"
            assert again.json() == first.json()

    with_http(tmp_path, scenario)


def test_a_read_only_workspace_refuses_a_batch_as_a_whole(tmp_path):
    async def scenario(system, http):
        await system.change_settings(read_only=True)
        headers = {"Idempotency-Key": "k"}
        response = await http.post(
            "/v1/entries:batch", json={"entries": numbered(2)}, headers=headers
        )
        assert response.status_code == 503
        assert (await left_behind(system))[0] == 0

    with_http(tmp_path, scenario)


# --- recommendations ------------------------------------------------------------------------------


def test_an_agent_has_so_many_types_of_recommendations_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(recommending, "MOST_TYPES", 2)
    body = {
        "agent_id": "prices",
        "agent_name": "Prices",
        "correlation_id": "c",
        "workflow_id": "w",
        "content": "Offer 10 %.",
        "confidence_score": 0.8,
    }

    async def scenario(system, http):
        answers = [
            await http.post("/v1/recommendations", json={**body, "recommendation_type": kind})
            for kind in ("discount", "bundle", "renewal", "bundle")
        ]
        assert [one.status_code for one in answers] == [202, 202, 422, 202]
        assert answers[2].json()["errors"][0]["pointer"] == "/recommendation_type"
        agent = await system.store.get(WORKSPACE, AGENTS, "prices")
        assert agent.recommendation_types == ["bundle", "discount"]

    with_http(tmp_path, scenario)


def test_a_recommendation_is_kept_and_makes_its_agent_known(tmp_path):
    async def scenario(system, http):
        body = {
            "agent_id": "pricing",
            "agent_name": "Pricing",
            "correlation_id": "case",
            "workflow_id": "wf",
            "recommendation_type": "discount",
            "content": "Offer 10 %.",
            "confidence_score": 0.8,
            "reasoning": "Others did.",
        }
        first = await http.post("/v1/recommendations", json=body)
        other = {**body, "recommendation_type": "bundle", "agent_name": "Prices"}
        second = await http.post("/v1/recommendations", json=other)
        assert [first.status_code, second.status_code] == [202, 202]
        agent = await system.store.get(WORKSPACE, AGENTS, "pricing")
        assert (agent.name, agent.recommendation_types) == ("Prices", ["bundle", "discount"])
        found = await system.store.get(
            WORKSPACE, RECOMMENDATIONS, first.json()["recommendation_id"]
        )
        assert found.model_dump(include=set(body)) == body
        assert found.status is None
        bad = await http.post("/v1/recommendations", json={**body, "confidence_score": 2})
        assert bad.status_code == 422

    with_http(tmp_path, scenario)


# --- rubbish --------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
FIELDS = [*ENTRY, "tags", "metadata", "submitter", "unknown"]
NEARLY = st.builds(
    lambda changes: {**ENTRY, **changes},
    st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, min_size=1, max_size=3),
)
BODIES = st.binary(max_size=60) | (NEARLY | JSON_VALUES).map(lambda one: json.dumps(one).encode())


@given(bodies=st.lists(BODIES, min_size=1, max_size=25), batch=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_rubbish_is_refused_and_leaves_nothing_or_taken_whole(tmp_path_factory, bodies, batch):
    async def scenario(system, http):
        path = "/v1/entries:batch" if batch else "/v1/entries"
        for body in bodies:
            before = await left_behind(system)
            sent = b'{"entries": [' + body + b"]}" if batch else body
            headers = {"Content-Type": "application/json", "Idempotency-Key": "k" * 9}
            if not before[5]:
                response = await http.post(path, content=sent, headers=headers)
            else:
                response = await http.post(path, content=sent, headers=JSON_ONLY)
            assert response.status_code < 500, body
            if response.status_code >= 400:
                assert response.headers["content-type"] == "application/problem+json"
                assert await left_behind(system) == before, body

    with_http(tmp_path_factory.mktemp("rubbish"), scenario)


JSON_ONLY = {"Content-Type": "application/json"}
