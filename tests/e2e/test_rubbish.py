"""Promise 9: whatever is sent is told in one clear error, never a crash, and leaves nothing."""

import asyncio
import json
import threading

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.adapters.provider_openai import OpenAIProvider
from shared.cli.serve import apps
from shared.domain.access import API_KEYS, SETTINGS
from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS
from shared.domain.feedback import (
    AGENTS,
    CONVERSATIONS,
    FEEDBACK,
    OUTCOMES,
    RECOMMENDATIONS,
    ROUTING_DECISIONS,
)
from shared.domain.learning.runs import RUNS, SNAPSHOTS
from shared.domain.operations import ALERT_RULES, IDEMPOTENCY, METRIC_POINTS
from shared.domain.records import SYSTEM_WORKSPACE
from shared.web import openapi
from shared.web.gateway import Gateway
from tests.fakes.openai_server import OpenAIServer
from tests.support.system import WORKSPACE, System

pytestmark = pytest.mark.e2e

COLLECTIONS = (
    ENTRIES,
    REVISIONS,
    DECISIONS,
    FEEDBACK,
    OUTCOMES,
    RECOMMENDATIONS,
    ROUTING_DECISIONS,
    AGENTS,
    CONVERSATIONS,
    RUNS,
    SNAPSHOTS,
    SETTINGS,
    ALERT_RULES,
    METRIC_POINTS,
    IDEMPOTENCY,
)

DOCUMENT = json.loads(openapi.document())
SCHEMAS = DOCUMENT["components"]["schemas"]


def example(schema):
    """Returns the first example of a body, or the empty object."""
    for one in [schema, *schema.get("anyOf", [])]:
        name = one.get("$ref", "").removeprefix("#/components/schemas/")
        for found in SCHEMAS.get(name, {}).get("examples", []):
            return found
    return {}


def writes():
    """Returns (method, path, example of the body) of every route that changes something."""
    found = []
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if method in {"post", "put"} and "application/json" in content:
                body = example(content["application/json"]["schema"])
                found.append((method, path.replace("{entry_id}", "ent_none"), body))
    return found


WRITES = writes()


