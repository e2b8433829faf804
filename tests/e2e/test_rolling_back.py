"""scripts/rollback learning, knowledge and all, against a real server."""

import json

import pytest
from click.testing import CliRunner

from deploying.__main__ import main
from tests.fakes.cloud_commands import STATE, install, new_cloud, shares
from tests.fakes.openai_server import OpenAIServer
from tests.support.waiting import until
from tests.support.world import World, settings_file

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(tmp_path_factory, serve):
    with serve(tmp_path_factory.mktemp("server") / "data") as server:
        found = World(server)
        yield found
        found.close()


def command(world, *words):
    key = world.server.headers["X-API-Key"]
    where = [f"--url={world.server.url}", f"--key={key}", "--reason=it got worse"]
    found = CliRunner().invoke(main, ["rollback", *words, *where])
    return found.exit_code, " ".join(found.output.split())


def found(world, entry_id):
    hits = world.post("/v1/search", {"text": "word", "limit": 50})["items"]
    return entry_id in [one["entry_id"] for one in hits]


def current(world):
    items = world.http.get("/v1/learning/snapshots").json()["items"]
    return next((one["snapshot_id"] for one in items if one["current"]), None)


def test_learning_goes_back_to_the_snapshot_before_and_again_changes_nothing(tmp_path, serve):
    with OpenAIServer() as provider:
        environment = settings_file(tmp_path, provider.base_url)
        with serve(tmp_path / "data", environment) as server:
            world = World(server)
            first = world.earlier_snapshot()
            second = current(world)
            assert command(world, "learning", "--dry-run")[0] == 0
            assert current(world) == second
            code, said = command(world, "learning")
            assert (code, current(world)) == (0, first), said
            assert f"{second} -> {first}" in said
            code, said = command(world, "learning", f"--snapshot={first}")
            assert code == 0
            assert "is current already" in said
            code, said = command(world, "learning")
            assert (code, current(world)) == (0, first)
            assert "rolled back to" in said
            world.close()


def test_where_there_is_no_earlier_snapshot_that_is_told(world):
    code, said = command(world, "learning")
    assert code == 1
    assert "no earlier snapshot" in said


def test_knowledge_goes_back_to_a_version_and_search_shows_it(world):
    kept, bad = world.approved(), None
    until(lambda: found(world, kept))
    bad = world.approved()
    until(lambda: found(world, bad))
    code, said = command(world, "knowledge", "--to=1", "--dry-run")
    assert code == 0, said
    assert "1 entries change" in said
    assert found(world, bad)
    code, said = command(world, "knowledge", "--to=1")
    assert code == 0, said
    assert "search shows what version 1 showed" in said
    until(lambda: not found(world, bad))
    assert found(world, kept)
    code, said = command(world, "knowledge", "--to=1")
    assert code == 0
    assert "0 entries change" in said


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """A cloud in which serve was promoted from its first revision to its second."""
    services = new_cloud(["serve", "submit"])
    serve = services["services"]["whetstone-serve"]
    serve["revisions"].append("whetstone-serve-00002-aaa")
    serve["spec"] = [{"revisionName": "whetstone-serve-00002-aaa", "percent": 100}]
    serve["tags"] = {"previous": "whetstone-serve-00001-aaa"}
    file = install(tmp_path, services)
    monkeypatch.setenv(STATE, str(file))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return lambda: shares(json.loads(file.read_text())["services"]["whetstone-serve"])


WHERE = ("--project=p", "--region=europe-west1")
OLD, NEW = {"whetstone-serve-00001-aaa": 100}, {"whetstone-serve-00002-aaa": 100}


def test_all_of_it_goes_back_at_once_and_again_changes_nothing(cloud, tmp_path, serve):
    with OpenAIServer() as provider:
        environment = settings_file(tmp_path, provider.base_url)
        with serve(tmp_path / "data", environment) as server:
            world = World(server)
            first, bad = world.earlier_snapshot(), world.approved()
            until(lambda: found(world, bad))
            second = current(world)
            code, said = command(world, "all", *WHERE, "--version=0", "--dry-run")
            assert (code, cloud(), current(world)) == (0, NEW, second), said
            assert found(world, bad)
            for _ in range(2):
                code, said = command(world, "all", *WHERE, "--version=0")
                assert (code, cloud(), current(world)) == (0, OLD, first), said
                assert "search answers through the front door" in said
                until(lambda: not found(world, bad))
            world.close()


def test_a_part_that_fails_keeps_no_other_from_going_back_and_is_told_at_the_end(cloud, world):
    code, said = command(world, "all", *WHERE, "--version=100000")
    assert (code, cloud()) == (1, OLD), said
    assert "not taken back, or not well: learning: there is no earlier snapshot" in said
    assert "knowledge: POST /v1/knowledge/rollback answered 4" in said
    assert "verification" not in said.partition("Error: ")[2]


def test_only_the_parts_that_are_named_go_back(cloud, world):
    code, said = command(world, "all", *WHERE, "--part=code")
    assert (code, cloud()) == (0, OLD), said
    assert "learning:" not in said
    code, said = command(world, "all", *WHERE)
    assert code == 2
    assert "taken back to a --version" in said


def test_what_is_refused_is_told_in_one_line(world):
    code, said = command(world, "knowledge", "--to=1000")
    assert code == 1
    assert "beyond the newest" in said
    code, said = command(world, "learning", "--snapshot=snap_00000000000000000000")
    assert code == 1
    assert "404" in said


def test_a_server_that_is_away_is_told_in_one_line(world):
    away = ["rollback", "learning", "--url=http://127.0.0.1:1", "--key=any", "--reason=x"]
    done = CliRunner().invoke(main, away)
    assert done.exit_code == 1
    assert "does not answer" in done.output
