"""The pages that watch: what each shows of a full and of an empty workspace, and who may act."""

import json
import re
from typing import get_args

import pytest

from functions.console import monitor
from functions.console.showing import highlighted, model_name, number_of, tone
from functions.console.trust import calibration_words
from shared import bootstrap
from shared.domain.learning.calibration import Calibration
from shared.domain.learning.labels import Telling, ToldPattern
from shared.domain.learning.runs import RUNS
from shared.domain.operations import ALERTS
from shared.errors import Unavailable
from shared.messages.events import FunctionName
from shared.messages.reviewing import RequestRevision
from shared.services import reviewing
from tests.support.console_scenario import HOSTILE, everything
from tests.support.entries import revise, submit
from tests.support.learning import evidence, head, run
from tests.support.serving import make_current, snapshot
from tests.support.system import WORKSPACE, caller, play
from tests.unit.functions.console.test_pages import browser

ADA = caller("ada", role="reviewer")

PAGES = (
    "/trust",
    "/trust/pricing-agent",
    "/patterns",
    "/patterns?category=expert",
    "/learning",
    "/knowledge",
    "/knowledge?q=invoices",
    "/knowledge/versions",
    "/routing",
    "/routing?window=1h",
    "/monitor",
    "/monitor/audit",
)


def with_everything(tmp_path, scenario, role="admin"):
    async def run(system):
        await everything(system)
        await scenario(system, await browser(system, role=role))

    play(tmp_path, run)


def test_every_page_shows_its_data_and_never_runs_what_others_wrote(tmp_path):
    async def scenario(system, http):
        for path in PAGES:
            answer = await http.get(path)
            assert answer.status_code == 200, path
            assert HOSTILE not in answer.text, path
            assert not re.search(r"<[^>]+\s(?:style|on[a-z]+)=", answer.text), path
            assert "<script>" not in answer.text, path

    with_everything(tmp_path, scenario)


def test_every_page_of_an_empty_workspace_says_what_to_do(tmp_path):
    said = {
        "/trust": "POST /v1/recommendations",
        "/patterns": "Nothing has been learned yet",
        "/learning": "Preview the first one",
        "/knowledge": "once they are approved",
        "/knowledge/versions": "There is no version yet",
        "/routing": "The table is empty",
        "/monitor": "No alert is open",
        "/monitor/audit": "No record fits",
    }

    async def scenario(system):
        http = await browser(system, role="viewer")
        for path, words in said.items():
            answer = await http.get(path)
            assert answer.status_code == 200, path
            assert words in answer.text, path

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("path", "form", "role"),
    [
        ("/learning/preview", {}, "reviewer"),
        ("/learning/apply", {"reason": "x", "sure": "yes"}, "reviewer"),
        ("/learning/rollback", {"snapshot_id": "snap_1", "reason": "x", "sure": "yes"}, "reviewer"),
        ("/knowledge/rollback/preview", {"version": 0}, "reviewer"),
        ("/knowledge/rollback", {"version": 0, "reason": "x", "sure": "yes"}, "reviewer"),
        ("/trust/hasty-agent/reinstate", {"reason": "x"}, "reviewer"),
        ("/learning/experiments/exp_1/stop", {"reason": "x"}, "reviewer"),
        ("/learning/canary/promote", {"reason": "x", "sure": "yes"}, "reviewer"),
        ("/learning/canary/revert", {"reason": "x", "sure": "yes"}, "reviewer"),
        ("/monitor/alerts/alr_1/ack", {}, "viewer"),
        ("/monitor/dead-letters/replay", {"ids": "x"}, "reviewer"),
    ],
)
def test_who_lacks_the_role_may_look_but_not_act(tmp_path, path, form, role):
    async def scenario(system):
        http = await browser(system, role=role)
        answer = await http.post(path, data=form)
        assert answer.status_code == 403
        assert (await system.store.audit_page(WORKSPACE)).items == []

    play(tmp_path, scenario)


def test_a_viewer_sees_no_buttons_that_would_refuse(tmp_path):
    async def scenario(system, http):
        for path in ("/learning", "/monitor"):
            text = (await http.get(path)).text
            for words in ("Roll back to it", "Preview a run<", "Acknowledge<", "Replay the chosen"):
                assert words not in text, (path, words)

    with_everything(tmp_path, scenario, role="viewer")