class Running:
    """A system on a loop of its own thread, for tests that are not asynchronous themselves."""

    def __init__(self, root, provider_url):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.system = self.do(self._start(root, provider_url))
        self.http = self.do(self.system.client(Gateway(apps()), scopes=("admin",)))

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def send(self, method, path, **request) -> httpx.Response:
        return self.do(self.http.request(method, path, **request))

    def left_behind(self):
        return self.do(self._count())

    def stop(self):
        self.do(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _start(self, root, provider_url):
        names = ("local", "other")
        made = {name: OpenAIProvider(name, provider_url, "key") for name in names}
        return await System(root, providers=made).__aenter__()

    async def _stop(self):
        for provider in self.system.deps.providers.values():
            await provider.close()
        await self.system.__aexit__()

    async def _count(self):
        store = self.system.store
        counts = [await store.count(WORKSPACE, one, at_most=100_000) for one in COLLECTIONS]
        keys = await store.count(SYSTEM_WORKSPACE, API_KEYS, at_most=100_000)
        chain = len(await store.audit_chain(WORKSPACE, 0, 100_000))
        ours = len(await store.audit_chain(SYSTEM_WORKSPACE, 0, 100_000))
        events = len(await store.outbox(100_000))
        return [*counts, keys, chain, ours, events, await store.counters(WORKSPACE, "")]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with OpenAIServer() as provider:
        made = Running(tmp_path_factory.mktemp("rubbish"), provider.base_url)
        try:
            yield made
        finally:
            made.stop()


JSON = {"content-type": "application/json"}


def check_refused(answer, statuses=(422,)):
    assert answer.status_code in statuses, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert {"type", "title", "status", "detail", "errors"} <= set(told)
    assert told["status"] == answer.status_code
    assert told["detail"]
    assert len(answer.content) < 20_000
    return told


RUBBISH = {
    "nothing": b"",
    "not JSON": b"rubbish",
    "half": b'{"topic": "a", ',
    "two": b"{}{}",
    "comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "null": b"null",
    "number": b"7",
    "text": b'"text"',
    "list": b"[]",
    "list of objects": b"[{}]",
    "true": b"true",
    "NUL": b"\x00",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "NaN inside": b'{"a": NaN}',
    "long number": b'{"a": ' + b"9" * 100_000 + b"}",
    "huge exponent": b'{"a": 1e999999}',
    "deep list": b"[" * 100_000,
    "deep closed list": b"[" * 50_000 + b"]" * 50_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "lone surrogate": b'{"a": "\\ud800"}',
    "reversed surrogates": b'{"a": "\\udc00\\ud800"}',
    "surrogate key": b'{"\\ud800": 1}',
    "NUL key": b'{"\\u0000": 1}',
    "long key": b'{"' + b"k" * 100_000 + b'": 1}',
    "many keys": json.dumps(dict.fromkeys(map(str, range(20_000)))).encode(),
    "prototype": b'{"__proto__": {"a": 1}, "__class__": 1}',
    "duplicate key": b'{"zz": 1, "zz": 2}',
}


@pytest.mark.parametrize("body", RUBBISH.values(), ids=RUBBISH.keys())
def test_rubbish_is_refused_by_every_route_and_leaves_nothing(running, body):
    before = running.left_behind()
    for method, path, _ in WRITES:
        if not body and optional(path):
            continue
        check_refused(running.send(method, path, content=body, headers=JSON))
    assert running.left_behind() == before


def optional(path):
    """Tells whether a route takes a request without a body."""
    wanted = next(schema_of(one) for one in DOCUMENT["paths"] if same(one, path))
    return not wanted.get("required")


def same(template, path):
    return template.replace("{entry_id}", "ent_none") == path


def schema_of(path):
    operation = next(op for m, op in DOCUMENT["paths"][path].items() if m in {"post", "put"})
    reference = operation["requestBody"]["content"]["application/json"]["schema"]
    names = [
        one.get("$ref", "").removeprefix("#/components/schemas/")
        for one in [reference, *reference.get("anyOf", [])]
    ]
    schema = next(SCHEMAS[name] for name in names if name)
    return schema["anyOf"][0] if "anyOf" in schema else schema


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda v: str(v)[:40])
def test_a_body_over_the_limit_is_413_whether_it_tells_its_length_or_not(
    running, method, path, body
):
    before = running.left_behind()
    large = json.dumps({**body, "x": "y" * 1_100_000}).encode()

    async def pieces():
        for at in range(0, len(large), 65_536):
            yield large[at : at + 65_536]

    check_refused(running.send(method, path, content=large, headers=JSON), (413,))
    check_refused(running.send(method, path, content=pieces(), headers=JSON), (413,))
    lying = {**JSON, "content-length": "9" * 30}
    check_refused(running.send(method, path, content=b"{}", headers=lying), (413,))
    assert running.left_behind() == before


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "json"]
)
def test_another_media_type_is_415(running, media):
    before = running.left_behind()
    for method, path, body in WRITES:
        content = json.dumps(body or {"a": 1}).encode()
        answer = running.send(method, path, content=content, headers={"content-type": media})
        check_refused(answer, (415,))
    assert running.left_behind() == before


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda v: str(v)[:40])
def test_an_unknown_field_is_named(running, method, path, body):
    before = running.left_behind()
    told = check_refused(running.send(method, path, json={**body, "surprise": 1}))
    assert any(one["pointer"].endswith("/surprise") for one in told["errors"]), told
    assert running.left_behind() == before


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda v: str(v)[:40])
def test_each_field_of_a_wrong_type_is_named(running, method, path, body):
    before = running.left_behind()
    for name, value in body.items():
        answer = running.send(method, path, json={**body, name: of_another_type(value)})
        told = check_refused(answer)
        assert any(f"/{name}" in one["pointer"] for one in told["errors"]), (name, told)
    assert running.left_behind() == before


def of_another_type(value):
    if isinstance(value, str):
        return 7
    return "text" if isinstance(value, dict) else {"no": 1}


NASTY = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\uffff\ufffe",
    "\u202eright to left",
    "\u200b",
    "\u2028\u2029",
    "e\u0301" * 50,
    "\U0001f469\u200d\U0001f4bb",
    "\ufdfd" * 200,
    "\x1b[31m\r\n",
    "../../etc/passwd",
    "'; DROP TABLE kb_entries; --",
    '" OR * NEAR( ^ {a}: -',
    "%s%n{0}${x}",
    "x" * 100_001,
    "I" * 300,
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59-23:59",
)
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, 5e-324)

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(NASTY),
        st.sampled_from(NUMBERS),
        st.sampled_from((float("nan"), float("inf"), float("-inf"))),
        st.text(st.characters(), max_size=20),
        st.floats(),
        st.integers(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@st.composite
def mutants(draw):
    """Returns a request that is an example with one to three members replaced or left out."""
    method, path, body = draw(st.sampled_from(WRITES))
    names = sorted({*body, *schema_properties(path)})
    changed = dict(body)
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)):
        if draw(st.integers(0, 5)) == 0:
            changed.pop(name, None)
        elif isinstance(changed.get(name), list) and draw(st.booleans()):
            changed[name] = [*changed[name], draw(VALUES)]
        elif isinstance(changed.get(name), dict) and draw(st.booleans()):
            changed[name] = {**changed[name], draw(st.sampled_from(NASTY)): draw(VALUES)}
        else:
            changed[name] = draw(VALUES)
    return method, path, changed


def schema_properties(path):
    return next(schema_of(one) for one in DOCUMENT["paths"] if same(one, path))["properties"]


STOPS = {"read_only", "learning_stopped", "publishing_stopped", "mode"}
"""Settings whose mutants might be accepted, and would then refuse everything after them."""


