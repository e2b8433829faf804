"""Vertex AI's embedder against a local server that speaks its API, well and badly."""

import asyncio
import json
import math

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.adapters.embedder_vertex import Backoff, VertexEmbedder
from shared.adapters.google_token import GoogleToken
from shared.errors import InvalidInput, Unavailable
from tests.fakes.vertex_server import Fault, VertexServer
from tests.fakes.word_embedder import word_vector

PASSING = [Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.AWAY, Fault.DROP]
UNREADABLE = [
    Fault.NO_JSON,
    Fault.NO_PREDICTIONS,
    Fault.WRONG_DIMS,
    Fault.TOO_FEW,
    Fault.NOT_FINITE,
    Fault.ALL_ZERO,
]


class FixedToken:
    """Tokens that count up when the last was refused."""

    def __init__(self):
        self.renewals = 0

    async def get(self, *, renewed=False):
        self.renewals += renewed
        return f"t{self.renewals}"


@pytest.fixture
def server():
    with VertexServer() as made:
        yield made


def embedder(server, **how):
    fields = {"dims": 16, "token": FixedToken(), "backoff": Backoff(4, 0.001), **how}
    return VertexEmbedder("proj", "europe-west1", base_url=server.url, **fields)


def embed(one, texts, *, kind="document", timeout_s=20.0):
    async def work():
        try:
            return await one.embed(texts, kind=kind, timeout_s=timeout_s)
        finally:
            await one.close()

    return asyncio.run(work())


def test_each_text_gets_a_vector_of_length_1_in_order(server):
    found = embed(embedder(server), ["red green", "blue"])
    assert [one.model for one in found] == ["text-embedding-005-16"] * 2
    for text, one in zip(["red green", "blue"], found, strict=True):
        assert math.hypot(*one.vector) == pytest.approx(1)
        assert one.vector == pytest.approx(word_vector(text, 16))


def test_no_texts_ask_nothing(server):
    assert embed(embedder(server), []) == []
    assert server.state.requests == []


@pytest.mark.parametrize(
    ("kind", "task"), [("document", "RETRIEVAL_DOCUMENT"), ("query", "RETRIEVAL_QUERY")]
)
def test_the_request_is_the_services(server, kind, task):
    embed(embedder(server), ["a text"], kind=kind)
    [request] = server.state.requests
    assert request["path"] == (
        "/v1/projects/proj/locations/europe-west1/publishers/google/models"
        "/text-embedding-005:predict"
    )
    assert request["authorization"] == "Bearer t0"
    assert request["body"] == {
        "instances": [{"content": "a text", "task_type": task}],
        "parameters": {"autoTruncate": True, "outputDimensionality": 16},
    }


def test_the_address_is_the_regions_or_the_global_one():
    assert VertexEmbedder("p", "us-central1")._url.startswith(
        "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/"
    )
    assert VertexEmbedder("p", "global")._url.startswith(
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/"
    )
    with pytest.raises(InvalidInput):
        VertexEmbedder("p", "r", base_url="ftp://elsewhere")


def test_a_request_holds_no_more_texts_than_the_model_takes(server):
    found = embed(embedder(server), [f"text {number}" for number in range(251)])
    assert sorted(len(body["instances"]) for body in server.bodies) == [1, 250]
    assert found[250].vector == pytest.approx(word_vector("text 250", 16))


def test_a_gemini_model_gets_one_text_a_request(server):
    found = embed(embedder(server, name="gemini-embedding-001"), ["a", "b", "c"])
    assert [len(body["instances"]) for body in server.bodies] == [1, 1, 1]
    assert [one.model for one in found] == ["gemini-embedding-001-16"] * 3
    assert [one.vector for one in found] == [
        pytest.approx(word_vector(text, 16)) for text in ("a", "b", "c")
    ]


def test_long_texts_are_cut_and_spread_over_requests(server):
    texts = [f"{number} " + "word " * 5000 for number in range(6)]
    assert len(embed(embedder(server), texts)) == 6
    assert len(server.bodies) > 1
    sent = [one["content"] for body in server.bodies for one in body["instances"]]
    assert all(len(text) == 12_000 for text in sent)


def test_a_request_with_too_many_tokens_is_split_until_it_fits(server):
    server.state.max_words = 5
    texts = ["one two", "three", "four five six", "seven", "eight nine"]
    found = embed(embedder(server), texts)
    assert [one.vector for one in found] == [pytest.approx(word_vector(text, 16)) for text in texts]
    assert len(server.bodies) > 1


def test_a_text_that_the_model_refuses_is_invalid_input(server):
    for texts in (["refuse this"], ["fine", "refuse this", "fine too"]):
        with pytest.raises(InvalidInput, match="refuses the text"):
            embed(embedder(server), texts)