def test_the_cards_come_as_a_spreadsheet(tmp_path):
    async def scenario(system, http):
        answer = await http.get("/trust.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.text.splitlines()) == 4
        assert "trust.overall" in answer.text

    with_everything(tmp_path, scenario)


def test_a_preview_shows_the_changed_rows_and_changes_nothing(tmp_path):
    async def scenario(system, http):
        before = await head(system)
        answer = await http.post("/learning/preview", headers={"HX-Request": "true"})
        assert "<html" not in answer.text
        assert "2 rows change" in answer.text
        assert "In writing, local/medium was " in answer.text
        assert await head(system) == before
        whole = await http.post("/learning/preview")
        assert "<html" in whole.text, "without a script it is a page"

    with_everything(tmp_path, scenario)


def test_applying_needs_a_reason_and_consent_and_keeps_both_on_record(tmp_path):
    async def scenario(system, http):
        before = (await head(system)).current_id
        for form in ({"reason": "why"}, {"sure": "yes"}):
            assert (await http.post("/learning/apply", data=form)).status_code == 422
        answer = await http.post("/learning/apply", data={"reason": "seen", "sure": "yes"})
        assert answer.status_code == 303
        page = await http.get(answer.headers["location"])
        assert "Applied:" in page.text
        assert (await head(system)).current_id != before
        run_id = answer.headers["location"].rpartition("/")[2]
        assert (await system.store.get(WORKSPACE, RUNS, run_id)).trigger == "seen"

    with_everything(tmp_path, scenario)


def test_rolling_back_moves_the_pointer_and_says_so(tmp_path):
    async def scenario(system, http):
        earlier = (await head(system)).previous_id
        form = {"snapshot_id": earlier, "reason": "worse", "sure": "yes"}
        answer = await http.post("/learning/rollback", data=form)
        page = await http.get(answer.headers["location"])
        assert "Automatic runs wait" in page.text
        assert (await head(system)).current_id == earlier
        again = await http.post("/learning/rollback", data=form)
        assert again.status_code == 409

    with_everything(tmp_path, scenario)


def test_search_marks_matches_and_says_how_it_was_answered(tmp_path):
    async def scenario(system, http):
        text = (await http.get("/knowledge?q=invoices")).text
        assert "<mark>Invoices</mark>" in text
        assert "found</strong> in" in text
        nothing = (await http.get("/knowledge?q=zeppelin")).text
        assert "Nothing fits" in nothing

    with_everything(tmp_path, scenario)


def test_an_entry_shows_its_whole_history(tmp_path):
    async def scenario(system, http):
        listed = (await http.get("/knowledge/versions")).text
        entry_id = re.findall(r'removed</span> <a href="/knowledge/(ent_\w+)', listed)[0]
        text = (await http.get(f"/knowledge/{entry_id}")).text
        for words in ("Revision 1", "Approved", "Checked.", "− removed", "entry.retracted"):
            assert words in text, words
        assert (await http.get("/knowledge/ent_unknown")).status_code == 404

    with_everything(tmp_path, scenario)


def test_a_long_history_is_paged(tmp_path):
    async def scenario(system):
        http = await browser(system, role="admin")
        entry_id = await submit(system)
        asked = RequestRevision(notes="name the source")
        await reviewing.decide(
            system.deps, ADA, entry_id, asked, None, verdict="request_revision", notes=asked.notes
        )
        await revise(system, entry_id, 1)
        first = (await http.get(f"/knowledge/{entry_id}?limit=1")).text
        assert "Revision 2" in first
        assert "Revision 1" not in first
        (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await http.get(older)).text
        assert "Revision 1" in second
        assert "name the source" in second
        assert f'href="/knowledge/{entry_id}">First page' in second

    play(tmp_path, scenario)


def test_two_versions_are_compared(tmp_path):
    async def scenario(system, http):
        text = (await http.get("/knowledge/versions?older=2&newer=5")).text
        assert "From 2 to 5: 3 entries differ" in text
        assert "removed, was revision 1" in text

    with_everything(tmp_path, scenario)


def test_search_is_taken_back_to_a_version_after_a_preview(tmp_path):
    async def scenario(system, http):
        partial = {"HX-Request": "true"}
        told = await http.post("/knowledge/rollback/preview", data={"version": 2}, headers=partial)
        assert "changes 3 entries in search" in told.text
        whole = await http.post("/knowledge/rollback/preview", data={"version": 2})
        assert "<html" in whole.text
        assert (await http.post("/knowledge/rollback", data={"version": 2})).status_code == 422
        form = {"version": 2, "reason": "bad source", "sure": "yes"}
        answer = await http.post("/knowledge/rollback", data=form)
        assert "Search goes back" in (await http.get(answer.headers["location"])).text
        again = await http.post("/knowledge/rollback/preview", data={"version": 2}, headers=partial)
        assert "nothing to change" in again.text

    with_everything(tmp_path, scenario)


def test_a_run_that_changes_much_is_gone_through_page_by_page(tmp_path):
    async def scenario(system):
        for number in range(130):
            await evidence(system, 12, pattern=f"p{number:03}", model="medium")
        http = await browser(system, role="admin")
        partial = {"HX-Request": "true"}
        preview = (await http.post("/learning/preview", data={}, headers=partial)).text
        assert "are shown" not in preview
        done = await run(system)
        text = (await http.get(f"/learning/runs/{done.run_id}")).text
        assert "100 of 130 changes are shown." in text
        assert ("p099" in text, "p100" in text) == (True, False)
        following = re.search(r'rel="next" href="([^"]+)"', text).group(1)
        text = (await http.get(following)).text
        assert ("p099" in text, "p100" in text, "p129" in text) == (False, True, True)
        assert "30 of 130 changes are shown." in text
        assert 'rel="next"' not in text
        assert f'href="/learning/runs/{done.run_id}">First page' in text

    play(tmp_path, scenario)


def test_the_patterns_that_labelled_prompts_teach_are_listed(tmp_path):
    async def scenario(system):
        http = await browser(system, role="viewer")
        assert "Requests that state theirs teach it" in (await http.get("/routing")).text
        known = ((HOSTILE, 300), ("refunds", 1200))
        taught = tuple(ToldPattern(pattern=name, prompts=n, prior=-3) for name, n in known)
        made = snapshot().model_copy(update={"telling": Telling(patterns=taught)})
        await make_current(system, made)
        system.clock.advance(5)
        text = (await http.get("/routing")).text
        assert "2 patterns with labelled prompts" in text
        assert re.findall(r'num">([^<]+)</td></tr>', text) == ["1\u202f200", "300"]
        assert "not yet told rightly 80 times in 100" in text
        assert HOSTILE not in text

    play(tmp_path, scenario)


def test_a_prompt_is_tried_in_place(tmp_path):
    async def scenario(system, http):
        form = {"prompt": "Write a Python function that adds."}
        text = (await http.post("/routing/try", data=form, headers={"HX-Request": "true"})).text
        assert "local/medium" in text
        assert "chosen" in text
        assert "told by the shipped rules" in text
        assert "<html" not in text
        assert (await http.post("/routing/try", data={"prompt": " "})).status_code == 422

    with_everything(tmp_path, scenario)


def test_an_alert_is_acknowledged_by_who_asks(tmp_path):
    async def scenario(system, http):
        text = (await http.get("/monitor")).text
        alert_id = re.findall(r"/monitor/alerts/(alr_\w+)/ack", text)[0]
        answer = await http.post(f"/monitor/alerts/{alert_id}/ack")
        assert answer.status_code == 303
        assert (await system.store.get(WORKSPACE, ALERTS, alert_id)).acknowledged_by == "ada"
        assert "ada looks after it" in (await http.get(answer.headers["location"])).text

    with_everything(tmp_path, scenario)


def test_dead_letters_are_replayed_from_the_page(tmp_path):
    async def scenario(system, http):
        (letter,) = await system.bus.dead_letters(WORKSPACE)
        assert "the channel does not answer" in (await http.get("/monitor")).text
        answer = await http.post("/monitor/dead-letters/replay", data={"ids": [letter.id]})
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == "/monitor?done=replayed"
        assert await system.bus.dead_letters(WORKSPACE) == []
        nothing = await http.post("/monitor/dead-letters/replay")
        assert nothing.headers["location"] == "/monitor"

    with_everything(tmp_path, scenario)


def test_the_audit_log_is_filtered_and_verified(tmp_path):
    async def scenario(system, http):
        text = (await http.get("/monitor/audit?action=entry.retracted")).text
        assert text.count("entry.retracted</td>") == 1
        assert "entry.approved</td>" not in text
        first = (await http.get("/monitor/audit?limit=5")).text
        behind = re.findall(r'rel="next" href="([^"]+)"', first)[0].replace("&amp;", "&")
        assert "First page" in (await http.get(behind)).text
        told = await http.post("/monitor/audit/verify", headers={"HX-Request": "true"})
        assert "The chain holds" in told.text

    with_everything(tmp_path, scenario)


def test_matches_are_marked_and_the_rest_is_text() -> None:
    assert highlighted("a **b** <i>") == "a <mark>b</mark> &lt;i&gt;"
    assert highlighted("**<b>**") == "<mark>&lt;b&gt;</mark>"
    assert highlighted("2 ** 3") == "2 ** 3"


def test_figures_of_runs_are_read_whatever_their_form() -> None:
    assert [number_of(one) for one in ({"mean": 2}, 1.5, None, "x", {})] == [
        2,
        1.5,
        None,
        None,
        None,
    ]
    assert model_name({"provider": "p", "model": "m"}) == "p/m"
    assert model_name(None) == "the default"
    assert [tone(score) for score in (0.7, 0.45, 0.1)] == ["good", "fair", "poor"]


async def no_answer():
    raise Unavailable("the function serve did not answer in time")


async def degraded():
    checks = {"store": {"status": "failed", "latency_ms": 2000.0}}
    return json.dumps({"status": "degraded", "version": "0.0.9", "checks": checks}).encode()


def test_each_function_is_shown_wherever_it_runs(tmp_path, monkeypatch):
    async def scenario(system, http):
        monkeypatch.setattr(bootstrap, "asks", lambda: {"serve": no_answer, "submit": degraded})
        monkeypatch.setattr(monitor.WATCHED, "functions", lambda: ("console", "approve"))
        text = (await http.get("/monitor")).text
        shown = {
            name: re.sub(r"<[^>]+>|\s+", " ", part)
            for name, part in re.findall(
                r'<div class="agent-head"><h3>(\w+)</h3>(.*?)</li>', text, re.DOTALL
            )
        }
        assert set(shown) == {*get_args(FunctionName)}
        assert "no answer" in shown["serve"]
        assert "degraded" in shown["submit"]
        assert "store failed" in shown["submit"]
        assert "version 0.0.9" in shown["submit"]
        assert "ok" in shown["approve"]
        assert "1 dead letter, see below" in shown["notify"]
        assert "cannot be asked from here" in shown["publish"]
        assert "submit, serve need a look" in text
        assert "charts below are of the console's own process" in text
        monkeypatch.setattr(monitor.WATCHED, "functions", lambda: get_args(FunctionName))
        assert "charts below" not in (await http.get("/monitor")).text

    with_everything(tmp_path, scenario)


def test_trust_is_explained_in_a_sentence_with_how_well_confidence_is_borne_out(tmp_path):
    async def scenario(system, http):
        for path in ("/trust", "/trust/churn-agent"):
            text = (await http.get(path)).text
            assert "with an outcome were approved" in text, path
            assert re.search(r"off by \d+ points \(\d+ to \d+\)", text), path
        hasty = (await http.get("/trust/hasty-agent")).text
        assert "While it is disabled" in hasty

    with_everything(tmp_path, scenario)


def test_an_agent_of_whom_nothing_is_known_has_no_error():
    assert calibration_words(Calibration()) == "nothing to hold it against yet"


def test_a_disabled_agent_is_let_back_on_probation_with_a_reason(tmp_path):
    async def scenario(system, http):
        back = "/trust/hasty-agent/reinstate"
        assert back in (await http.get("/trust/hasty-agent")).text
        assert (await http.post(back, data={})).status_code == 422
        answer = await http.post(back, data={"reason": "its prompt was repaired"})
        page = (await http.get(answer.headers["location"])).text
        assert "on probation" in page
        assert back not in page
        assert "on probation" in (await http.get("/trust")).text
        assert (await http.post(back, data={"reason": "again"})).status_code == 409
        assert "/reinstate" not in (await http.get("/trust/pricing-agent")).text

    with_everything(tmp_path, scenario)


def test_a_pattern_says_whether_it_is_new_or_confirmed_and_where_it_is_heading(tmp_path):
    async def scenario(system, http):
        text = (await http.get("/patterns")).text
        assert re.search(r'class="badge (good|)">(confirmed|new)<', text)
        assert "<dt>Heading</dt>" in text

    with_everything(tmp_path, scenario)
