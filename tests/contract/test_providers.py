"""The contract of the completion provider, against a server that speaks the protocol."""

import asyncio
import logging
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared.adapters.provider_openai import OpenAIProvider
from shared.errors import InvalidInput, Unavailable
from shared.ports import ChatMessage, Completion, CompletionChunk, CompletionRequest
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.openai_server import Fault, OpenAIServer, plain_answer

KEY = "sk-s3cr3t-key"
REQUEST = CompletionRequest(
    "small", (ChatMessage("system", "Be brief."), ChatMessage("user", "Why s3cr3t caches?"))
)
MESSAGES = [{"role": turn.role, "content": turn.content} for turn in REQUEST.messages]
ANSWER = plain_answer("small", MESSAGES)
WHOLE = Completion(ANSWER, "stop", 5, len(ANSWER.split()))


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


def complete(
    url: str, request: CompletionRequest = REQUEST, timeout_s: float = 5.0, key: str = KEY
) -> Completion:
    async def ask() -> Completion:
        provider = OpenAIProvider("local", url, key)
        try:
            return await provider.complete(request, timeout_s=timeout_s)
        finally:
            await provider.close()

    return asyncio.run(ask())


async def stream_all(
    url: str, request: CompletionRequest, timeout_s: float
) -> list[CompletionChunk]:
    provider = OpenAIProvider("local", url, KEY)
    try:
        return [chunk async for chunk in provider.stream(request, timeout_s=timeout_s)]
    finally:
        await provider.close()


def stream(url: str, request: CompletionRequest = REQUEST, timeout_s: float = 5.0) -> Completion:
    """Returns what a stream ends with, having checked that its pieces make up the whole."""
    *pieces, last = asyncio.run(stream_all(url, request, timeout_s))
    assert last.completion is not None
    assert all(piece.completion is None and piece.text for piece in pieces)
    assert "".join(piece.text for piece in pieces) == last.completion.text
    return last.completion


BOTH_WAYS = pytest.mark.parametrize("ask", [complete, stream])


@contextmanager
def nothing_leaks(caplog: pytest.LogCaptureFixture, error: type[Exception]) -> Iterator[None]:
    """Expects `error`, and neither key nor prompt in it, in its traceback or in any log."""
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as caught:
        yield
    traceback_text = "".join(traceback.format_exception(caught.value))
    for text in (str(caught.value), repr(caught.value), traceback_text, caplog.text):
        assert "s3cr3t" not in text
    assert "local" in str(caught.value)


@BOTH_WAYS
def test_the_answer_comes_whole_with_the_providers_usage(server, ask):
    assert ask(server.base_url) == WHOLE


def test_a_stream_comes_in_pieces(server):
    chunks = asyncio.run(stream_all(server.base_url, REQUEST, 5.0))
    assert len(chunks) == len(ANSWER.split()) + 1


@BOTH_WAYS
def test_the_request_follows_the_protocol(server, ask):
    request = CompletionRequest("small", REQUEST.messages, {"temperature": 0.5, "stop": ["x"]})
    ask(server.base_url, request)
    (received,) = server.received
    assert received.path == "/v1/chat/completions"
    assert received.headers["Authorization"] == f"Bearer {KEY}"
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    assert received.body == {
        "model": "small",
        "messages": MESSAGES,
        "temperature": 0.5,
        "stop": ["x"],
        **(streaming if ask is stream else {"stream": False}),
    }


def test_options_do_not_replace_model_messages_or_stream(server):
    options = {"model": "big", "messages": "none", "stream": 1}
    assert complete(server.base_url, CompletionRequest("small", REQUEST.messages, options)) == WHOLE


def test_without_a_key_no_authorization_is_sent(server):
    complete(server.base_url, key="")
    assert "Authorization" not in server.received[0].headers


def test_a_slash_at_the_end_of_the_base_url_does_not_matter(server):
    assert complete(server.base_url + "/") == WHOLE


UNAVAILABLE = [
    Fault.SERVER_ERROR,
    Fault.RATE_LIMITED,
    Fault.UNAUTHORIZED,
    Fault.DROP,
    Fault.DROP_MIDWAY,
    Fault.MALFORMED,
    Fault.ERROR_EVENT,
]


@BOTH_WAYS
@pytest.mark.parametrize("fault", UNAVAILABLE)
def test_what_another_model_may_do_better_is_unavailable(server, ask, fault, caplog):
    server.break_with(fault)
    with nothing_leaks(caplog, Unavailable):
        ask(server.base_url)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.BAD_REQUEST, "400"), (Fault.UNKNOWN_MODEL, r"404 \(model_not_found\)")],
)
def test_a_request_that_the_provider_refuses_is_invalid(server, ask, fault, code, caplog):
    server.break_with(fault)
    with nothing_leaks(caplog, InvalidInput):
        ask(server.base_url)
    with pytest.raises(InvalidInput, match=code):
        ask(server.base_url)


@BOTH_WAYS
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HANG_MIDWAY, Fault.SLOW_TOKENS])
def test_the_deadline_holds_for_the_whole_answer(ask, fault, caplog):
    with OpenAIServer(token_delay_s=0.03) as server:
        server.break_with(fault)
        with nothing_leaks(caplog, Unavailable):
            ask(server.base_url, timeout_s=0.15)


@BOTH_WAYS
def test_slow_tokens_within_the_deadline_are_an_answer(ask):
    with OpenAIServer(token_delay_s=0.001) as server:
        server.break_with(Fault.SLOW_TOKENS)
        assert ask(server.base_url) == WHOLE


