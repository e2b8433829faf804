"""What a route reads, refuses and answers, around its handler."""

import json

import pytest

from shared.domain.access import Caller
from tests.support.system import play
from tests.unit.web.probe import check_problem, client, make_app, raw_request

JSON = {"Content-Type": "application/json"}


def with_client(tmp_path, scenario, *scopes, **options):
    """Runs a scenario with a client of the probe that has the scopes."""

    async def run(system):
        key = await system.key(*(scopes or ("admin",)))
        app = make_app(system, **options)
        async with client(app, **{"X-API-Key": key}) as http:
            return await scenario(http)

    return play(tmp_path, run)


def test_a_good_body_reaches_the_handler_as_a_command(tmp_path):
    async def scenario(http):
        response = await http.post("/things", json={"name": "ü"})
        assert (response.status_code, response.json()["name"]) == (201, "ü")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        response = await http.put("/things/a%20b", json={"name": "x"})
        assert response.json()["name"] == "a b"

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", ""),
        (b"{", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"x"', ""),
        (b"{}", "/name"),
        (b'{"name": 7}', "/name"),
        (b'{"name": ""}', "/name"),
        (b'{"name": " \\t "}', "/name"),
        (b'{"name": "a\\u0000b"}', "/name"),
        (b'{"name": "\\ud800"}', ""),
        (b'{"name": "\xff"}', ""),
        (b'{"name": "x", "size": "1"}', "/size"),
        (b'{"name": "x", "size": true}', "/size"),
        (b'{"name": "x", "size": NaN}', "/size"),
        (b'{"name": "x", "size": Infinity}', "/size"),
        (b'{"name": "x", "size": 1e999}', "/size"),
        (b'{"name": "x", "size": -1}', "/size"),
        (b'{"name": "x", "flag": 1}', "/flag"),
        (b'{"name": "x", "flag": null}', "/flag"),
        (b'{"name": "x", "unknown": 1}', "/unknown"),
        (b'{"name": "x", "a/b~c": 1}', "/a~1b~0c"),
        (b'{"name": "x", "labels": {"a/b~c": 1}}', "/labels/a~1b~0c"),
        (b'{"name": "x", "labels": {"a": {"b": 1}}}', "/labels/a"),
        (b'{"name": "x", "parts": ["a", ""]}', "/parts/1"),
        (b'{"name": "x", "parts": ["a", "b", "c", "d"]}', "/parts"),
        (b'{"name": "x",}', ""),
        (b'{"name": "x"} {}', ""),
        (b"\xef\xbb\xbf{}", ""),
    ],
)
def test_a_bad_body_is_422_and_names_the_field(tmp_path, body, pointer):
    async def scenario(http):
        response = await http.post("/things", content=body, headers=JSON)
        document = check_problem(response, 422)
        assert document["type"] == "urn:whetstone:problem:invalid_input"
        assert document["errors"][0]["pointer"] == pointer

    with_client(tmp_path, scenario)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"labels":[', b'{"name":[['])
def test_deep_nesting_is_refused(tmp_path, opening):
    async def scenario(http):
        for times in (1_000, 100_000):
            response = await http.post("/things", content=opening * times, headers=JSON)
            check_problem(response, 422)

    with_client(tmp_path, scenario, body_bytes=10**7)


def test_at_most_twenty_fields_are_named(tmp_path):
    async def scenario(http):
        body = {"name": "x", **{f"f{number}": 1 for number in range(100)}}
        document = check_problem(await http.post("/things", json=body), 422)
        assert len(document["errors"]) == 20

    with_client(tmp_path, scenario)


def test_of_a_field_given_twice_the_last_counts_as_in_any_json_reader(tmp_path):
    async def scenario(http):
        body = b'{"name": "first", "name": "last"}'
        assert (await http.post("/things", content=body, headers=JSON)).json()["name"] == "last"

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""]
)
def test_another_media_type_is_415(tmp_path, media):
    async def scenario(http):
        response = await http.post(
            "/things", content=b'{"name": "x"}', headers={"Content-Type": media}
        )
        check_problem(response, 415)

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    "media", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON ;x=y"]
)
def test_json_by_any_spelling_is_read(tmp_path, media):
    async def scenario(http):
        response = await http.post(
            "/things", content=b'{"name": "x"}', headers={"Content-Type": media}
        )
        assert response.status_code == 201

    with_client(tmp_path, scenario)


def test_a_body_may_be_left_out_where_no_field_is_needed(tmp_path):
    async def scenario(http):
        assert (await http.post("/runs")).json()["count"] == 1
        assert (await http.post("/runs", json={"count": 3})).json()["count"] == 3
        check_problem(await http.post("/runs", content=b"{}"), 415)
        check_problem(await http.post("/runs", content=b" ", headers=JSON), 422)
        check_problem(await http.post("/things"), 415)

    with_client(tmp_path, scenario)


# --- sizes and broken transfers -------------------------------------------------------------------


def body_of(size):
    text = json.dumps({"name": "x", "labels": {"a": ""}})
    return text.replace('""', '"' + "y" * (size - len(text)) + '"').encode()


async def chunks(body, size=100):
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_a_body_at_the_limit_passes_and_one_byte_more_is_413(tmp_path):
    async def scenario(http):
        for body in (body_of(2000), chunks(body_of(2000))):
            response = await http.post("/things", content=body, headers=JSON)
            assert response.status_code == 201, response.text
        for body in (body_of(2001), chunks(body_of(2001)), chunks(b"x" * 9000)):
            check_problem(await http.post("/things", content=body, headers=JSON), 413)

    with_client(tmp_path, scenario)


def test_a_body_over_the_limit_is_not_read_to_its_end(tmp_path):
    async def scenario(system):
        app, key = make_app(system), await system.key("admin")
        part = {"type": "http.request", "body": b"x" * 1500, "more_body": True}
        status, _, _, left = await raw_request(
            app, "POST", "/things", [part] * 10, x_api_key=key, content_type="application/json"
        )
        assert (status, left) == (413, 8)
        status, _, _, left = await raw_request(
            app, "POST", "/things", [part] * 10, x_api_key=key, content_length="2001"
        )
        assert (status, left) == (413, 10)
        status, _, _, _ = await raw_request(
            app, "POST", "/things", [part] * 10, x_api_key=key, content_length="9" * 5000
        )
        assert status == 413

    play(tmp_path, scenario)


def test_a_body_that_was_cut_short_does_nothing_even_where_it_could_be_left_out(tmp_path):
    async def scenario(system):
        app, key = make_app(system), await system.key("admin")
        gone = {"type": "http.disconnect"}
        start = {"type": "http.request", "body": b"", "more_body": True}
        for messages in ([gone], [start, gone], [start, start, gone]):
            status, _, body, _ = await raw_request(
                app, "POST", "/runs", messages, x_api_key=key, content_type="application/json"
            )
            assert status == 422
            assert b"cut short" in body

    play(tmp_path, scenario)


def test_who_may_not_enter_is_told_before_the_body_is_read(tmp_path):
    async def scenario(system):
        status, _, _, left = await raw_request(
            make_app(system), "POST", "/things", [{"type": "http.request", "body": b"{"}]
        )
        assert (status, left) == (401, 1)

    play(tmp_path, scenario)


# --- queries and paths ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=501", "?limit"),
        ("limit=x", "?limit"),
        ("limit=", "?limit"),
        ("limit=1e2", "?limit"),
        ("unknown=1", "?unknown"),
        ("a/b=1", "?a~1b"),
        ("cursor=a%00b", "?cursor"),
        ("%00=1", "?\x00"),
        ("cursor=" + "x" * 2001, "?cursor"),
    ],
)
def test_a_bad_query_is_422_and_names_the_parameter(tmp_path, query, pointer):
    async def scenario(http):
        document = check_problem(await http.get(f"/things?{query}"), 422)
        assert document["errors"][0]["pointer"] == pointer

    with_client(tmp_path, scenario)