def test_a_text_that_utf_8_cannot_carry_is_embedded_all_the_same(server):
    assert len(embed(embedder(server), ["lone \ud800 surrogate"])) == 1
    assert server.bodies[0]["instances"][0]["content"] == "lone ? surrogate"


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_tried_again(server, fault):
    server.break_with(fault, fault, fault)
    assert len(embed(embedder(server), ["text"])) == 1
    assert len(server.state.requests) == 4


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_stays_is_unavailable_after_the_last_try(server, fault):
    server.break_with(forever=fault)
    with pytest.raises(Unavailable, match="answered") as caught:
        embed(embedder(server), ["my secret text"])
    assert len(server.state.requests) == 4
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize("fault", [Fault.FORBIDDEN, Fault.UNKNOWN_MODEL])
def test_what_no_retry_can_mend_is_unavailable_at_once(server, fault):
    server.break_with(forever=fault)
    with pytest.raises(Unavailable, match=fault.value):
        embed(embedder(server), ["text"])
    assert len(server.state.requests) == 1


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_answer_that_is_no_answer_is_unavailable(server, fault):
    server.break_with(forever=fault)
    with pytest.raises(Unavailable, match="sent"):
        embed(embedder(server), ["text", "other"])
    assert len(server.state.requests) == 1


def test_a_refused_token_is_renewed_once(server):
    server.break_with(Fault.EXPIRED)
    token = FixedToken()
    assert len(embed(embedder(server, token=token), ["text"])) == 1
    assert [one["authorization"] for one in server.state.requests] == ["Bearer t0", "Bearer t1"]
    server.break_with(forever=Fault.EXPIRED)
    with pytest.raises(Unavailable, match="401"):
        embed(embedder(server), ["text"])
    assert len(server.state.requests) == 4


def test_a_service_that_hangs_ends_with_the_time_given(server):
    server.break_with(forever=Fault.HANG)
    with pytest.raises(Unavailable, match="in time"):
        embed(embedder(server), ["text"], timeout_s=0.2)


def test_waits_between_tries_end_with_the_time_given(server):
    server.break_with(forever=Fault.RATE_LIMITED)
    patient = embedder(server, backoff=Backoff(attempts=1_000_000, first_s=0.001))
    with pytest.raises(Unavailable, match="in time"):
        embed(patient, ["text"], timeout_s=0.3)


def test_one_failed_request_ends_the_others(server):
    server.break_with(Fault.FORBIDDEN, forever=Fault.HANG)

    async def work():
        one = embedder(server, name="gemini-embedding-001")
        with pytest.raises(Unavailable, match="403"):
            await one.embed(["a", "b", "c"], kind="document", timeout_s=600)
        left = asyncio.all_tasks()
        await one.close()
        return len(left)

    assert asyncio.run(work()) == 1


def test_nobody_there_is_unavailable():
    with VertexServer() as gone:
        pass
    with pytest.raises(Unavailable):
        embed(embedder(gone), ["text"])


def test_an_embedder_serves_one_event_loop_after_another(server):
    one = embedder(server)
    assert len(embed(one, ["a"])) == len(embed(one, ["b"])) == 1


# --- the account's token --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def account(server, private_key, tmp_path, monkeypatch):
    """A service account whose tokens come from the local server."""
    path = tmp_path / "account.json"
    fields = {
        "type": "service_account",
        "project_id": "proj",
        "private_key_id": "k1",
        "private_key": private_key,
        "client_email": "whetstone@proj.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{server.url}/token",
    }
    path.write_text(json.dumps(fields))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return path


def test_the_accounts_token_is_fetched_once_and_kept(server, account):
    one = embedder(server, token=GoogleToken())
    embed(one, ["a"])
    embed(one, ["b"])
    assert server.state.tokens == ["token-1"]
    assert {request["authorization"] for request in server.state.requests} == {"Bearer token-1"}


def test_a_token_that_the_service_refuses_is_fetched_anew(server, account):
    server.break_with(Fault.EXPIRED)
    embed(embedder(server, token=GoogleToken()), ["a"])
    assert server.state.tokens == ["token-1", "token-2"]
    assert server.state.requests[-1]["authorization"] == "Bearer token-2"


def test_many_calls_at_once_fetch_one_token(server, account):
    async def work():
        token = GoogleToken()
        return await asyncio.gather(*(token.get() for _ in range(10)))

    assert set(asyncio.run(work())) == {"token-1"}
    assert server.state.tokens == ["token-1"]


def test_an_account_without_credentials_is_unavailable(server, account):
    account.write_text("{}")
    with pytest.raises(Unavailable, match="no access token"):
        embed(embedder(server, token=GoogleToken()), ["a"])
