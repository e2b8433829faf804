"""The description of the API: whole, valid, the same as the code, and shown without a network."""

import hashlib
import importlib
import json
import re
from pathlib import Path

import pytest
from starlette.responses import Response

from functions.monitor.main import app as monitor
from functions.submit.main import app as submit
from shared import bootstrap
from shared.web import docs, openapi
from shared.web.app import Api
from shared.web.endpoint import Call
from shared.web.guard import PUBLIC
from tests.support.system import play

ROOT = Path(__file__).parents[3]


def all_apps():
    names = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))
    return [importlib.import_module(f"functions.{name}.main").app for name in names]


def test_the_committed_document_is_that_of_the_code():
    fresh = json.loads(json.dumps(openapi.merged(all_apps())))
    kept = json.loads(openapi.document())
    assert fresh == kept, "run `make openapi` and read the difference"


def test_every_route_of_every_function_is_described_with_words_and_examples():
    apps = all_apps()
    document = openapi.merged(apps)
    for app in apps:
        for method, path in app.endpoints:
            operation = document["paths"][path][method.lower()]
            assert operation["description"], (method, path)
            assert operation["responses"]


def test_every_command_has_an_example():
    document = openapi.merged(all_apps())
    schemas = document["components"]["schemas"]
    bodies = [
        (path, operation["requestBody"]["content"].get("application/json", {}).get("schema", {}))
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if path.startswith("/v1/") and "requestBody" in operation
    ]
    assert bodies
    for path, schema in bodies:
        reference = schema.get("$ref") or next(
            (one["$ref"] for one in schema.get("anyOf", []) if "$ref" in one), ""
        )
        assert schemas[reference.removeprefix("#/components/schemas/")].get("examples"), path


def test_every_reference_resolves():
    document = openapi.merged(all_apps())
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "Problem" in references


def test_the_document_says_how_to_authenticate_and_what_is_public():
    document = openapi.merged([monitor, submit])
    assert document["openapi"] == "3.1.0"
    assert set(document["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}
    assert "security" not in document["paths"]["/health"]["get"]
    assert document["paths"]["/v1/entries"]["post"]["security"] == [{"ApiKey": []}, {"Bearer": []}]
    names = [one["name"] for one in document["paths"]["/v1/entries"]["post"]["parameters"]]
    assert names == ["Idempotency-Key"]
    assert [one["name"] for one in document["tags"]] == ["submit", "monitor"]


def test_the_order_of_the_functions_does_not_matter():
    assert openapi.merged([submit, monitor]) == openapi.merged([monitor, submit])


def test_a_description_is_written_as_it_is_served(tmp_path):
    path = tmp_path / "openapi.json"
    openapi.write([submit], path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(openapi.merged([submit])))


def test_two_operations_of_one_name_are_refused():
    app = Api("notify", bootstrap.gate)

    @app.endpoint("GET", "/v1/other", needs=PUBLIC)
    async def submit_entry(call: Call) -> Response:
        """Read."""

    with pytest.raises(ValueError, match="same operation id submit_entry"):
        openapi.merged([submit, app])


def test_the_document_and_the_pages_are_public(tmp_path):
    async def scenario(system):
        http = await system.client(monitor)
        document = await http.get("/openapi.json")
        assert document.headers["content-type"] == "application/json"
        assert document.json()["info"]["title"] == "Whetstone"
        page = await http.get("/docs")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert not re.search(r"<script(?! src=)", page.text), "no inline script"
        assert not re.search(r"(src|href)=\"(?!/|data:,)", page.text), "nothing from elsewhere"
        for name in re.findall(r"/docs/assets/([\w.-]+)", page.text):
            asset = await http.get(f"/docs/assets/{name}")
            assert asset.status_code == 200
            assert asset.headers["content-type"].startswith(docs.ASSETS[name][1])
            assert asset.headers["x-content-type-options"] == "nosniff"

    play(tmp_path, scenario)


def test_only_the_listed_assets_are_served(tmp_path):
    async def scenario(system):
        http = await system.client(monitor)
        for name in ("README.md", "..%2fopenapi.json", "swagger-ui"):
            assert (await http.get(f"/docs/assets/{name}")).status_code == 404

    play(tmp_path, scenario)


def test_the_page_asks_no_validator_on_the_internet():
    script = (ROOT / "shared/web/assets/docs.js").read_text()
    assert "validatorUrl: null" in script
    assert "http" not in script


def test_the_served_bundle_is_the_vendored_one(tmp_path):
    async def scenario(system):
        http = await system.client(monitor)
        served = (await http.get("/docs/assets/swagger-ui-bundle.js")).content
        readme = (ROOT / "shared/web/assets/swagger-ui/README.md").read_text()
        assert hashlib.sha256(served).hexdigest() in readme

    play(tmp_path, scenario)
