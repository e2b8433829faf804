"""Every route is shut until the guard opens it."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest

from shared.domain.access import API_KEYS, ROLES, SCOPES
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.times import plus
from tests.support.system import JWT_SECRET, caller, play
from tests.unit.web.probe import check_problem, client, make_app

NOBODY = [
    {},
    {"X-API-Key": ""},
    {"X-API-Key": "wsk_unknown"},
    {"X-API-Key": "é"},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer wsk_unknown"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer " + "é" * 20},
]


@pytest.mark.parametrize("headers", NOBODY, ids=str)
@pytest.mark.parametrize("path", ["/things", "/machines"])
def test_no_credential_or_an_unknown_one_is_refused(tmp_path, headers, path):
    async def scenario(system):
        async with client(make_app(system)) as http:
            sent = [(name, value.encode()) for name, value in headers.items()]
            response = await http.get(path, headers=sent)
        check_problem(response, 401)
        assert "Bearer" in response.headers["www-authenticate"]

    play(tmp_path, scenario)


def token(claims, *, secret=JWT_SECRET, algorithm="HS256"):
    return jwt.encode(claims, secret, algorithm=algorithm)


def signed(header: bytes, payload: bytes) -> str:
    """Returns a token with any header and payload, signed with the right secret."""
    parts = [base64.urlsafe_b64encode(one).rstrip(b"=") for one in (header, payload)]
    signature = hmac.digest(JWT_SECRET.encode(), b".".join(parts), hashlib.sha256)
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def claims_at(system, **changes):
    now = system.clock.now().timestamp()
    plain = {"sub": "ada", "workspace": "default", "role": "viewer", "exp": int(now) + 60}
    claims = {**plain, **changes}
    return {name: value for name, value in claims.items() if value is not ...}


def test_a_good_token_is_a_person(tmp_path):
    async def scenario(system):
        async with client(make_app(system)) as http:
            good = token(claims_at(system))
            for scheme in ("Bearer", "bearer", "BEARER"):
                response = await http.get("/things", headers={"Authorization": f"{scheme} {good}"})
                assert response.json()["subject"] == "ada"

    play(tmp_path, scenario)


BAD_CLAIMS = [
    {"sub": ...},
    {"workspace": ...},
    {"role": ...},
    {"exp": ...},
    {"sub": ""},
    {"sub": 7},
    {"workspace": ""},
    {"workspace": "_system"},
    {"workspace": ["default"]},
    {"role": "owner"},
    {"role": ["admin"]},
    {"role": None},
    {"exp": "tomorrow"},
    {"exp": True},
    {"exp": 1},
    {"exp": None},
]


@pytest.mark.parametrize("changes", BAD_CLAIMS, ids=str)
def test_a_signed_token_with_wrong_claims_is_refused(tmp_path, changes):
    async def scenario(system):
        payload = json.dumps(claims_at(system, **changes)).encode()
        forged = signed(b'{"alg":"HS256","typ":"JWT"}', payload)
        async with client(make_app(system)) as http:
            response = await http.get("/things", headers={"Authorization": f"Bearer {forged}"})
        check_problem(response, 401)

    play(tmp_path, scenario)


def test_a_token_ends_at_its_expiry(tmp_path):
    async def scenario(system):
        headers = {"Authorization": f"Bearer {token(claims_at(system))}"}
        async with client(make_app(system)) as http:
            system.clock.advance(59)
            assert (await http.get("/things", headers=headers)).status_code == 200
            system.clock.advance(1)
            check_problem(await http.get("/things", headers=headers), 401)

    play(tmp_path, scenario)


def test_forged_tokens_are_refused(tmp_path):
    async def scenario(system):
        claims = claims_at(system, role="admin")
        payload = json.dumps(claims).encode()
        plain = [base64.urlsafe_b64encode(payload).rstrip(b"=").decode()]
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        good = token(claims).split(".")
        other = token({**claims, "sub": "eve"}).split(".")
        deep = b'{"alg":"HS256","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
        forged = [
            token(claims, secret="another secret, also long enough for HS256"),
            token(claims, secret=JWT_SECRET * 2, algorithm="HS384"),
            token(claims, secret=JWT_SECRET * 2, algorithm="HS512"),
            f"{none}.{plain[0]}.",
            f"{none}.{plain[0]}",
            f"{good[0]}.{other[1]}.{good[2]}",
            f"{good[0]}.{good[1]}.",
            f"{good[0]}.{good[1]}",
            signed(b"[]", payload),
            signed(b"\xff", payload),
            signed(b'{"alg":"HS256","crit":["x"]}', payload),
            signed(b'{"alg":"HS256"}', b"[1]"),
            signed(b'{"alg":"HS256"}', b"\xff"),
            signed(b'{"alg":"HS256"}', b"[" * 30_000),
            signed(deep, payload),
        ]
        async with client(make_app(system)) as http:
            for one in forged:
                response = await http.get("/things", headers={"Authorization": f"Bearer {one}"})
                check_problem(response, 401)

    play(tmp_path, scenario)


def test_a_key_is_a_machine_as_header_and_as_bearer(tmp_path):
    async def scenario(system):
        key = await system.key("submit", key_id="key_7")
        async with client(make_app(system)) as http:
            for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
                assert (await http.get("/machines", headers=headers)).json()[
                    "subject"
                ] == "key:key_7"

    play(tmp_path, scenario)


def test_an_expired_key_is_refused_at_once_also_where_it_is_remembered(tmp_path):
    async def scenario(system):
        ends = plus(system.clock.now_text(), 2)
        key = await system.key("submit", expires_at=ends)
        async with client(make_app(system), **{"X-API-Key": key}) as http:
            assert (await http.get("/machines")).status_code == 200
            system.clock.advance(2)
            check_problem(await http.get("/machines"), 401)

    play(tmp_path, scenario)


async def change_key(system, secret, **changes):
    digest = hashlib.sha256(secret.encode()).hexdigest()
    known = await system.store.get(SYSTEM_WORKSPACE, API_KEYS, digest)

    async def write(tx):
        tx.put(API_KEYS, known.model_copy(update=changes))

    await system.store.transact(SYSTEM_WORKSPACE, write)


def test_a_revoked_key_is_refused_within_five_seconds(tmp_path):
    async def scenario(system):
        key = await system.key("submit")
        async with client(make_app(system), **{"X-API-Key": key}) as http:
            assert (await http.get("/machines")).status_code == 200
            await change_key(system, key, revoked_at=system.clock.now_text())
            system.clock.advance(5.001)
            check_problem(await http.get("/machines"), 401)

    play(tmp_path, scenario)


def test_a_key_that_was_deleted_is_forgotten(tmp_path):
    async def scenario(system):
        key = await system.key("submit")
        digest = hashlib.sha256(key.encode()).hexdigest()

        async def remove(tx):
            tx.delete(API_KEYS, digest)

        async with client(make_app(system), **{"X-API-Key": key}) as http:
            assert (await http.get("/machines")).status_code == 200
            await system.store.transact(SYSTEM_WORKSPACE, remove)
            system.clock.advance(6)
            check_problem(await http.get("/machines"), 401)

    play(tmp_path, scenario)


# route → scopes that open it (admin always), least role
ROUTES = {
    ("POST", "/things"): ({"submit"}, "reviewer"),
    ("PUT", "/things/x"): ({"submit"}, None),
    ("POST", "/runs"): (set(), "admin"),
    ("GET", "/things"): ({"submit", "review"}, "viewer"),
    ("GET", "/machines"): ({"submit"}, None),
}


def test_scopes_open_their_routes_and_no_other(tmp_path):
    async def scenario(system):
        app = make_app(system)
        for scope in SCOPES:
            key = await system.key(scope)
            async with client(app, **{"X-API-Key": key}) as http:
                for (method, path), (scopes, _) in ROUTES.items():
                    response = await http.request(method, path)
                    opens = scope == "admin" or scope in scopes
                    assert (response.status_code != 403) is opens, (scope, path)
                check_problem(await http.post("/ours"), 403)

    play(tmp_path, scenario)


def test_roles_open_what_needs_them_or_less(tmp_path):
    async def scenario(system):
        app = make_app(system)
        for role in ROLES:
            bearer = {"Authorization": f"Bearer {system.token(role=role)}"}
            async with client(app, **bearer) as http:
                for (method, path), (_, least) in ROUTES.items():
                    response = await http.request(method, path)
                    opens = least is not None and ROLES.index(role) >= ROLES.index(least)
                    assert (response.status_code != 403) is opens, (role, path)
                    if not opens:
                        assert "this needs" in check_problem(response, 403)["detail"]
                check_problem(await http.post("/ours"), 403)

    play(tmp_path, scenario)


def test_the_system_opens_its_own_routes_only(tmp_path):
    async def scenario(system):
        bearer = {"Authorization": f"Bearer {system.token('bus', 'system')}"}
        async with client(make_app(system), **bearer) as http:
            for method, path in ROUTES:
                check_problem(await http.request(method, path), 403)
            answer = await http.post("/ours", content=b"abc")
        assert answer.json() == {"subject": "system:bus", "name": "", "count": 3, "key": None}

    play(tmp_path, scenario)


def test_a_public_route_needs_nothing_and_asks_nothing(tmp_path):
    async def scenario(system):
        async with client(make_app(system)) as http:
            for headers in NOBODY:
                sent = [(name, value.encode()) for name, value in headers.items()]
                assert (await http.get("/open", headers=sent)).status_code == 200

    play(tmp_path, scenario)


def test_the_caller_has_the_workspace_of_its_credential(tmp_path):
    async def scenario(system):
        app = make_app(system)
        gate = app._gate()
        key = await system.key("submit", workspace="other", key_id="key_o")
        machine = await gate.guard.authenticate({b"x-api-key": key.encode()})
        person = await gate.guard.authenticate(
            {b"authorization": f"Bearer {system.token(workspace='other')}".encode()}
        )
        assert machine == caller("key:key_o", scopes=("submit",), workspace="other")
        assert person == caller("ada", role="reviewer", workspace="other")

    play(tmp_path, scenario)
