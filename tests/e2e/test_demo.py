"""The demo as a person starts it: its facts, also twice on one server that runs already.

On the local cloud it tells the same as on a server of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cloud_server import CloudServer
from tests.support.server import KEY, Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 900
SETTINGS = {"WHETSTONE_CONFIG_FILE": str(ROOT / "demo" / "whetstone.yaml")}


def play(facts_file, *options, **environment):
    """Returns the facts and the page of one quick demo."""
    command = [sys.executable, "-m", "demo", "--quick", "--json", str(facts_file), *options]
    clean = {name: text for name, text in os.environ.items() if not name.startswith("WHETSTONE_")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**clean, "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(facts_file.read_text("utf-8")), done.stdout


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The facts and the page of the demo on a server of its own."""
    folder = tmp_path_factory.mktemp("own")
    return play(folder / "facts.json", "--own", "--data-dir", str(folder / "data"))


@pytest.fixture
def running(request, tmp_path, clouds):
    """Gives a server with the demo's settings, and its data folder."""
    store = request.config.getoption("--cloud")
    if store is None:
        with Server(tmp_path / "data", SETTINGS) as server:
            yield server, tmp_path / "data"
        return
    clouds.end(store)  # two at once take 3 GB
    with CloudServer(tmp_path / "data", store, SETTINGS) as server:
        yield server, tmp_path / "data"


def figures(facts):
    """Returns what does not depend on ids, which are drawn anew for each server."""
    told = {name: fact for name, fact in facts.items() if name != "experiment"}  # arms go by id
    for name, member in (("run", "snapshot_id"), ("trust", "snapshot_id"), ("forward", "current")):
        told[name] = {one: value for one, value in facts[name].items() if one != member}
    return told


def test_demo_on_its_own_server_tells_what_was_learned(own):
    facts, page = own
    assert facts["entries"] == {
        "submitted": 40,
        "known": 0,
        "approve": 33,
        "reject": 6,
        "request_revision": 1,
    }
    assert facts["search"]["recall_at_3"] > 0.9
    assert facts["search"]["rejected_found"] == 0
    assert round(facts["before"]["accuracy"], 4) == 0.6931
    assert facts["dry_run"]["unchanged"]
    assert facts["dry_run"]["changes"] > 0
    assert facts["run"]["ratings"] == facts["evidence"]["ratings"] > 1000
    assert facts["after"]["usd_per_1000"] < facts["before"]["usd_per_1000"]
    assert facts["rollback"]["same_as_before"] == facts["rollback"]["prompts"]
    assert facts["forward"]["same_as_after"] == facts["rollback"]["prompts"]
    assert facts["trust"]["agents"] == 39
    assert facts["trust"]["rho_unseen"] > 0.3
    assert facts["audit"]["ok"]
    assert facts["waiting"] == 14
    assert "after learning" in page
    assert f"{facts['after']['accuracy']:.2%}" in page


def test_demo_tells_the_same_on_a_server_that_runs_and_may_be_played_again(tmp_path, running, own):
    server, data = running
    environment = {"WHETSTONE_URL": server.url, "WHETSTONE_DATA_DIR": str(data)}
    environment["WHETSTONE_API_KEY"] = KEY
    first, _ = play(tmp_path / "first.json", **environment)
    again, page = play(tmp_path / "again.json", **environment)
    assert figures(first) == figures(own[0])
    assert (first["round"], again["round"]) == (1, 2)
    assert "this is round 2" in page
    assert again["entries"]["known"] == 40
    assert again["entries"]["approve"] == 0
    assert again["before"] == first["before"]
    assert again["after"] == first["after"]
    assert again["audit"]["ok"]
    assert (first["waiting"], again["waiting"]) == (14, 14), "what waits is there once"


def test_demo_makes_its_key_from_the_servers_data_folder(tmp_path, running):
    server, data = running
    environment = {"WHETSTONE_URL": server.url, "WHETSTONE_DATA_DIR": str(data)}
    facts, page = play(tmp_path / "facts.json", **environment)
    assert facts["audit"]["ok"]
    assert "No person's token" not in page


def test_demo_without_a_key_says_what_it_needs(tmp_path):
    with Server(tmp_path / "data") as server:
        command = [sys.executable, "-m", "demo", "--url", server.url]
        clean = {k: text for k, text in os.environ.items() if not k.startswith("WHETSTONE_")}
        environment = {**clean, "WHETSTONE_DATA_DIR": str(tmp_path / "elsewhere")}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "WHETSTONE_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
