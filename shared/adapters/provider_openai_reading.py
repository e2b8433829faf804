"""Reading what an OpenAI-compatible provider sends, strict where it matters.

What has no text where the text belongs is unreadable; usage is optional and estimated where it is
missing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.models import CHARACTERS_PER_TOKEN, MAX_TOKENS
from shared.errors import Unavailable
from shared.ports import Completion, CompletionRequest

_UNKNOWN_REASON = "unknown"


class EventLines:
    """Splits a stream of server-sent events into their data.

    By bytes, at line feeds: a line separator of Unicode inside the JSON is text. Comments and other
    fields are skipped.

    Args:
        who: the sender, for messages.
        limit_bytes: how long the whole stream may be.
    """

    def __init__(self, who: str, limit_bytes: int) -> None:
        self._who = who
        self._left_bytes = limit_bytes
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yields the data of each event line that `piece` completes.

        Raises:
            Unavailable: the stream is too long, or not UTF-8.
        """
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise Unavailable(f"{self._who} sent too long an answer")
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield self._text(line.removeprefix(b"data:").strip())

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise _unreadable(self._who) from None


class Answer:
    """A streamed answer as it grows.

    Args:
        who: the sender, for messages.
        request: what was asked, to estimate its tokens.
    """

    def __init__(self, who: str, request: CompletionRequest) -> None:
        self.complete = False
        self._who = who
        self._request = request
        self._texts: list[str] = []
        self._finish_reason: str | None = None
        self._usage: Any = None

    def add(self, event: Mapping[str, Any]) -> str:
        """Takes in one event and returns the text that it brought, often none.

        Raises:
            Unavailable: the event is an error or has no known shape.
        """
        if event.get("error"):
            raise Unavailable(f"{self._who} broke off its answer with an error")
        self._usage = event.get("usage") or self._usage
        if not event.get("choices"):
            return ""
        choice = _first_choice(self._who, event)
        delta = choice.get("delta")
        text = (delta.get("content") or "") if isinstance(delta, dict) else ""
        if not isinstance(text, str):
            raise _unreadable(self._who)
        self._finish_reason = _reason(choice) or self._finish_reason
        self._texts.append(text)
        return text

    def completion(self) -> Completion:
        """Returns the whole.

        Raises:
            Unavailable: the stream ended without a reason to finish and without its end mark.
        """
        if not self.complete and self._finish_reason is None:
            raise Unavailable(f"{self._who} broke off its answer")
        text = "".join(self._texts)
        return _completion(self._request, text, self._finish_reason, self._usage)


def read_answer(who: str, data: bytes, request: CompletionRequest) -> Completion:
    """Returns the completion in the body of an answer that was not streamed.

    Raises:
        Unavailable: it cannot be read.
    """
    body = read_json(who, data)
    choice = _first_choice(who, body)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _unreadable(who)
    text = message.get("content", "")
    if text is not None and not isinstance(text, str):
        raise _unreadable(who)
    return _completion(request, text or "", _reason(choice), body.get("usage"))


def read_json(who: str, data: bytes | str) -> dict[str, Any]:
    """Returns a JSON object.

    Raises:
        Unavailable: `data` is none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _unreadable(who) from None
    if not isinstance(value, dict):
        raise _unreadable(who)
    return value


def _first_choice(who: str, body: Mapping[str, Any]) -> dict[str, Any]:
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _unreadable(who)
    return choices[0]


def _reason(choice: Mapping[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    return reason if isinstance(reason, str) and reason else None


def _completion(
    request: CompletionRequest, text: str, finish_reason: str | None, usage: object
) -> Completion:
    counts = _counts(usage)
    estimated = counts is None
    if counts is None:
        asked = sum(len(turn.content) for turn in request.messages)
        counts = (_tokens(asked), _tokens(len(text)))
    return Completion(text, finish_reason or _UNKNOWN_REASON, *counts, estimated=estimated)


def _counts(usage: object) -> tuple[int, int] | None:
    """Returns the provider's own counts, None where either is missing or cannot be true."""
    if not isinstance(usage, dict):
        return None
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(given) is not int or type(made) is not int:
        return None
    return (given, made) if min(given, made) >= 0 and max(given, made) <= MAX_TOKENS else None


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def _unreadable(who: str) -> Unavailable:
    return Unavailable(f"{who} sent an answer that cannot be read")
