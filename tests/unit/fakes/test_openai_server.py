"""The chat server that other tests and the demo rely on, as a plain HTTP client sees it."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.openai_server import OpenAIServer, plain_answer

MESSAGES = [{"role": "user", "content": "one two three"}]


def post(base_url: str, body: object, path: str = "/v1/chat/completions") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=5)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_equal_questions_get_equal_answers_and_others_do_not():
    assert plain_answer("m", MESSAGES) == plain_answer("m", MESSAGES)
    assert plain_answer("m", MESSAGES) != plain_answer("other", MESSAGES)


def test_an_answer_can_be_made_by_a_function():
    with OpenAIServer(lambda model, messages: f"{model} says {len(messages)}") as server:
        status, data = post(server.base_url, {"model": "m", "messages": MESSAGES})
    answer = json.loads(data)
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "m says 1"
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}


def test_a_stream_without_the_option_has_no_usage():
    with OpenAIServer() as server:
        _, data = post(server.base_url, {"model": "m", "messages": MESSAGES, "stream": True})
    assert b'"usage"' not in data
    assert data.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("body", [{}, [], "x", {"model": "m"}])
def test_a_bad_request_is_400(body):
    with OpenAIServer() as server:
        assert post(server.base_url, body)[0] == 400


def test_another_path_is_404():
    with OpenAIServer() as server:
        body = {"model": "m", "messages": MESSAGES}
        assert post(server.base_url, body, "/v1/other")[0] == 404


def test_it_can_be_run_by_hand():
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.openai_server", "--port=0", "--fault=rate_limited"],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        base_url = process.stdout.readline().removeprefix("serving ").strip()
        assert post(base_url, {"model": "m", "messages": MESSAGES})[0] == 429
    finally:
        process.terminate()
        process.communicate(timeout=5)
