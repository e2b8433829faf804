"""What providers send, in all the shapes seen and some that were not."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.provider_openai_reading import Answer, EventLines, read_answer, read_json
from shared.errors import Unavailable
from shared.ports import ChatMessage, Completion, CompletionRequest

REQUEST = CompletionRequest("m", (ChatMessage("user", "12345678"), ChatMessage("user", "9")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "usage", "prompt_tokens", "error"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def feed(*pieces: bytes, limit_bytes: int = 10_000) -> list[str]:
    lines = EventLines("p", limit_bytes)
    return [event for piece in pieces for event in lines.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_do_not_depend_on_how_the_bytes_were_cut(size):
    text = 'data: {"a": "ü🦊"}\n\ndata:two\r\n\r\n: note\nevent: x\nid: 3\n\ndata: [DONE]\n\n'
    data = text.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert feed(*pieces) == ['{"a": "ü🦊"}', "two", "[DONE]"]


def test_a_unicode_line_separator_is_text():
    assert feed('data: "a\u2028b\x85c"\n'.encode()) == ['"a\u2028b\x85c"']


def test_an_unfinished_line_is_no_event():
    assert feed(b"data: one\ndata: tw") == ["one"]


def test_too_long_a_stream_is_unavailable():
    assert feed(b"data: 12\n", limit_bytes=9) == ["12"]
    with pytest.raises(Unavailable, match="too long"):
        feed(b"data: 12\n", b"x", limit_bytes=9)


def test_bytes_that_are_no_text_are_unavailable():
    with pytest.raises(Unavailable, match="cannot be read"):
        feed(b"data: \xff\n")


@pytest.mark.parametrize("data", ["", "{", "[]", "null", '"x"', "[" * 100_000, b"\xff", b'{"a": 1'])
def test_what_is_no_json_object_is_unavailable(data):
    with pytest.raises(Unavailable, match="p sent an answer"):
        read_json("p", data)


def answer(**more: object) -> dict[str, object]:
    choice = {"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}, **more}


def read(body: object) -> Completion:
    return read_answer("p", json.dumps(body).encode(), REQUEST)


def test_an_answer_is_read():
    assert read(answer()) == Completion("hello", "stop", 7, 2)


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, [], "many", {"prompt_tokens": 7}, {"prompt_tokens": 7, "completion_tokens": None},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": 7.5, "completion_tokens": 2},
        {"prompt_tokens": True, "completion_tokens": 2},
        {"prompt_tokens": 7, "completion_tokens": 10**7 + 1},
    ],
)  # fmt: skip
def test_usage_that_is_none_is_estimated(usage):
    assert read(answer(usage=usage)) == Completion("hello", "stop", 3, 2, estimated=True)


@pytest.mark.parametrize(
    "choices",
    [
        None, [], {}, ["x"], [None], [{}], [{"message": None}], [{"message": "x"}],
        [{"message": {"content": 5}}], [{"message": {"content": ["x"]}}],
    ],
)  # fmt: skip
def test_an_answer_without_its_text_is_unavailable(choices):
    with pytest.raises(Unavailable, match="cannot be read"):
        read(answer(choices=choices))


def test_an_answer_may_be_silent():
    silent = [{"message": {"content": None}, "finish_reason": "content_filter"}]
    assert read(answer(choices=silent)).text == ""
    assert read(answer(choices=silent)).finish_reason == "content_filter"


def test_a_missing_reason_is_unknown():
    assert read(answer(choices=[{"message": {"content": "x"}}])).finish_reason == "unknown"


def chunk(text: str | None, reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": reason}]}


def test_a_streamed_answer_grows():
    grown = Answer("p", REQUEST)
    events = [chunk(""), chunk("hel"), chunk("lo"), chunk(None, "length"), {"choices": []}]
    assert [grown.add(event) for event in events] == ["", "hel", "lo", "", ""]
    grown.add({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    assert grown.completion() == Completion("hello", "length", 1, 2)


def test_a_usage_that_is_sent_with_every_piece_counts_at_its_last():
    grown = Answer("p", REQUEST)
    for count in range(3):
        usage = {"prompt_tokens": 1, "completion_tokens": count}
        grown.add({**chunk("x", "stop"), "usage": usage})
    assert grown.completion().output_tokens == 2


def test_a_stream_is_whole_with_a_reason_or_with_its_end_mark():
    grown = Answer("p", REQUEST)
    grown.add(chunk("x"))
    with pytest.raises(Unavailable, match="broke off"):
        grown.completion()
    grown.complete = True
    assert grown.completion() == Completion("x", "unknown", 3, 1, estimated=True)
    finished = Answer("p", REQUEST)
    finished.add(chunk("x", "stop"))
    assert finished.completion().finish_reason == "stop"


@pytest.mark.parametrize(
    "event",
    [{"error": {"message": "x"}}, {"error": "x"}, {"choices": 5}, {"choices": ["x"]},
     {"choices": [{"delta": {"content": 5}}]}],
)  # fmt: skip
def test_an_event_that_is_an_error_or_unknown_is_unavailable(event):
    with pytest.raises(Unavailable):
        Answer("p", REQUEST).add(event)


@pytest.mark.parametrize("delta", [None, {}, "x", {"role": "assistant"}, {"tool_calls": []}])
def test_a_piece_without_text_brings_none(delta):
    assert Answer("p", REQUEST).add({"choices": [{"delta": delta}]}) == ""


@given(body=JSON)
def test_any_json_is_read_or_unavailable(body):
    data = json.dumps(body).encode()
    with suppress(Unavailable):
        assert isinstance(read_answer("p", data, REQUEST), Completion)


@given(body=JSON)
def test_any_event_is_read_or_unavailable(body):
    with suppress(Unavailable):
        assert isinstance(Answer("p", REQUEST).add(read_json("p", json.dumps(body))), str)
