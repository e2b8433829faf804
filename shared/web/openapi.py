"""The OpenAPI document of the whole API, made from the functions' routes and kept as a file.

The file is committed and served, so that no function needs the others' code to tell what the API
is; a test holds it against the routes.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from fastapi.openapi.utils import get_openapi

from shared.messages.events import FunctionName
from shared.web import examples
from shared.web.app import Api
from shared.web.endpoint import MAX_KEY

Json = dict[str, Any]

DOCUMENT = Path(__file__).parent / "openapi.json"

ORDER: tuple[FunctionName, ...] = get_args(FunctionName)

_TAGS: dict[FunctionName, str] = {
    "submit": "Models hand in knowledge and recommendations.",
    "approve": "People decide on what was handed in; the audit log.",
    "feedback": "Ratings of answers, outcomes of workflows.",
    "retrain": "Training runs, snapshots, rollback, trust and patterns.",
    "serve": "Routing, completion, search and boost: the hot path.",
    "publish": "Approved entries become searchable.",
    "notify": "People are told what happened.",
    "monitor": "Measurements, alerts, versions, settings and keys.",
    "console": "The pages for people.",
}

_DESCRIPTION = """\
Models submit what they learned, people approve it, users rate what comes out, and training turns
the evidence into better routing, trust and knowledge.

Machines send `X-API-Key`; people send `Authorization: Bearer <token>`. Errors are problem documents
(RFC 9457) whose `errors` point to each bad field. A change that carries an `Idempotency-Key` is
made once, however often the request is repeated. Paths under `/events` and `/jobs` are for the
system's own bus and schedule.
"""

_PROBLEM: Json = {
    "type": "object",
    "description": "What went wrong (RFC 9457). Further members are facts about it.",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "description": "The kind, as a URN."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened, and what to do next."},
        "errors": {
            "type": "array",
            "description": "The bad fields, most useful first.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer, or ?name."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
    "examples": [
        {
            "type": "urn:whetstone:problem:invalid_input",
            "title": "Unprocessable Content",
            "status": 422,
            "detail": "/confidence_score: Input should be less than or equal to 1",
            "errors": [
                {
                    "pointer": "/confidence_score",
                    "detail": "Input should be less than or equal to 1",
                }
            ],
        }
    ],
}

_SECURITY: Json = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}

_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the change once: a repeated request gets the first one's answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
}


def merged(apps: Sequence[Api]) -> Json:
    """Returns the OpenAPI 3.1 document of these functions, the same for any order of them.

    What every function serves (health, readiness, metrics) is told once.

    Raises:
        ValueError: two functions have different schemas, or different operations, of one name.
    """
    paths: Json = {}
    schemas: Json = {"Problem": _PROBLEM}
    ordered = sorted(apps, key=lambda app: (app.function != "monitor", ORDER.index(app.function)))
    for app in ordered:
        document = get_openapi(title=app.title, version="0", routes=app.routes)
        for path, operations in document["paths"].items():
            known = paths.setdefault(path, {})
            for method, operation in operations.items():
                shown = examples.with_examples(f"{method.upper()} {path}", operation)
                known.setdefault(method, _with_key(method, path, shown))
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"{app.function} has another schema {name} than a function before")
    _refuse_twins(paths)
    present = {app.function for app in apps}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Whetstone",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "tags": [{"name": name, "description": _TAGS[name]} for name in ORDER if name in present],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": examples.problem_responses(),
            "securitySchemes": _SECURITY,
        },
    }


def write(apps: Sequence[Api], path: Path = DOCUMENT) -> None:
    """Writes the document of these functions, as it is committed."""
    text = json.dumps(merged(apps), indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, "utf-8")


@cache
def document() -> bytes:
    """Returns the committed document."""
    return DOCUMENT.read_bytes()


def _with_key(method: str, path: str, operation: Json) -> Json:
    if method not in {"post", "put"} or not path.startswith("/v1/"):
        return operation
    return {**operation, "parameters": [*operation.get("parameters", []), _IDEMPOTENCY_KEY]}


def _refuse_twins(paths: Json) -> None:
    seen: dict[str, str] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            where, name = f"{method} {path}", operation["operationId"]
            if seen.setdefault(name, where) != where:
                raise ValueError(f"{where} and {seen[name]} have the same operation id {name}")
