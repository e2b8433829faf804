"""A local server that speaks the OpenAI chat protocol, with fixed answers and faults.

    with OpenAIServer() as server:
        server.break_with(Fault.RATE_LIMITED, model="small", times=2)
        ... OpenAIProvider("local", server.base_url, "any key") ...

By hand: `python -m tests.fakes.openai_server --port 9000 --fault slow_tokens`.
"""

import argparse
import hashlib
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answerer = Callable[[str, list[dict[str, str]]], str]
"""From the model and the messages to the text of the answer."""

_WORDS = (
    "measure the latency before you change a cache because evidence beats opinion and small steps "
    "can be undone while a queue that grows needs more workers or fewer retries"
).split()


class Fault(StrEnum):
    """What can go wrong with an answer."""

    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_MODEL = "unknown_model"
    HANG = "hang"
    HANG_MIDWAY = "hang_midway"
    DROP = "drop"
    DROP_MIDWAY = "drop_midway"
    MALFORMED = "malformed"
    ERROR_EVENT = "error_event"
    NO_USAGE = "no_usage"
    NO_END = "no_end"
    SLOW_TOKENS = "slow_tokens"


_STATUS = {
    Fault.SERVER_ERROR: (500, "server_error"),
    Fault.RATE_LIMITED: (429, "rate_limit_exceeded"),
    Fault.BAD_REQUEST: (400, "invalid_request_error"),
    Fault.UNAUTHORIZED: (401, "invalid_api_key"),
    Fault.UNKNOWN_MODEL: (404, "model_not_found"),
}


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, object]


@dataclass(slots=True)
class _Plan:
    fault: Fault
    left: int | None


@dataclass
class _State:
    answer: Answerer
    token_delay_s: float
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    plans: dict[str | None, _Plan] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    def take_fault(self, model: str) -> Fault | None:
        with self.lock:
            key = model if model in self.plans else None
            plan = self.plans.get(key)
            if plan is None:
                return None
            if plan.left is not None:
                plan.left -= 1
                if plan.left == 0:
                    del self.plans[key]
            return plan.fault


def plain_answer(model: str, messages: list[dict[str, str]]) -> str:
    """Returns a sentence that depends on nothing but its arguments."""
    seed = hashlib.sha256(json.dumps([model, messages], sort_keys=True).encode()).digest()
    generator = random.Random(seed)
    words = generator.choices(_WORDS, k=generator.randint(8, 24))
    return f"{model}: {' '.join(words)}."


def count_tokens(text: str) -> int:
    """Returns the tokens of the pretended tokenizer: its words."""
    return len(text.split())