@pytest.mark.parametrize("query", ["cursor=%FF", "cursor=%ED%A0%80", "%FF=1"])
def test_a_query_that_is_not_utf8_is_422(tmp_path, query):
    async def scenario(http):
        check_problem(await http.get(f"/things?{query}"), 422)

    with_client(tmp_path, scenario)


def test_a_good_query_reaches_the_handler(tmp_path):
    async def scenario(http):
        assert (await http.get("/things")).json()["count"] == 50
        assert (await http.get("/things?limit=500&cursor=%C3%A9")).json()["count"] == 500

    with_client(tmp_path, scenario)


def test_a_nul_in_the_path_is_404(tmp_path):
    async def scenario(http):
        check_problem(await http.put("/things/a%00b", json={"name": "x"}), 404)

    with_client(tmp_path, scenario)


@pytest.mark.parametrize("path", ["/", "/nothing", "/things/", "/things/a/b", "//things", "/v1"])
def test_an_unknown_path_is_404_as_a_problem(tmp_path, path):
    async def scenario(http):
        document = check_problem(await http.get(path), 404)
        assert document["type"] == "urn:whetstone:problem:not_found"

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/things"), ("GET", "/things/a"), ("POST", "/open")]
)
def test_a_method_that_a_path_does_not_have_is_405_as_a_problem(tmp_path, method, path):
    async def scenario(http):
        document = check_problem(await http.request(method, path), 405)
        assert document["type"] == "urn:whetstone:problem:method_not_allowed"
        assert method in document["detail"]

    with_client(tmp_path, scenario)


