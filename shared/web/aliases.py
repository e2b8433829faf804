"""The paths that the project grew from: callers written against them keep working.

Each row rewrites a request to ours and our good answer to the shape that those callers know; errors
stay problem documents.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from shared.messages.events import FunctionName

Json = dict[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def _as_it_is(answer: Json) -> Json:
    return answer


def _written(answer: Json) -> Json:
    return {
        **answer,
        "status": "success",
        "message": f"entry {answer['entry_id']}, revision {answer['revision']}: {answer['state']}",
    }


def _pending(answer: Json) -> Json:
    return {
        "status": "success",
        "pending_count": answer["pending_count"],
        "entries": answer["items"],
    }


def _approved(answer: Json) -> Json:
    return {
        "status": answer["state"],
        "entry_id": answer["entry_id"],
        "approved_at": answer["decided_at"],
    }


def _rejected(answer: Json) -> Json:
    return {"status": answer["state"], "entry_id": answer["entry_id"], "reason": answer["notes"]}


def _stats(answer: Json) -> Json:
    return {"status": "success", "stats": answer}


def _recorded(answer: Json) -> Json:
    counts = "counts" if answer["counted"] else "does not count"
    return {**answer, "message": f"thank you: this rating {counts} in the next training run"}


@dataclass(frozen=True, slots=True)
class Alias:
    """One row: their method and path, ours, and how our answer reads to them.

    Both paths have the same parameters.
    """

    method: str
    path: str
    function: FunctionName
    ours: str
    answer: Callable[[Json], Json] = _as_it_is
    our_method: str | None = None


ALIASES: tuple[Alias, ...] = (
    Alias("POST", "/api/v3.4/kb/write-entry", "submit", "/v1/entries", _written),
    Alias("GET", "/api/v3.4/approval/pending", "approve", "/v1/approvals", _pending),
    Alias(
        "POST",
        "/api/v3.4/approval/approve/{entry_id}",
        "approve",
        "/v1/approvals/{entry_id}/approve",
        _approved,
    ),
    Alias(
        "POST",
        "/api/v3.4/approval/reject/{entry_id}",
        "approve",
        "/v1/approvals/{entry_id}/reject",
        _rejected,
    ),
    Alias("GET", "/api/v3.4/approval/stats", "approve", "/v1/approvals/stats", _stats),
    Alias("POST", "/feedback", "feedback", "/v1/feedback", _recorded),
    Alias("GET", "/admin/feedback/summary", "feedback", "/v1/feedback/summary"),
    Alias("GET", "/admin/learning/status", "retrain", "/v1/learning/status"),
    Alias("GET", "/admin/performance/trends", "retrain", "/v1/learning/trends"),
    Alias("POST", "/admin/learning/retrain", "retrain", "/v1/learning/runs"),
    Alias("POST", "/complete", "serve", "/v1/complete"),
    Alias("POST", "/recommendation", "serve", "/v1/route"),
    Alias("GET", "/routing/metrics", "serve", "/v1/routing/metrics"),
    Alias("POST", "/metrics/log", "monitor", "/v1/metrics"),
    Alias("GET", "/metrics/stats", "monitor", "/v1/metrics/stats"),
    Alias("GET", "/alerts/recent", "monitor", "/v1/alerts"),
    Alias("GET", "/models/versions", "monitor", "/v1/models/versions"),
    Alias("GET", "/api/v1/health", "monitor", "/health"),
    Alias("GET", "/api/v1/performance", "monitor", "/v1/performance"),
    Alias("GET", "/api/v1/system/info", "monitor", "/v1/system/info"),
    Alias("POST", "/api/v1/troubleshoot", "serve", "/v1/search"),
    Alias(
        "POST",
        "/api/v1/learning/debug/initialize-trust-scores",
        "retrain",
        "/v1/agents:initialize-trust",
    ),
)


def path_pattern(template: str) -> re.Pattern[str]:
    """Returns what matches the paths of a template; `{name}` stands for one part."""
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)
        )
    )


class AliasTable:
    """The rows of one function."""

    def __init__(self, function: FunctionName) -> None:
        rows = [row for row in ALIASES if row.function == function]
        self._exact = {(row.method, row.path): row for row in rows if "{" not in row.path}
        self._templates = [(row, path_pattern(row.path)) for row in rows if "{" in row.path]

    def serves(self, scope: Scope) -> bool:
        """Tells whether a request is for one of the rows."""
        return self._find(scope) is not None

    async def answer(self, app: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request by `app` at our path."""
        found = self._find(scope)
        if found is None:
            msg = "ask `serves` first"
            raise LookupError(msg)
        row, names = found
        path = row.ours.format(**names)
        ours = {
            **scope,
            "path": path,
            "raw_path": path.encode(),
            "method": row.our_method or row.method,
        }
        await app(ours, receive, _Reshaped(send, row.answer))

    def _find(self, scope: Scope) -> tuple[Alias, dict[str, str]] | None:
        exact = self._exact.get((scope["method"], scope["path"]))
        if exact is not None:
            return exact, {}
        for row, pattern in self._templates:
            match = pattern.fullmatch(scope["path"])
            if match is not None and row.method == scope["method"]:
                return row, match.groupdict()
        return None


class _Reshaped:
    """Holds a good JSON answer back until it is whole, and sends it in the other shape.

    Anything else passes as it comes.
    """

    def __init__(self, send: Send, reshape: Callable[[Json], Json]) -> None:
        self._send = send
        self._reshape = reshape
        self._start: MutableMapping[str, Any] | None = None
        self._body = b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and self._is_json(message):
            self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body"):
            await self._finish(self._start)

    def _is_json(self, message: MutableMapping[str, Any]) -> bool:
        media: bytes = dict(message["headers"]).get(b"content-type", b"")
        return bool(message["status"] < 300 and media.startswith(b"application/json"))

    async def _finish(self, start: MutableMapping[str, Any]) -> None:
        body = json.dumps(self._reshape(json.loads(self._body)), separators=(",", ":")).encode()
        others = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await self._send(
            {**start, "headers": [*others, (b"content-length", str(len(body)).encode())]}
        )
        await self._send({"type": "http.response.body", "body": body})
