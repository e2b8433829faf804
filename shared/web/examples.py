"""The examples in the description of the API: answers that the functions gave in a recorded play.

They are a file, so that describing needs no running system. A test plays the same requests again
and compares; `UPDATE_GOLDEN=1 pytest tests/unit/web/test_examples.py` records anew.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from shared.web.problems import TITLES

Json = dict[str, Any]

FILE = Path(__file__).parent / "examples.json"

PROBLEM_MEDIA = "application/problem+json"

_RETRY: Json = {
    "Retry-After": {
        "description": "Seconds after which the same request may succeed.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_CHALLENGE: Json = {
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "schema": {"type": "string"},
    }
}
_HEADERS = {"401": _CHALLENGE, "429": _RETRY, "503": _RETRY}

_WORDS = {
    "401": "No credential, or one that is unknown, expired, revoked or forged.",
    "403": "A good credential that lacks the scope or the role.",
    "404": "There is no such thing in this workspace.",
    "409": "Something else was decided or done before; the facts say what.",
    "413": "The body is larger than the server takes.",
    "415": "The body is not sent as application/json.",
    "422": "A field is missing, unknown or wrong; `errors` points to each.",
    "429": "Over the key's limit of requests.",
    "503": "Paused, read-only, or something that is needed does not answer.",
}


@cache
def recorded() -> Json:
    """Returns what was recorded: `operations` by `METHOD /path`, and `problems` by status."""
    found: Json = json.loads(FILE.read_bytes())
    return found


def problem_responses() -> Json:
    """Returns one response for each status that a problem document comes with, by its name."""
    return {_name(status): _problem_response(status) for status in _WORDS}


def with_examples(where: str, operation: Json) -> Json:
    """Returns an operation with its recorded answers, and its problems as references.

    Args:
        where: the operation as `METHOD /path`.
        operation: as FastAPI describes it; not changed.
    """
    known = recorded()["operations"].get(where, {"parameters": {}, "answers": {}})
    parameters = [_with_value(one, known["parameters"]) for one in operation.get("parameters", [])]
    responses = {
        status: _with_answers(status, response, known["answers"])
        for status, response in operation["responses"].items()
    }
    return {
        **operation,
        **({"parameters": parameters} if parameters else {}),
        "responses": responses,
    }


def _with_value(parameter: Json, known: Json) -> Json:
    """Returns a parameter with its example, where it must be given.

    The pages fill examples in, and an optional filter that nobody chose would hide things.
    """
    name = parameter["name"]
    if not parameter["required"] or name not in known:
        return parameter
    return {**parameter, "example": known[name]}


def _with_answers(status: str, response: Json, answers: Json) -> Json:
    content = response.get("content", {})
    if PROBLEM_MEDIA in content:
        return {"$ref": f"#/components/responses/{_name(status)}"}
    shown = {
        media: _with_answer(media, one, answers)
        for media, one in content.items()
        if one["schema"] or len(content) == 1  # FastAPI claims JSON also of pages
    }
    return {**response, "content": shown}


def _with_answer(media: str, content: Json, answers: Json) -> Json:
    example = next(iter(answers.values()), None) if media == "*/*" else answers.get(media)
    return content if example is None else {**content, "example": example}


def _problem_response(status: str) -> Json:
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": recorded()["problems"][status],
    }
    headers = {"headers": _HEADERS[status]} if status in _HEADERS else {}
    return {"description": _WORDS[status], **headers, "content": {PROBLEM_MEDIA: content}}


def _name(status: str) -> str:
    return TITLES[int(status)].title().replace(" ", "")
