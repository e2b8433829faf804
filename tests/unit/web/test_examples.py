"""The examples in the API's description: whole, true to their schemas, and what is answered now."""

import copy
import json
import os

import jsonschema_rs
import pytest

from shared.cli.serve import apps
from shared.web import examples, openapi
from shared.web.problems import TITLES
from tests.support.recording import record

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ANEW = "the answers have changed: run UPDATE_GOLDEN=1 pytest tests/unit/web/test_examples.py"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """What the functions answer now; with UPDATE_GOLDEN it becomes what is kept."""
    recording = record(tmp_path_factory.mktemp("play"))
    if os.environ.get("UPDATE_GOLDEN"):
        text = json.dumps(recording, indent=1, ensure_ascii=False) + "\n"
        examples.FILE.write_text(text, "utf-8")
        examples.recorded.cache_clear()
        openapi.write(apps())
        openapi.document.cache_clear()
    return recording


@pytest.fixture(scope="module")
def document(live):
    return json.loads(json.dumps(openapi.merged(apps())))


def good_answers(document):
    """Yields (operation, media, content) of each 2xx answer."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    for media, content in response["content"].items():
                        yield f"{method.upper()} {path}", media, content


def whole(document):
    """Returns the schemas such that an answer must have every member and no other."""
    schemas = copy.deepcopy(document["components"]["schemas"])
    for schema in schemas.values():
        if "properties" in schema and schema.get("additionalProperties") is None:
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])
    return schemas


def check(schema, schemas, value):
    rooted = {"$schema": DIALECT, "components": {"schemas": schemas}, **schema}
    wrong = [one.message for one in jsonschema_rs.validator_for(rooted).iter_errors(value)]
    assert wrong == [], ANEW


def test_every_good_answer_has_an_example_with_every_member_of_its_schema(document):
    schemas = whole(document)
    shown = list(good_answers(document))
    assert len(shown) >= 70
    for operation, media, content in shown:
        assert content.get("example"), (operation, media)
        if media == "application/json":
            check(content["schema"], schemas, content["example"])
        else:
            assert isinstance(content["example"], str), (operation, media)


def test_the_functions_answer_with_the_same_members_today(live, document):
    schemas = whole(document)
    assert live["operations"].keys() == examples.recorded()["operations"].keys(), ANEW
    for operation, media, content in good_answers(document):
        answers = live["operations"][operation]["answers"]
        kept = examples.recorded()["operations"][operation]["answers"]
        assert answers.keys() == kept.keys(), (operation, ANEW)
        if media == "application/json":
            assert answers[media].keys() == kept[media].keys(), (operation, ANEW)
            check(content["schema"], schemas, answers[media])


def test_every_parameter_that_must_be_given_has_an_example(document):
    shown = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for one in operation.get("parameters", []):
                assert ("example" in one) == one["required"], (method, path, one["name"])
                shown += one["required"]
    assert shown >= 14


def test_every_problem_has_an_example_with_its_status(live, document):
    responses = document["components"]["responses"]
    problem = {"$ref": "#/components/schemas/Problem"}
    used = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    name = response["$ref"].rpartition("/")[2]
                    used.add(name)
                    content = responses[name]["content"]["application/problem+json"]
                    assert content["schema"] == problem
                    assert content["example"]["status"] == int(status)
                    assert content["example"]["title"] == TITLES[int(status)]
                    check(problem, document["components"]["schemas"], content["example"])
    assert used == set(responses)
    kept = examples.recorded()["problems"]
    assert {status: one["type"] for status, one in kept.items()} == {
        status: one["type"] for status, one in live["problems"].items()
    }, ANEW


def test_examples_hold_no_trace_of_the_machine_that_recorded_them():
    text = examples.FILE.read_text("utf-8")
    for secret in ("/tmp", "/home", "/work", "wsk_the-first"):
        assert secret not in text
