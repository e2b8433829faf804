"""Backups with whole processes: under load, killed in the middle, and from one store to another."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.firestore_fixture import firestore_server, new_project
from tests.support.postgres_fixture import postgres
from tests.support.server import Server, free_port
from tests.support.storage_fixture import new_bucket, storage_server
from tests.support.world import JWT_SECRET, World, settings_file

__all__ = ["firestore_server", "postgres", "storage_server"]

pytestmark = [pytest.mark.e2e, pytest.mark.embedded("names its stores itself")]

PLAIN = ("-c", "from shared.cli.main import main; main()")
DYING = ("-m", "tests.support.dying_backup")
WORKERS = 3


def environment(data: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "WHETSTONE_DATA_DIR": str(data),
        "WHETSTONE_JWT_SECRET": JWT_SECRET,
        **more,
    }


def whetstone(
    env: dict[str, str], *arguments: str, program: tuple[str, ...] = PLAIN
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def rows_of(said: str) -> int:
    found = re.search(r"(\d+) rows", said)
    assert found, said
    return int(found[1])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with something of everything, and an entry that is published in it."""
    folder = tmp_path_factory.mktemp("filled")
    given = settings_file(folder, "http://127.0.0.1:9/v1")
    with Server(folder / "data", given) as server:
        world = World(server)
        for _ in range(10):
            world.approved()
            world.post("/v1/feedback", world.rating())
        world.pending()
        world.agent()
        world.run()
        entry_id = world.approved()
        world.job("sweep")
        world.close()
        server.stop()
    return folder / "data", entry_id


def serves(data: Path, given: dict[str, str], entry_id: str) -> None:
    """Starts a server and looks whether it knows the entry, by the key of before."""
    with Server(data, given) as server:
        with httpx.Client(base_url=server.url, headers=server.headers) as http:
            entry = http.get(f"/v1/entries/{entry_id}").json()
            assert entry["published_revision"] == 1
            found = http.post("/v1/search", json={"text": entry["content"], "limit": 3}).json()
            assert entry_id in {one["entry_id"] for one in found["items"]}
            assert http.get("/v1/audit/verify").json()["ok"]
        server.stop()


def test_a_backup_under_load_restores_to_a_system_that_goes_on(tmp_path: Path) -> None:
    given = settings_file(tmp_path, "http://127.0.0.1:9/v1")
    place, there = str(tmp_path / "place"), tmp_path / "there"
    with Server(tmp_path / "here", given) as server:
        world = World(server)
        entry_id = world.approved()
        world.run()
        stop = threading.Event()
        turns = [0] * WORKERS

        def load(worker: int) -> None:
            mine = World(server)
            while not stop.is_set():
                mine.approved()
                mine.post("/v1/feedback", mine.rating())
                mine.post("/v1/outcomes", mine.outcome())
                turns[worker] += 1
            mine.close()

        threads = [threading.Thread(target=load, args=(n,)) for n in range(WORKERS)]
        for thread in threads:
            thread.start()
        try:
            taken = [
                done(whetstone(environment(tmp_path / "here"), "backup", "--to", place))
                for _ in range(2)
            ]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert min(turns) > 0
        assert rows_of(taken[1]) > rows_of(taken[0])
        world.close()
    said = done(whetstone(environment(there), "restore", "--from", place))
    assert "restored and verified" in said
    assert "learned again from the evidence" in said
    serves(there, given, entry_id)


@pytest.mark.crash
def test_a_backup_and_a_restore_that_are_killed_are_gone_on_with(
    filled: tuple[Path, str], tmp_path: Path
) -> None:
    data, entry_id = filled
    place, there = str(tmp_path / "place"), tmp_path / "there"

    def killed(env: dict[str, str], *arguments: str) -> int:
        """Runs a command again and again, each time killed later; returns how often it was."""
        for times, at in enumerate((8, 16, 100_000)):
            result = whetstone({**env, "DIES_AT": str(at)}, *arguments, program=DYING)
            if result.returncode == 0:
                return times
            assert result.returncode == -signal.SIGKILL, result.stderr
        raise AssertionError("it never ends")

    assert killed(environment(data), "backup", "--to", place) >= 2
    assert "is whole" in done(whetstone(environment(data), "backup", "verify", place))
    half = {**environment(there), "DIES_AT": "5"}
    assert whetstone(half, "restore", "--from", place, program=DYING).returncode < 0
    refused = whetstone(environment(there), "serve", "--port", str(free_port()))
    assert refused.returncode == 1
    assert "run whetstone restore again" in refused.stderr
    assert killed(environment(there), "restore", "--from", place) >= 2
    given = {"WHETSTONE_JWT_SECRET": JWT_SECRET}
    serves(there, given, entry_id)


def to_postgres(request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    dsn = request.getfixturevalue("postgres").of(folder)
    return {"WHETSTONE_STORE": "postgres", "WHETSTONE_POSTGRES__DSN": dsn}


def to_firestore(request: pytest.FixtureRequest, _: Path) -> dict[str, str]:
    server = request.getfixturevalue("firestore_server")
    return {"WHETSTONE_STORE": "firestore", **server.environment}


@pytest.mark.slow
@pytest.mark.parametrize("target", [to_postgres, to_firestore])
def test_a_backup_goes_from_a_file_to_another_store_and_back(
    request: pytest.FixtureRequest,
    filled: tuple[Path, str],
    tmp_path: Path,
    target: Callable[..., dict[str, str]],
) -> None:
    data, entry_id = filled
    storage = request.getfixturevalue("storage_server")
    cloud: dict[str, Any] = {
        **target(request, tmp_path),
        **storage.environment,
        "WHETSTONE_BLOBS": "gcs",
        "WHETSTONE_GCP__BUCKET": new_bucket(storage),
        "WHETSTONE_GCP__PROJECT": new_project(),
        "GOOGLE_CLOUD_PROJECT": "local",
    }
    shelf = f"gs://{new_bucket(storage)}/copies"
    here = environment(data, **storage.environment, GOOGLE_CLOUD_PROJECT="local")
    there, back = environment(tmp_path / "there", **cloud), environment(tmp_path / "back", **here)
    back["WHETSTONE_DATA_DIR"] = str(tmp_path / "back")
    first = done(whetstone(here, "backup", "--to", shelf))
    assert "restored and verified" in done(whetstone(there, "restore", "--from", shelf))
    again = whetstone(there, "restore", "--from", shelf, "--dry-run")
    assert again.returncode == 1
    assert "into an empty one only" in again.stderr
    second = done(whetstone(there, "backup", "--to", str(tmp_path / "place")))
    assert rows_of(second) == rows_of(first)
    place = str(tmp_path / "place")
    assert "restored and verified" in done(whetstone(back, "restore", "--from", place))
    serves(tmp_path / "back", {"WHETSTONE_JWT_SECRET": JWT_SECRET}, entry_id)
