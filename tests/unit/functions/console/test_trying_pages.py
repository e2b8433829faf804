"""What is tried out and which models changed: shown in words, with the way on and back."""

import re

import pytest

from functions.console.trials import arm_of, verdict
from shared.domain.learning.runs import SNAPSHOTS
from shared.domain.learning.trials import TRIALS, Comparison
from shared.errors import InvalidInput
from tests.support import trial_scenario
from tests.support.console_scenario import everything
from tests.support.learning import head
from tests.support.system import WORKSPACE, play
from tests.unit.functions.console.test_pages import browser


def playing(tmp_path, scenario, *before, role="admin"):
    async def run(system):
        await everything(system)
        made = [await one(system) for one in before]
        await scenario(system, await browser(system, role=role), *made)

    play(tmp_path, run)


def words_of(text):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


SURE = {"reason": "looked at it", "sure": "yes"}

# --- experiments ----------------------------------------------------------------------------------


def test_an_experiment_tells_what_is_known_so_far_with_intervals(tmp_path):
    async def scenario(system, http, trial):
        text = (await http.get("/learning/experiments")).text
        words = words_of(text)
        assert "Is the large model worth its price?" in words
        assert "local/small, 10 % of the traffic" in words
        assert "correct answers proven to be worse by more than 20 %" in words
        row = re.search(r"Correct answers</th><td>large</td>(.*?)</tr>", text)[1]
        assert "better" in words_of(row)
        assert re.search(r"\d+(\.\d)? % to \d+(\.\d)? %", words_of(row))
        assert 'class="whisker"' in text

    playing(tmp_path, scenario, trial_scenario.experiment)


def test_an_experiment_is_started_and_stopped_from_the_page(tmp_path):
    async def scenario(system, http):
        form = {
            "name": "Which is better?",
            "first": f"snapshot:{(await head(system)).current_id}",
            "second": "model:local/small",
            "share": "0.2",
            "metric": "quality",
            "limit": "0.05",
            "max_days": "7",
        }
        answer = await http.post("/learning/experiments", data=form)
        assert answer.status_code == 303
        page = (await http.get(answer.headers["location"])).text
        assert "It runs" in page
        trial_id = re.search(r"experiments/(exp_\w+)/stop", page)[1]
        trial = await system.store.get(WORKSPACE, TRIALS, trial_id)
        assert [one.share for one in trial.arms] == [0.1, 0.1]
        assert trial.guardrails[0].limit == 0.05
        again = await http.post("/learning/experiments", data=form)
        assert again.status_code == 409
        stop = f"/learning/experiments/{trial_id}/stop"
        assert (await http.post(stop, data={})).status_code == 422
        stopped = await http.post(stop, data={"reason": "we know enough"})
        assert "It is stopped" in (await http.get(stopped.headers["location"])).text
        assert (await system.store.get(WORKSPACE, TRIALS, trial_id)).state == "stopped"

    playing(tmp_path, scenario)


def test_a_viewer_sees_experiments_and_no_buttons(tmp_path):
    async def scenario(system, http, trial):
        text = (await http.get("/learning/experiments")).text
        assert "Is the large model worth its price?" in text
        assert "Stop it" not in text
        assert "needs the role admin; yours is viewer" in words_of(text)

    playing(tmp_path, scenario, trial_scenario.experiment, role="viewer")


@pytest.mark.parametrize("chosen", ["", "snapshot:", "model:local", "model:/x", "local/small"])
def test_a_side_is_a_snapshot_or_a_model(chosen):
    with pytest.raises(InvalidInput):
        arm_of(chosen, 0.1, 1)


def test_both_sides_of_an_experiment_have_names_of_their_own_that_may_be_stored():
    long = f"model:local/{'Very-Long.Name_' * 9}"
    names = [arm_of(long, 0.1, place).name for place in (0, 1)]
    assert len(set(names)) == 2
    assert all(len(one) <= 40 for one in names)


@pytest.mark.parametrize(
    ("worse", "better", "mean", "words"),
    [
        (1.0, 25.0, 0.9, "better"),
        (25.0, 1.0, 0.4, "worse"),
        (3.0, 3.0, 0.5, "no difference proven"),
        (1.0, 1.0, None, "no figures yet"),
    ],
)
def test_a_difference_is_told_once_it_is_proven(worse, better, mean, words):
    found = Comparison(
        metric="quality",
        arm="b",
        n_first=9,
        n=9,
        first_mean=0.5,
        mean=mean,
        low=None,
        high=None,
        worse=worse,
        better=better,
    )
    assert verdict(found) == words