@BOTH_WAYS
def test_missing_usage_is_estimated_at_four_characters_a_token(server, ask):
    server.break_with(Fault.NO_USAGE)
    asked = len("Be brief." + "Why s3cr3t caches?")
    assert ask(server.base_url) == Completion(
        ANSWER, "stop", -(-asked // 4), -(-len(ANSWER) // 4), estimated=True
    )


def test_a_stream_without_its_end_broke_off(server):
    server.break_with(Fault.NO_END)
    with pytest.raises(Unavailable, match="broke off"):
        stream(server.base_url)


def test_a_stream_that_breaks_off_has_given_its_pieces_first(server):
    async def collect() -> tuple[list[str], Exception]:
        provider, pieces = OpenAIProvider("local", server.base_url, KEY), []
        try:
            async for chunk in provider.stream(REQUEST, timeout_s=5.0):
                pieces += [chunk.text]
        except Unavailable as error:
            return pieces, error
        finally:
            await provider.close()
        raise AssertionError(pieces)

    server.break_with(Fault.ERROR_EVENT)
    pieces, error = asyncio.run(collect())
    assert "".join(pieces) == " ".join(ANSWER.split()[:2])
    assert "error" in str(error)


def test_a_stream_may_be_left_early(server):
    async def leave() -> str:
        provider = OpenAIProvider("local", server.base_url, KEY)
        chunks = provider.stream(REQUEST, timeout_s=5.0)
        first = await anext(chunks)
        await chunks.aclose()
        again = await provider.complete(REQUEST, timeout_s=5.0)
        await provider.close()
        assert again == WHOLE
        return first.text

    assert asyncio.run(leave()) == "small:"


def test_a_slow_reader_is_not_interrupted_outside_the_stream(server):
    """The deadline must end the stream, not whatever its reader does between two pieces."""

    async def read_slowly() -> list[str]:
        provider, seen = OpenAIProvider("local", server.base_url, KEY), []
        try:
            async for chunk in provider.stream(REQUEST, timeout_s=0.3):
                seen.append(chunk.text)
                if len(seen) == 1:
                    await asyncio.sleep(0.4)  # beyond the deadline: only time itself can show this
                    seen.append("undisturbed")
        except Unavailable:
            seen.append("late")
        await provider.close()
        return seen

    server.break_with(Fault.HANG_MIDWAY)
    seen = asyncio.run(read_slowly())
    assert seen[1] == "undisturbed"
    assert seen[-1] == "late"


@BOTH_WAYS
def test_nobody_listening_is_unavailable(ask, caplog):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with nothing_leaks(caplog, Unavailable):
        ask(f"http://127.0.0.1:{port}/v1")


def test_faults_can_be_for_one_model_and_a_number_of_times(server):
    server.break_with(Fault.SERVER_ERROR, model="small", times=2)
    for _ in range(2):
        with pytest.raises(Unavailable, match="500"):
            complete(server.base_url)
    assert complete(server.base_url) == WHOLE
    server.break_with(Fault.SERVER_ERROR, model="big")
    assert complete(server.base_url) == WHOLE
    server.break_with(Fault.SERVER_ERROR)
    server.heal()
    assert complete(server.base_url) == WHOLE


def test_many_requests_at_once_share_a_provider(server):
    async def ask_many() -> list[Completion]:
        provider = OpenAIProvider("local", server.base_url, KEY)
        asked = (provider.complete(REQUEST, timeout_s=5.0) for _ in range(20))
        answers = await asyncio.gather(*asked)
        await provider.close()
        return answers

    assert asyncio.run(ask_many()) == [WHOLE] * 20


def test_success_says_nothing_of_key_or_prompt(server, caplog):
    provider = OpenAIProvider("local", server.base_url, KEY)
    with caplog.at_level(logging.DEBUG):
        complete(server.base_url)
    assert "s3cr3t" not in caplog.text + repr(provider) + str(provider)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:80", "file:///etc/passwd", "http://", "http://a b/v1"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InvalidInput, match="address of the provider local"):
        OpenAIProvider("local", url, KEY)


@pytest.mark.parametrize("key", ["s3cr3t\r\nX: y", "s3cr3t\x00", "ключ"])
def test_a_key_that_no_header_can_hold_is_refused_without_quoting_it(key):
    with pytest.raises(InvalidInput) as caught:
        OpenAIProvider("local", "http://127.0.0.1:1", key)
    assert key not in str(caught.value)


@BOTH_WAYS
def test_an_error_that_cannot_be_read_is_known_by_its_status(ask, caplog):
    with HttpReceiver() as receiver:
        receiver.status = 503
        with nothing_leaks(caplog, Unavailable):
            ask(receiver.url)
        receiver.status = 400
        with nothing_leaks(caplog, InvalidInput):
            ask(receiver.url)


@BOTH_WAYS
def test_an_answer_without_end_is_not_read_to_the_end(ask, monkeypatch):
    monkeypatch.setattr("shared.adapters.provider_openai._MAX_ANSWER_BYTES", 5000)
    with (
        OpenAIServer(lambda *_: "word " * 2000) as server,
        pytest.raises(Unavailable, match="answer"),
    ):
        ask(server.base_url)


def test_a_provider_works_on_another_event_loop(server):
    provider = OpenAIProvider("local", server.base_url, KEY)

    async def ask() -> Completion:
        answer = await provider.complete(REQUEST, timeout_s=5.0)
        await provider.close()
        return answer

    assert [asyncio.run(ask()), asyncio.run(ask())] == [WHOLE, WHOLE]
