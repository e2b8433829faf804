"""Signing in, and what every page and every action of the console holds to."""

import httpx
import pytest

from functions.console.main import app
from shared import bootstrap
from shared.services import signing_in
from shared.web.pages import HEADERS
from shared.web.session import PLAIN_COOKIE, Session
from tests.support.system import WORKSPACE, play

ORIGIN = {"Origin": "http://whetstone.test"}


async def browser(system, *, role="reviewer", subject="ada", workspace=WORKSPACE):
    """Returns HTTP with a session, whose changes carry its token."""
    http = await system.client(app)
    sessions = bootstrap.desk().sessions
    session = Session(subject, workspace, role, "sid")
    http.cookies.set(PLAIN_COOKIE, sessions.open(session))
    http.headers.update({**ORIGIN, "X-CSRF-Token": sessions.csrf(session)})
    return http


def test_a_stranger_is_sent_to_the_sign_in_from_every_page(tmp_path):
    async def scenario(system):
        http = await system.client(app)
        for (method, path), route in app.pages.items():
            if route.page.role is None:
                continue
            answer = await http.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in"), path

    play(tmp_path, scenario)


def test_a_link_signs_in_once(tmp_path):
    async def scenario(system):
        code = await signing_in.make_code(system.deps, "ada", "reviewer", WORKSPACE, "system:cli")
        http = await system.client(app)
        assert "ada" in (await http.get(f"/sign-in?code={code}")).text
        first = await http.post("/sign-in", data={"code": code}, headers=ORIGIN)
        assert (first.status_code, first.headers["location"]) == (303, "/queue")
        assert "HttpOnly" in first.headers["set-cookie"]
        assert (await http.get("/queue")).status_code == 200
        again = await (await system.client(app)).post(
            "/sign-in", data={"code": code}, headers=ORIGIN
        )
        assert again.status_code == 401
        assert "set-cookie" not in again.headers

    play(tmp_path, scenario)


def test_a_link_works_for_ten_minutes(tmp_path):
    async def scenario(system):
        code = await signing_in.make_code(system.deps, "ada", "viewer", WORKSPACE, "system:cli")
        system.clock.advance(signing_in.CODE_S)
        http = await system.client(app)
        assert (await http.post("/sign-in", data={"code": code}, headers=ORIGIN)).status_code == 401

    play(tmp_path, scenario)


def test_over_https_the_cookie_is_bound_to_the_host(tmp_path):
    async def scenario(system):
        code = await signing_in.make_code(system.deps, "ada", "viewer", WORKSPACE, "system:cli")
        http = await system.client(app)
        headers = {"X-Forwarded-Proto": "https", "Origin": "https://whetstone.test"}
        answer = await http.post("/sign-in", data={"code": code}, headers=headers)
        assert answer.headers["set-cookie"].startswith("__Host-whetstone=")
        assert "Secure" in answer.headers["set-cookie"]

    play(tmp_path, scenario)


@pytest.mark.parametrize("headers", [{"X-CSRF-Token": "wrong"}, {"Origin": "http://evil.test"}])
def test_a_change_needs_our_origin_and_the_sessions_token(tmp_path, headers):
    async def scenario(system):
        http = await browser(system)
        assert (await http.post("/sign-out", headers=headers)).status_code == 403
        assert (await http.post("/sign-out")).status_code == 303

    play(tmp_path, scenario)


def test_a_change_without_an_origin_is_refused(tmp_path):
    async def scenario(system):
        http = await browser(system)
        del http.headers["Origin"]
        assert (await http.post("/sign-out")).status_code == 403

    play(tmp_path, scenario)


def test_the_token_of_another_session_opens_nothing(tmp_path):
    async def scenario(system):
        http = await browser(system)
        sessions = bootstrap.desk().sessions
        other = sessions.csrf(Session("ada", WORKSPACE, "reviewer", "another"))
        assert (await http.post("/sign-out", headers={"X-CSRF-Token": other})).status_code == 403

    play(tmp_path, scenario)


def test_a_session_is_no_token_of_the_api_and_a_token_is_no_session(tmp_path):
    async def scenario(system):
        session = bootstrap.desk().sessions.open(Session("ada", WORKSPACE, "admin", "sid"))
        from functions.approve.main import app as approve

        api = await system.client(approve)
        bearer = {"Authorization": f"Bearer {session}"}
        assert (await api.get("/v1/approvals", headers=bearer)).status_code == 401
        cookie = {"Cookie": f"{PLAIN_COOKIE}={session}"}
        assert (await api.get("/v1/approvals", headers=cookie)).status_code == 401
        http = await system.client(app)
        http.cookies.set(PLAIN_COOKIE, system.token("ada", "admin"))
        assert (await http.get("/queue")).status_code == 303

    play(tmp_path, scenario)


