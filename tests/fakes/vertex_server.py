"""A local server that speaks Vertex AI's text embedding API and hands out tokens, with faults.

    with VertexServer() as server:
        server.break_with(Fault.RATE_LIMITED, times=2)
        ... VertexEmbedder("p", "r", base_url=server.url, token=...) ...

Its vectors are hashed words (tests/fakes/word_embedder.py): they know shared words, not meanings.
"""

import json
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes.word_embedder import word_vector


class Fault(StrEnum):
    """What can go wrong with an answer."""

    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    AWAY = "503"
    FORBIDDEN = "403"
    UNKNOWN_MODEL = "404"
    EXPIRED = "401"
    HANG = "hang"
    DROP = "drop"
    NO_JSON = "no_json"
    NO_PREDICTIONS = "no_predictions"
    WRONG_DIMS = "wrong_dims"
    TOO_FEW = "too_few"
    NOT_FINITE = "not_finite"
    ALL_ZERO = "all_zero"


@dataclass
class State:
    """What the server was asked, and what it is to do."""

    max_texts: int = 250
    max_words: int = 20_000
    refused: str = "refuse this"
    plan: list[Fault] = field(default_factory=list)
    forever: Fault | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class VertexServer:
    """The server, on a free port of the loopback interface, in threads of its own."""

    def __init__(self) -> None:
        self.state = State()
        state = self.state

        class Handler(_Handler):
            pass

        Handler.state = state
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where the service is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of every request for embeddings so far."""
        return [one["body"] for one in self.state.requests]

    def break_with(self, *faults: Fault, forever: Fault | None = None) -> None:
        """Meets the next requests with these faults, one each, and later ones with `forever`."""
        self.state.plan, self.state.forever = list(faults), forever

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.state.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: State

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if urlsplit(self.path).path == "/token":
            return self._token()
        if not self.path.endswith(":predict"):
            return self._json(404, {"error": {"code": 404}})
        state = self.state
        with state.lock:
            body = json.loads(raw)
            authorization = self.headers.get("Authorization", "")
            state.requests.append({"path": self.path, "authorization": authorization, "body": body})
            fault = state.plan.pop(0) if state.plan else state.forever
        return self._answer(body, fault)

    def _token(self) -> None:
        with self.state.lock:
            token = f"token-{len(self.state.tokens) + 1}"
            self.state.tokens.append(token)
        self._json(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _answer(self, body: dict[str, Any], fault: Fault | None) -> None:
        texts = [one["content"] for one in body["instances"]]
        words = sum(len(text.split()) for text in texts)
        if fault is not None and fault.value.isdigit():
            return self._json(int(fault), {"error": {"code": int(fault), "message": str(texts)}})
        if fault is Fault.HANG:
            self.state.stopped.wait()
        if fault in (Fault.HANG, Fault.DROP):
            self.close_connection = True
            return None
        too_much = len(texts) > self.state.max_texts or words > self.state.max_words
        if too_much or any(self.state.refused in text for text in texts):
            return self._json(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}})
        if fault is Fault.NO_JSON:
            return self._bytes(200, b'{"predictions": [')
        return self._json(200, _predictions(body, texts, fault))

    def _json(self, status: int, body: object) -> None:
        self._bytes(status, json.dumps(body).encode())

    def _bytes(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _predictions(body: dict[str, Any], texts: list[str], fault: Fault | None) -> dict[str, Any]:
    if fault is Fault.NO_PREDICTIONS:
        return {"metadata": {}}
    dims = body["parameters"]["outputDimensionality"] - (fault is Fault.WRONG_DIMS)
    # Not of length 1, as a vector that the service has shortened is not.
    vectors = [[3 * value for value in word_vector(text, dims)] for text in texts]
    if fault is Fault.TOO_FEW:
        vectors.pop()
    if fault is Fault.NOT_FINITE:
        vectors[0][0] = float("nan")
    if fault is Fault.ALL_ZERO:
        vectors[0] = [0.0] * dims
    return {
        "predictions": [
            {"embeddings": {"values": vector, "statistics": {"token_count": 3, "truncated": False}}}
            for vector in vectors
        ],
        "metadata": {"billableCharacterCount": sum(map(len, texts))},
    }
