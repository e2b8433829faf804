"""scripts/rollback learning and knowledge, against a real server."""

import time

import pytest
from click.testing import CliRunner

from deploying.__main__ import main
from tests.fakes.openai_server import OpenAIServer
from tests.support.server import KEY, Server
from tests.support.world import World, settings_file

pytestmark = pytest.mark.e2e

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server") / "data") as server:
        found = World(server)
        yield found
        found.close()


def command(world, *words):
    where = [f"--url={world.server.url}", f"--key={KEY}", "--reason=it got worse"]
    found = CliRunner().invoke(main, ["rollback", *words, *where])
    return found.exit_code, " ".join(found.output.split())


def found(world, entry_id):
    hits = world.post("/v1/search", {"text": "word", "limit": 50})["items"]
    return entry_id in [one["entry_id"] for one in hits]


def until(wanted):
    deadline = time.monotonic() + PATIENCE_S
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def current(world):
    items = world.http.get("/v1/learning/snapshots").json()["items"]
    return next((one["snapshot_id"] for one in items if one["current"]), None)


def test_learning_goes_back_to_the_snapshot_before_and_again_changes_nothing(tmp_path):

    with OpenAIServer() as provider:
        environment = settings_file(tmp_path, provider.base_url)
        with Server(tmp_path / "data", environment) as server:
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
            assert code == 1
            assert "no earlier snapshot" in said
            world.close()


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


def test_what_is_refused_is_told_in_one_line(world):
    code, said = command(world, "knowledge", "--to=1000")
    assert code == 1
    assert "beyond the newest" in said
    code, said = command(world, "learning", "--snapshot=snap_00000000000000000000")
    assert code == 1
    assert "404" in said


def test_a_server_that_is_away_is_told_in_one_line(world):
    away = ["rollback", "learning", "--url=http://127.0.0.1:1", f"--key={KEY}", "--reason=x"]
    done = CliRunner().invoke(main, away)
    assert done.exit_code == 1
    assert "does not answer" in done.output