def test_a_session_ends(tmp_path):
    async def scenario(system):
        http = await browser(system)
        assert (await http.get("/queue")).status_code == 200
        system.clock.advance(12 * 3600)
        assert (await http.get("/queue")).status_code == 303

    play(tmp_path, scenario)


def test_every_answer_carries_the_policy(tmp_path):
    async def scenario(system):
        http = await browser(system)
        for path in ("/queue", "/static/app.css", "/sign-in?code=x", "/static/nothing"):
            answer = await http.get(path)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path

    play(tmp_path, scenario)


@pytest.mark.parametrize("path", ["//evil.test", "https://evil.test", "/\\evil.test", "queue"])
def test_signing_in_leads_nowhere_else(tmp_path, path):
    async def scenario(system):
        code = await signing_in.make_code(system.deps, "ada", "viewer", WORKSPACE, "system:cli")
        http = await system.client(app)
        answer = await http.post("/sign-in", data={"code": code, "next": path}, headers=ORIGIN)
        assert answer.headers["location"] == "/queue"

    play(tmp_path, scenario)


def test_files_may_be_kept_only_under_the_address_that_names_their_content(tmp_path):
    async def scenario(system):
        http: httpx.AsyncClient = await browser(system)
        assert "immutable" in (await http.get("/static/app.css?v=1")).headers["cache-control"]
        assert (await http.get("/static/app.css")).headers["cache-control"] == "no-cache"
        assert (await http.get("/static/../main.py")).status_code == 404

    play(tmp_path, scenario)


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    "path", ["/trust/a/b", "/queue/ent_1/approve/x", "/nothing", "/queue/x/undo"]
)
def test_a_browser_that_asks_for_no_page_gets_one_with_a_way_back(tmp_path, path):
    async def scenario(system):
        http = await browser(system)
        answer = await http.get(path, headers=BROWSER)
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")
        assert 'href="/queue"' in answer.text
        assert f"there is no page at {path}" in answer.text
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        stranger = await (await system.client(app)).get(path, headers=BROWSER)
        assert stranger.status_code == 404
        assert "ada" not in stranger.text

    play(tmp_path, scenario)


def test_the_way_back_leads_to_the_area_too(tmp_path):
    async def scenario(system):
        http = await browser(system)
        answer = await http.get("/learning/snapshots/one", headers=BROWSER)
        assert 'href="/learning">Back to Learning' in answer.text

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("path", "headers"), [("/nothing", {}), ("/v1/nothing", BROWSER), ("/api/v1/x", BROWSER)]
)
def test_programs_get_a_problem_document_where_there_is_nothing(tmp_path, path, headers):
    async def scenario(system):
        http = await browser(system)
        answer = await http.get(path, headers=headers)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"

    play(tmp_path, scenario)


ENDLESS = "/queue/live"
"""Tells what is new as long as somebody listens."""


@pytest.mark.parametrize("limit", ["-1", "0", "501", "1" * 20, "x", "NaN"])
def test_no_page_takes_a_limit_that_is_none(tmp_path, limit):
    async def scenario(system):
        http = await browser(system, role="admin")
        for method, path in app.pages:
            if method == "GET" and "{" not in path and path != ENDLESS:
                answer = await http.get(path, params={"limit": limit})
                assert answer.status_code in {200, 303, 422}, path

    play(tmp_path, scenario)


@pytest.mark.parametrize("part", ["%00", "a" * 3000, "%ff", "..%2f..", "%F0%9F%98%80"])
def test_no_page_fails_over_an_odd_address(tmp_path, part):
    async def scenario(system):
        http = await browser(system, role="admin")
        for method, path in app.pages:
            if method == "GET" and "{" in path:
                odd = path[: path.index("{")] + part
                answer = await http.get(odd, follow_redirects=True)
                assert answer.status_code in {200, 404, 422}, path

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "path",
    [
        "/trust/team%2Fpricing",
        "/trust/what%3F%20%C3%A4",
        "/trust/%F0%9F%98%80",
        "/queue?topic=a%26b&limit=1",
        "/queue",
    ],
)
def test_whoever_signs_in_lands_on_the_page_that_was_asked_for(tmp_path, path):
    async def scenario(system):
        there = (await (await system.client(app)).get(path)).headers["location"]
        http = await browser(system)
        assert (await http.get(there)).headers["location"] == path

    play(tmp_path, scenario)
