"""Raters: shown with what speaks against them, set aside and put back by admins alone."""

from functions.console.raters import COUNTS
from shared.domain.learning.raters import RATERS
from tests.support import rater_scenario
from tests.support.system import WORKSPACE, play
from tests.unit.functions.console.test_pages import browser
from tests.unit.functions.console.test_trying_pages import SURE, playing, words_of


def test_raters_are_shown_with_what_speaks_against_them(tmp_path):
    async def scenario(system, http, _):
        words = words_of((await http.get("/monitor/raters")).text)
        for part in ("ada proven", "generous doubted", "script-7 set aside", "new-here new"):
            assert part in words, part
        assert "12 newcomers praised local/large together" in words
        aside = (await http.get("/monitor/raters?state=aside")).text
        assert "script-7" in aside
        assert "generous" not in aside
        assert COUNTS["aside"] == 0 < COUNTS["doubted"] < COUNTS["proven"] == 1

    playing(tmp_path, scenario, rater_scenario.raters)


def test_a_rater_is_set_aside_and_put_back_with_a_reason(tmp_path):
    async def scenario(system, http, _):
        for name, action, state in (
            ("generous", "set-aside", "aside"),
            ("script-7", "put-back", "new"),
        ):
            path = f"/monitor/raters/{name}/{action}"
            assert (await http.post(path, data={})).status_code == 422
            answer = await http.post(path, data={"reason": "asked them"})
            assert answer.status_code == 303
            assert 'role="status"' in (await http.get(answer.headers["location"])).text
            assert (await system.store.get(WORKSPACE, RATERS, name)).state == state

    playing(tmp_path, scenario, rater_scenario.raters)


def test_only_an_admin_sees_raters(tmp_path):
    async def scenario(system, http, _):
        assert (await http.get("/monitor/raters")).status_code == 403
        assert (await http.post("/monitor/raters/ada/set-aside", data=SURE)).status_code == 403
        assert 'href="/monitor/raters"' not in (await http.get("/monitor")).text

    playing(tmp_path, scenario, rater_scenario.raters, role="reviewer")


def test_a_workspace_without_ratings_says_how_raters_come(tmp_path):
    async def scenario(system):
        http = await browser(system, role="admin")
        assert "POST /v1/feedback" in (await http.get("/monitor/raters")).text
        assert "Nobody is doubted" in (await http.get("/monitor/raters?state=doubted")).text

    play(tmp_path, scenario)