# --- canary ---------------------------------------------------------------------------------------


def test_a_canary_is_shown_with_its_share_and_promoted_with_a_reason(tmp_path):
    async def scenario(system, http, trial):
        before = (await head(system)).current_id
        words = words_of((await http.get("/learning")).text)
        assert "20 % of the traffic" in words
        assert "Time gone, until" in words
        assert (await http.post("/learning/canary/promote", data={})).status_code == 422
        answer = await http.post("/learning/canary/promote", data=SURE)
        page = words_of((await http.get(answer.headers["location"])).text)
        assert "all traffic is served it" in page
        assert "The one before: promoted" in page
        assert (await head(system)).current_id == trial.arms[-1].snapshot_id != before

    playing(tmp_path, scenario, trial_scenario.canary)


def test_a_canary_is_taken_back_into_quarantine_and_that_is_lifted(tmp_path):
    async def scenario(system, http, trial):
        before = (await head(system)).current_id
        candidate = trial.arms[-1].snapshot_id
        answer = await http.post("/learning/canary/revert", data={**SURE, "quarantine": "yes"})
        assert "Taken back" in (await http.get(answer.headers["location"])).text
        assert (await head(system)).current_id == before
        assert (await system.store.get(WORKSPACE, SNAPSHOTS, candidate)).quarantine is not None
        lift = f"/learning/snapshots/{candidate}/lift-quarantine"
        page = (await http.get("/learning")).text
        assert lift in page
        words = words_of(page)
        assert "It may not become current, since" in words
        assert f"Reverted by ada: {SURE['reason']}" in words
        assert f"Receipt of canary {trial.trial_id} Decided by ada" in words
        answer = await http.post(lift, data=SURE)
        assert "The quarantine is lifted" in (await http.get(answer.headers["location"])).text
        assert (await system.store.get(WORKSPACE, SNAPSHOTS, candidate)).quarantine is None

    playing(tmp_path, scenario, trial_scenario.canary)


def test_a_run_that_is_tried_first_does_not_claim_to_serve(tmp_path):
    async def scenario(system, http, trial):
        text = (await http.get("/learning")).text
        newest = re.search(r'href="(/learning/runs/run_\w+)"', text)[1]
        words = words_of((await http.get(newest)).text)
        assert "Being tried" in words
        assert "Applied:" not in words

    playing(tmp_path, scenario, trial_scenario.canary)


@pytest.mark.parametrize(
    ("trying", "words"),
    [
        (trial_scenario.canary, "A canary runs: 80 % of the traffic goes by snapshot"),
        (trial_scenario.experiment, "10 % of the traffic goes by local/small"),
    ],
)
def test_routing_says_what_is_tried_out_beside_the_policy(tmp_path, trying, words):
    async def scenario(system, http, _):
        assert words in words_of((await http.get("/routing")).text)

    playing(tmp_path, scenario, trying)


# --- models that changed --------------------------------------------------------------------------


def test_a_model_that_fell_is_told_with_the_evidence(tmp_path):
    async def scenario(system, http, _):
        words = words_of((await http.get("/learning")).text)
        assert "has fallen" in words
        assert "small on math fell from" in words
        assert re.search(r"local/small math ▼ fell \d{4}-\d\d-\d\d", words)
        assert re.search(r"of [\d ]+ needed", words)

    playing(tmp_path, scenario, trial_scenario.changed)


def test_a_change_that_was_taken_back_is_told_so_with_the_reason(tmp_path):
    async def scenario(system, http, *_):
        words = words_of((await http.get("/learning")).text)
        assert "has fallen" not in words
        assert "▼ fell" in words
        assert "taken back The fall of" in words
        assert re.search(r"as \d+ of the \d+ ratings that proved it were taken back", words)

    playing(tmp_path, scenario, trial_scenario.changed, trial_scenario.changed_back)


def test_where_no_model_has_changed_that_is_said(tmp_path):
    async def scenario(system, http):
        assert "every model answers as it did" in (await http.get("/learning")).text

    playing(tmp_path, scenario)