# --- idempotency keys -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_has_1_to_255_characters(tmp_path, key):
    async def scenario(http):
        headers = {"Idempotency-Key": key}
        response = await http.post("/things", json={"name": "x"}, headers=headers)
        assert check_problem(response, 422)["errors"][0]["pointer"] == "Idempotency-Key"

    with_client(tmp_path, scenario)


def test_a_key_belongs_to_its_caller_its_route_and_its_path(tmp_path):
    async def scenario(system):
        app = make_app(system)
        headers = {"Idempotency-Key": "k" * 255}
        seen = []
        for number in range(2):
            key = await system.key("submit", key_id=f"key_{number}")
            async with client(app, **{"X-API-Key": key}) as http:
                body = {"name": "x"}
                response = await http.post("/things", json=body, headers=headers)
                seen.append(response.json()["key"].partition(":")[0])
                for path in ("/things/a", "/things/b"):
                    response = await http.put(path, json=body, headers=headers)
                    seen.append(response.json()["key"])
        assert None not in seen
        assert len(set(seen)) == 6

    play(tmp_path, scenario)


def test_the_fingerprint_of_a_request_covers_body_and_query(tmp_path):
    async def scenario(http):
        headers = {"Idempotency-Key": "k"}
        prints = []
        for url, body in (
            ("/runs", None),
            ("/runs?dry_run=true", None),
            ("/runs?dry_run=false", None),
            ("/runs", {"count": 2}),
            ("/runs", {"count": 3}),
        ):
            response = await http.post(url, json=body, headers=headers)
            prints.append(response.json()["key"])
        assert len(set(prints)) == 5
        again = await http.post("/runs?dry_run=true", headers=headers)
        assert again.json()["key"] == prints[1]

    with_client(tmp_path, scenario)


def test_a_request_without_a_key_has_none(tmp_path):
    async def scenario(http):
        assert (await http.post("/things", json={"name": "x"})).json()["key"] is None

    with_client(tmp_path, scenario)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/broken", "/unprintable"])
def test_a_crash_is_a_500_that_tells_nothing(tmp_path, path):
    async def scenario(http):
        response = await http.get(path)
        document = check_problem(response, 500)
        assert "secret" not in response.text
        assert document["detail"] == "something went wrong on our side; it was logged"

    with_client(tmp_path, scenario)


def test_a_crash_before_the_handler_is_told_the_same_way(tmp_path):
    async def scenario(system):
        app = make_app(system)

        async def authenticate(headers):
            raise KeyError("secret")

        app._gate().guard.authenticate = authenticate
        async with client(app) as http:
            response = await http.get("/things")
        check_problem(response, 500)
        assert "secret" not in response.text

    play(tmp_path, scenario)


def test_a_handler_adds_headers_to_its_answer(tmp_path):
    async def scenario(http):
        response = await http.get("/machines")
        assert response.headers["x-extra"] == "ü"
        response = await http.get("/stream")
        assert (response.text, response.headers["x-extra"]) == ("onetwo", "streamed")

    with_client(tmp_path, scenario)


def test_a_handler_with_a_parameter_that_cannot_be_read_is_refused_at_once(tmp_path):
    async def scenario(system):
        app = make_app(system)

        async def handler(count: int) -> Caller:
            raise AssertionError

        with pytest.raises(TypeError, match="cannot read"):
            app.endpoint("GET", "/bad", needs=app.endpoints["GET", "/open"].needs)(handler)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/things"), ("PUT", "/things/a"), ("GET", "/machines")],
)
@pytest.mark.parametrize("query", ["dry_run=true", "=", "x", "limit=1&limit=2", "%00=1", "%ff"])
def test_a_route_that_takes_no_query_refuses_one_and_names_it(tmp_path, method, path, query):
    async def scenario(http):
        body = {"json": {"name": "x"}} if "things" in path else {}
        document = check_problem(await http.request(method, f"{path}?{query}", **body), 422)
        name = query.partition("=")[0]
        if "%" not in name:
            assert document["errors"][0]["pointer"] == f"?{name}"

    with_client(tmp_path, scenario)


def test_probes_and_pushes_may_come_with_a_query(tmp_path):
    async def scenario(system):
        app = make_app(system)
        async with client(app) as http:
            assert (await http.get("/open?now=1")).status_code == 200
        token = {"Authorization": f"Bearer {system.token('bus', 'system')}"}
        async with client(app, **token) as http:
            assert (await http.post("/ours?token=abc", content=b"x")).json()["count"] == 1

    play(tmp_path, scenario)


def test_a_path_that_reads_like_a_template_is_a_path_like_any_other(tmp_path):
    async def scenario(http):
        answer = await http.put("/things/%7Bthing_id%7D", json={"name": "x"})
        assert (answer.status_code, answer.json()["name"]) == (200, "{thing_id}")

    with_client(tmp_path, scenario)