class OpenAIServer:
    """The server, on a free port of the loopback interface, in threads of its own.

    Args:
        answer: makes the answers.
        port: 0 for a free one.
        token_delay_s: the pause before each word under SLOW_TOKENS.
    """

    def __init__(
        self, answer: Answerer = plain_answer, *, port: int = 0, token_delay_s: float = 0.02
    ) -> None:
        self._state = _State(answer, token_delay_s)
        state = self._state

        class Handler(_Handler):
            pass

        Handler.state = state
        self._server = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def base_url(self) -> str:
        """The address that `/chat/completions` follows."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def received(self) -> list[Received]:
        """Every request so far, oldest first."""
        with self._state.lock:
            return list(self._state.received)

    def break_with(
        self, fault: Fault, *, model: str | None = None, times: int | None = None
    ) -> None:
        """Answers one model (None: all) with `fault`, `times` requests long or until `heal`."""
        with self._state.lock:
            self._state.plans[model] = _Plan(fault, times)

    def heal(self) -> None:
        """Switches all faults off."""
        with self._state.lock:
            self._state.plans.clear()

    def start(self) -> Self:
        """Starts serving and returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stops, and lets go of every request that hangs."""
        self._state.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: _State

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._json(200, {"object": "list", "data": []})
        else:
            self._error(404, "not_found")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            body = json.loads(raw)
            model, messages = body["model"], body["messages"]
        except (ValueError, KeyError, TypeError):
            return self._error(400, "invalid_request_error")
        with self.state.lock:
            self.state.received.append(Received(self.path, dict(self.headers), body))
        if self.path != "/v1/chat/completions":
            return self._error(404, "not_found")
        fault = self.state.take_fault(model)
        if fault in _STATUS:
            return self._error(*_STATUS[fault])
        if fault is Fault.HANG:
            self.state.stopped.wait()
        if fault in (Fault.HANG, Fault.DROP):
            return self._hang_up()
        text = self.state.answer(model, messages)
        asked = " ".join(message["content"] for message in messages)
        usage = {"prompt_tokens": count_tokens(asked), "completion_tokens": count_tokens(text)}
        usage["total_tokens"] = sum(usage.values())
        if body.get("stream"):
            wants_usage = (body.get("stream_options") or {}).get("include_usage")
            return self._stream(model, text, usage if wants_usage else None, fault)
        return self._whole(model, text, usage, fault)

    def _whole(self, model: str, text: str, usage: dict[str, int], fault: Fault | None) -> None:
        message = {"role": "assistant", "content": text}
        answer: dict[str, object] = {
            "id": "chatcmpl-local",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        }
        if fault is not Fault.NO_USAGE:
            answer["usage"] = usage
        if fault is Fault.ERROR_EVENT:
            answer["choices"] = []
        data = json.dumps(answer).encode()
        if fault is Fault.MALFORMED:
            data = data[:-10]
        self._headers(200, "application/json", len(data))
        if fault is Fault.SLOW_TOKENS:
            self.state.stopped.wait(self.state.token_delay_s * count_tokens(text))
        if fault not in (Fault.DROP_MIDWAY, Fault.HANG_MIDWAY):
            self.wfile.write(data)
            return
        self.wfile.write(data[: len(data) // 2])
        self._break_off(fault)

    def _stream(
        self, model: str, text: str, usage: dict[str, int] | None, fault: Fault | None
    ) -> None:
        self.close_connection = True
        self._headers(200, "text/event-stream", None)
        for number, event in enumerate(_events(model, text, usage, fault)):
            if fault is Fault.SLOW_TOKENS:
                self.state.stopped.wait(self.state.token_delay_s)
            if fault in (Fault.DROP_MIDWAY, Fault.HANG_MIDWAY) and number == 3:
                return self._break_off(fault)
            self.wfile.write(f"data: {event}\n\n".encode())
        return None

    def _break_off(self, fault: Fault) -> None:
        if fault is Fault.HANG_MIDWAY:
            self.state.stopped.wait()
        self._hang_up()

    def _hang_up(self) -> None:
        """Resets the connection, as a process that dies does."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
            )
            self.connection.shutdown(socket.SHUT_RDWR)

    def _error(self, status: int, code: str) -> None:
        key = self.headers.get("Authorization", "")
        self._json(
            status, {"error": {"message": f"no luck with {key}", "type": code, "code": code}}
        )

    def _json(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self._headers(status, "application/json", len(data))
        self.wfile.write(data)

    def _headers(self, status: int, kind: str, length: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()


def _events(
    model: str, text: str, usage: dict[str, int] | None, fault: Fault | None
) -> Iterator[str]:
    """Yields the data of a stream: role, words, reason to finish, usage, end mark."""

    def chunk(delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return json.dumps({"id": "chatcmpl-local", "model": model, "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    for number, word in enumerate(text.split(" ")):
        if number == 2 and fault is Fault.MALFORMED:
            yield '{"choices": [{"delta": '
        if number == 2 and fault is Fault.ERROR_EVENT:
            yield json.dumps({"error": {"message": "overloaded", "type": "server_error"}})
        yield chunk({"content": word if number == 0 else f" {word}"})
    if fault is Fault.NO_END:
        return
    yield chunk({}, "stop")
    if usage is not None and fault is not Fault.NO_USAGE:
        yield json.dumps({"id": "chatcmpl-local", "model": model, "choices": [], "usage": usage})
    yield "[DONE]"


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description="A local OpenAI-compatible chat server.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--fault", choices=[fault.value for fault in Fault])
    options = parser.parse_args()
    with OpenAIServer(port=options.port) as server:
        if options.fault:
            server.break_with(Fault(options.fault))
        print(f"serving {server.base_url}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