MUTANTS = {None: 1_000, "postgres": 1_000, "firestore": 300}
"""How many are tried by store: Firestore's emulator counts everything in a tenth of a second."""


def test_a_mutant_of_a_good_request_never_crashes_and_leaves_nothing_if_refused(running, request):
    before = running.left_behind()

    @settings(
        max_examples=MUTANTS[request.config.getoption("--cloud")],
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants())
    def send(mutant):
        nonlocal before
        answer = sent(running, *mutant)
        earlier, before = before, running.left_behind()
        if answer.is_success:
            kind = answer.headers["content-type"]
            assert kind.startswith(("application/json", "text/event-stream"))
            return
        check_told(answer)
        assert before == earlier

    send()


def sent(running, method, path, body):
    if path == "/v1/settings":
        body = {name: value for name, value in body.items() if name not in STOPS}
    return running.send(method, path, content=json.dumps(body).encode(), headers=JSON)


def check_told(answer):
    """Checks that a refusal names what is wrong."""
    told = check_refused(answer, (404, 409, 422))
    if answer.status_code == 422:
        assert told["errors"], told
    for one in told["errors"]:
        assert one["pointer"] == "" or one["pointer"].startswith("/")
        assert one["detail"]


@pytest.mark.parametrize("key", ["", "k" * 256, "k" * 10_000])
def test_an_idempotency_key_of_a_wrong_length_is_named(running, key):
    before = running.left_behind()
    for method, path, body in WRITES:
        if not path.startswith("/v1/"):
            continue
        answer = running.send(method, path, json=body, headers={"Idempotency-Key": key})
        told = check_refused(answer)
        assert told["errors"][0]["pointer"] == "Idempotency-Key"
    assert running.left_behind() == before


OURSELVES = ("/events/", "/jobs/")
"""Paths that are shut to everyone else before anything is read."""

PLACES = [
    "%00",
    "%ff",
    "%2e%2e%2f%2e%2e",
    "a" * 5_000,
    "%F0%9F%92%A9",
    "%ED%A0%80",
    "'%20OR%201",
    "{entry_id}",
]


@pytest.mark.parametrize("place", PLACES, ids=lambda one: one[:12])
def test_odd_ids_are_not_found(running, place):
    before = running.left_behind()
    for template, operations in DOCUMENT["paths"].items():
        for method in operations:
            if "{" not in template or template.startswith(OURSELVES):
                continue
            start, _, end = template.partition("{")
            path = start + place + end.partition("}")[2]
            body = {"json": example_of(template, method)} if method != "get" else {}
            check_refused(running.send(method, path, **body), (404, 422))
    assert running.left_behind() == before


def example_of(template, method):
    body = DOCUMENT["paths"][template][method].get("requestBody", {}).get("content", {})
    return example(body.get("application/json", {}).get("schema", {}))


QUERIES = ["", "%00", "%ff", "NaN", "1e9", "-1", "0", "999999999999999999999", "%F0%9F%92%A9", "[]"]
QUERIES += ["x" * 3_000, "true", "eyJhIjoxfQ", "AAAA", "%ED%A0%80", "1.5", "&", "%", "1h%00"]


def test_odd_queries_never_crash(running):
    before = running.left_behind()
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query" and method == "get":
                    where = path.replace("{", "").replace("}", "")
                    for value in QUERIES:
                        url = f"{where}?{parameter['name']}={value}"
                        answer = running.send(method, url)
                        if not answer.is_success:
                            check_refused(answer, (404, 422))
            if method == "get" and operation.get("security"):
                unknown = running.send(method, path.replace("{", "").replace("}", "") + "?odd=1")
                assert unknown.status_code < 500
    assert running.left_behind() == before


EVENTS = [path for path in DOCUMENT["paths"] if path.startswith("/events/") and "{" not in path]
"""Where events come; what was given up already comes elsewhere, and is taken whatever it is."""

NO_EVENTS = (
    b'{"specversion": "1.0", "type": "entry.approved", "data": 7}',
    b'{"specversion": "1.0", "data_base64": "%%%"}',
    b'{"message": {"data": "bm90IEpTT04="}}',
    b'{"message": {"data": "W10="}, "subscription": 1}',
    b'{"message": {"data": "' + b"A" * 90_001 + b'"}}',
    b'{"message": null}',
    b'{"event_id": "e", "type": "entry.eaten", "workspace": "default"}',
)


@pytest.mark.parametrize("path", EVENTS)
def test_rubbish_instead_of_an_event_is_refused(running, path):
    before = running.left_behind()
    bare = running.do(running.system.client(Gateway(apps()), role="system"))
    for body in (*RUBBISH.values(), *NO_EVENTS):
        check_refused(running.do(bare.post(path, content=body, headers=JSON)))
    odd = {**JSON, "ce-id": "%ff", "ce-type": "entry.approved", "ce-specversion": "1.0"}
    check_refused(running.do(bare.post(path, content=b"{}", headers=odd)))
    assert running.left_behind() == before
