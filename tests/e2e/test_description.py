"""What the server answers is what its description says: schemathesis over the OpenAPI document."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared.web import openapi
from tests.fakes.openai_server import OpenAIServer
from tests.support.world import settings_file

pytestmark = pytest.mark.e2e

DOCUMENT = json.loads(openapi.document())


@pytest.fixture(scope="module")
def served(tmp_path_factory, serve):
    folder = tmp_path_factory.mktemp("schemathesis")
    with OpenAIServer() as provider:
        environment = settings_file(folder, provider.base_url)
        with serve(folder / "data", environment) as server:
            yield server


def described():
    """Returns (method, path) of what is tried: not the settings, whose switches stop the rest."""
    return [
        (method, path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
        if not path.startswith(("/events/", "/jobs/")) and (method, path) != ("put", "/v1/settings")
    ]


CHECKS = [
    not_a_server_error,
    response_schema_conformance,
    content_type_conformance,
    status_code_conformance,
]

DESCRIBED = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.mark.parametrize(("method", "path"), described())
def test_the_server_does_what_its_description_says(served, method, path):
    @settings(
        max_examples=30,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(DESCRIBED[path][method.upper()].as_strategy())
    def send(case):
        case.call_and_validate(base_url=served.url, headers=served.headers, checks=CHECKS)

    send()
