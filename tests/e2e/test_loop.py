"""The story of the loop on real servers: what is answered is kept, seen and told."""

import http.client
import json
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from shared.cli.serve import FUNCTIONS
from shared.domain.access import API_KEYS
from shared.domain.entries import ENTRIES
from shared.domain.feedback import (
    CONVERSATIONS,
    FEEDBACK,
    OUTCOMES,
    RECOMMENDATIONS,
    ROUTING_DECISIONS,
)
from shared.domain.operations import METRIC_POINTS
from shared.domain.records import SYSTEM_WORKSPACE
from shared.web import guard
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.openai_server import OpenAIServer
from tests.support.server import Server, free_port
from tests.support.waiting import until
from tests.support.world import JWT_SECRET, World, settings_file

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
SNAPSHOT_S = 2.0
"""Within so many seconds a server serves what has become current."""


@pytest.fixture(scope="module")
def provider():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def started(tmp_path, provider, serve):
    """Starts servers over one data folder, and ends those that a test leaves running."""
    environment = settings_file(tmp_path, provider.base_url)
    with ExitStack() as stack:

        def start(**more):
            server = stack.enter_context(serve(tmp_path / "data", {**environment, **more}))
            return stack.enter_context(closing(World(server)))

        yield start


OURS = pytest.mark.embedded("starts and stops the server itself, or looks into its SQLite file")


def rows(server, sql):
    connection = sqlite3.connect(server.data_dir / "whetstone.db", timeout=30)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def found_ids(world, text):
    return [one["entry_id"] for one in world.post("/v1/search", {"text": text})["items"]]


def audit_holds(world):
    told = world.http.get("/v1/audit/verify").json()
    assert told["ok"] is True, told
    return told["checked"]


def whetstone(server, *arguments):
    command = [sys.executable, "-c", "from shared.cli.main import main; main()", *arguments]
    done = subprocess.run(
        command, env=server.environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


# --- the story ------------------------------------------------------------------------------------


def test_what_is_approved_is_found_and_what_is_retracted_is_gone_at_once(started):
    world = started()
    body = world.entry()
    entry_id = world.post("/v1/entries", body)["entry_id"]
    assert found_ids(world, body["content"]) == []
    world.post(f"/v1/approvals/{entry_id}/approve", {"reviewer": "ada"})
    until(lambda: found_ids(world, body["content"]) == [entry_id])
    retraction = {"reviewer": "ada", "reason": "The rule has changed."}
    world.post(f"/v1/approvals/{entry_id}/retract", retraction)
    assert found_ids(world, body["content"]) == []
    assert world.http.get(f"/v1/entries/{entry_id}").json()["state"] == "retracted"
    audit_holds(world)


def test_ratings_become_a_policy_that_every_server_serves_and_a_rollback_takes_back(started):
    world, other = started(), started()
    asked = {"prompt": "Write a Python function.", "pattern": "code"}
    for _ in range(60):
        routed = world.post("/v1/route", asked)
        small = routed["model"] == "small"
        quality = 5 if small else 1
        rating = {"request_id": routed["request_id"], "quality_score": quality, "is_correct": small}
        world.post("/v1/feedback", rating)
    assert other.post("/v1/route", asked)["snapshot_id"] is None
    preview = world.post("/v1/learning/runs?dry_run=true")
    assert preview["changes_preview"]
    assert world.http.get("/v1/learning/status").json()["current_id"] is None
    run = world.post("/v1/learning/runs", {"reason": "enough evidence"})
    assert run["status"] == "succeeded"
    time.sleep(SNAPSHOT_S)
    for one in (world, other):
        routed = one.post("/v1/route", {**asked, "critical": True})
        assert (routed["snapshot_id"], routed["model"]) == (run["snapshot_id"], "small")
        assert routed["confidence"] > 0
    world.post("/v1/feedback", {**rating, "user_id": "someone else"})
    second = world.post("/v1/learning/runs", {})
    assert second["parent_id"] == run["snapshot_id"] != second["snapshot_id"]
    world.post(
        "/v1/learning/rollback", {"snapshot_id": run["snapshot_id"], "reason": "quality fell"}
    )
    time.sleep(SNAPSHOT_S)
    assert other.post("/v1/route", asked)["snapshot_id"] == run["snapshot_id"]


def test_the_tenth_conversation_asks_for_a_run_which_happens(started):
    world = started()
    world.post("/v1/feedback", world.rating())
    nine = [world.post("/v1/conversations/completed") for _ in range(9)]
    assert [one["run_requested"] for one in nine] == [False] * 9
    assert world.http.get("/v1/learning/runs").json()["items"] == []
    assert world.post("/v1/conversations/completed", {"count": 1})["run_requested"] is True
    runs = until(
        lambda: [
            one
            for one in world.http.get("/v1/learning/runs").json()["items"]
            if one["status"] == "succeeded"
        ]
    )
    assert [(one["trigger"], one["ratings_read"]) for one in runs] == [("conversations", 1)]


def test_the_same_key_from_eight_threads_is_one_record_each(started):
    world = started()
    rated = world.rating()
    requests = {
        "/v1/entries": (world.entry(), ENTRIES),
        "/v1/recommendations": (world.recommendation(), RECOMMENDATIONS),
        "/v1/feedback": (rated, FEEDBACK),
        "/v1/outcomes": (world.outcome(), OUTCOMES),
        "/v1/metrics": ({"model": "m", "version": "1", "name": "n", "value": 1}, METRIC_POINTS),
        "/v1/conversations/completed": ({"count": 10}, CONVERSATIONS),
        "/v1/keys": ({"name": "one", "scopes": ["serve"]}, API_KEYS),
        "/v1/route": ({"prompt": "Write a function."}, ROUTING_DECISIONS),
    }
    before = {path: count(world.server, kind) for path, (_, kind) in requests.items()}
    with ThreadPoolExecutor(8) as pool:
        for path, (body, kind) in requests.items():
            gate = threading.Barrier(8)
            sent = [pool.submit(send_together, world, gate, path, body) for _ in range(8)]
            answers = [one.result() for one in sent]
            assert {one.status_code for one in answers} <= {200, 201, 202}, (path, answers)
            told = [{k: v for k, v in one.json().items() if k != "secret"} for one in answers]
            assert all(one == told[0] for one in told), path
            replayed = [one for one in answers if "idempotent-replayed" in one.headers]
            assert len(replayed) == 7, path
            assert count(world.server, kind) == before[path] + 1, path
            refused = world.http.post(
                path, json=changed(body), headers={"Idempotency-Key": f"same-{path}"}
            )
            assert refused.status_code == 422, path
            assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert world.post("/v1/conversations/completed")["completed"] == 11
    audit_holds(world)


def send_together(world, gate, path, body):
    gate.wait()
    headers = {**world.server.headers, "Idempotency-Key": f"same-{path}"}
    return httpx.post(world.server.url + path, json=body, headers=headers, timeout=30)


def changed(body):
    """Returns a good request with another body."""
    name = next(name for name, value in reversed(body.items()) if isinstance(value, str | int))
    value = body[name]
    return {**body, name: value + 1 if isinstance(value, int) else f"{value} again"}


def count(server, collection):
    workspace = SYSTEM_WORKSPACE if collection is API_KEYS else server.workspace
    return server.read(lambda store: store.count(workspace, collection, at_most=1_000))


# --- events ---------------------------------------------------------------------------------------


@OURS
def test_a_consumer_that_fails_is_tried_again_then_buried_and_can_be_revived(started):
    with HttpReceiver() as receiver:
        receiver.status = 500
        world = started(
            WHETSTONE_NOTIFY__WEBHOOK_URL=receiver.url,
            WHETSTONE_NOTIFY__WEBHOOK_SECRET="a secret of the receiver",
            WHETSTONE_EVENTS__ATTEMPTS="3",
            WHETSTONE_EVENTS__FIRST_BACKOFF_S="0.01",
        )
        entry_id = world.approved()
        buried = until(lambda: rows(world.server, DEAD) == [(2,)] and receiver.deliveries)
        assert len(buried) == 2 * 3
        assert until(lambda: published(world.server, entry_id)), "notify held publish up"
        assert "entry.submitted" in whetstone(world.server, "dead-letters", "list")
        receiver.status = 200
        assert whetstone(world.server, "dead-letters", "replay", "--all") == "2 replayed\n"
        until(lambda: rows(world.server, "SELECT COUNT(*) FROM deliveries") == [(0,)])
        told = [json.loads(one.body) for one in receiver.deliveries[6:]]
        assert len({one["event_id"] for one in told}) == len(told) == 2
        assert {one["event_id"] for one in told} == {
            json.loads(one.body)["event_id"] for one in receiver.deliveries[:6]
        }


DEAD = "SELECT COUNT(*) FROM deliveries WHERE state = 'dead'"


def published(server, entry_id):
    return rows(server, f"SELECT 1 FROM publications WHERE entry_id = '{entry_id}'")


# --- stopping, and two at once --------------------------------------------------------------------


class Writers:
    """Threads that submit and approve until they are told to stop, or the server is gone."""

    def __init__(self, *worlds):
        self.answered: list[str] = []
        self.approved: list[str] = []
        self.refused: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(world, number))
            for number, world in enumerate(worlds * 3)
        ]
        for thread in self._threads:
            thread.start()

    def join(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def _write(self, world, number):
        with httpx.Client(
            base_url=world.server.url, headers=world.server.headers, timeout=30
        ) as http:
            turn = 0
            while not self._stop.is_set():
                turn += 1
                try:
                    self._turn(http, {**world.entry(), "topic": f"{number}-{turn}"})
                except httpx.TransportError:
                    return

    def _turn(self, http, body):
        answer = http.post("/v1/entries", json=body)
        if answer.status_code != 202:
            self.refused.append(answer.text)
            return
        entry_id = answer.json()["entry_id"]
        self.answered.append(entry_id)
        answer = http.post(f"/v1/approvals/{entry_id}/approve", json={"reviewer": "ada"})
        if answer.status_code == 200:
            self.approved.append(entry_id)
        else:
            self.refused.append(answer.text)


@OURS
def test_ctrl_c_in_the_middle_of_load_ends_well_and_a_restart_goes_on(started):
    world = started()
    writers = Writers(world)
    until(lambda: len(writers.approved) > 50)
    assert world.server.stop() == 0
    writers.join()
    assert writers.refused == []
    assert "everything that was answered is kept" in world.server.log.read_text()
    again = started()
    kept = {row[0]: row[1] for row in rows(again.server, "SELECT id, state FROM entries")}
    assert set(writers.answered) <= set(kept)
    assert all(kept[one] == "approved" for one in writers.approved)
    audit_holds(again)
    until(lambda: all(published(again.server, one) for one in writers.approved[-5:]))
    until(lambda: rows(again.server, "SELECT COUNT(*) FROM outbox") == [(0,)])
    approved = {one for one, state in kept.items() if state == "approved"}
    assert {row[0] for row in rows(again.server, "SELECT entry_id FROM publications")} == approved
    again.approved()
    assert again.server.stop() == 0


@OURS
def test_a_connection_still_answers_that_rested_longer_than_clients_keep_theirs(started):
    world = started()
    resting = http.client.HTTPConnection(world.server.url.removeprefix("http://"), timeout=30)
    with closing(resting):
        for pause_s in (0.0, 5.5):
            time.sleep(pause_s)
            resting.request("GET", "/health")
            assert json.loads(resting.getresponse().read())["status"] == "ok"


def test_two_servers_on_one_folder_corrupt_nothing(started):
    one, two = started(), started()
    writers = Writers(one, two)
    until(lambda: len(writers.approved) > 100)
    writers.join()
    assert writers.refused == []
    assert audit_holds(one) > 100
    assert audit_holds(two) > 100
    same = one.entry()
    with ThreadPoolExecutor(8) as pool:
        worlds = [one, two] * 4
        answers = list(pool.map(lambda world: world.post("/v1/entries", same), worlds))
    assert len({answer["entry_id"] for answer in answers}) == 1
    assert [answer["duplicate"] for answer in answers].count(False) == 1
    race = one.pending()
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(lambda world: verdict(world, race), [one, two]))
    assert sorted(verdicts) == [200, 409]
    approved = {*writers.approved, race}
    until(lambda: rows(one.server, "SELECT COUNT(*) FROM outbox") == [(0,)])
    until(
        lambda: (
            {row[0] for row in rows(one.server, "SELECT entry_id FROM publications")} == approved
        )
    )
    assert audit_holds(one) == audit_holds(two)
    assert rows(one.server, "PRAGMA integrity_check") == [("ok",)]
    assert "holds" in whetstone(one.server, "audit", "verify")
    whetstone(one.server, "knowledge", "verify")
    for world in (one, two):
        entry = world.http.get(f"/v1/entries/{writers.approved[-1]}").json()
        assert writers.approved[-1] in found_ids(world, entry["content"])
        assert world.server.stop() == 0


def verdict(world, entry_id):
    path = f"/v1/approvals/{entry_id}/approve"
    return world.http.post(path, json={"reviewer": "grace"}).status_code


# --- functions alone ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory, provider):
    """A data folder with a key and an entry, whose server has stopped."""
    root = tmp_path_factory.mktemp("alone")
    environment = settings_file(root, provider.base_url)
    with Server(root / "data", environment) as server:
        world = World(server)
        entry_id = world.pending()
        world.close()
        assert server.stop() == 0
    return server, entry_id


class Alone:
    """One function under the framework of Google's Cloud Functions, as it is deployed."""

    def __init__(self, function, server):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        source = f"functions/{function}/main.py"
        command = [sys.executable, "-m", "functions_framework", "--source", source]
        with server.log.with_suffix(f".{function}").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--target", function, "--port", str(port)],
                cwd=ROOT,
                env={**server.environment, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def health(self):
        try:
            return httpx.get(f"{self.url}/health", timeout=10)
        except httpx.TransportError:
            assert self._process.poll() is None, "the function ended"
            return None

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


ASKS = {
    "submit": "/v1/entries/{}",
    "approve": "/v1/approvals",
    "feedback": "/v1/feedback/summary",
    "retrain": "/v1/learning/status",
    "serve": "/v1/routing/policy",
    "monitor": "/v1/settings",
}


@OURS
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_alone_answers_as_the_server_does(folder, function):
    server, entry_id = folder
    alone = Alone(function, server)
    try:
        health = until(alone.health)
        assert health.status_code == 200
        assert health.json()["function"] == function
        assert health.json()["status"] == "ok"
        with httpx.Client(base_url=alone.url, headers=server.headers, timeout=30) as http:
            assert httpx.get(f"{alone.url}/metrics").status_code == 401
            assert http.get("/metrics").headers["content-type"].startswith("application/openm")
            for path in ("/nothing/here", "/nothing/of%0Atwo%0Alines%0A"):
                missing = http.get(path)
                assert missing.status_code == 404
                assert missing.headers["content-type"] == "application/problem+json"
            if function in ASKS:
                answer = http.get(ASKS[function].format(entry_id))
                assert answer.status_code == 200, answer.text
            if function == "submit":
                submits(http, server)
    finally:
        alone.stop()


def submits(http, server):
    body = {"topic": "alone", "content": "What a function learned alone.", "confidence_score": 1}
    for path in ("/v1/entries", "/api/v3.4/kb/write-entry"):
        answer = http.post(path, json=body)
        assert answer.status_code == 202, answer.text
        assert answer.json()["duplicate"] is (path != "/v1/entries")
    refused = http.post("/v1/entries", json={**body, "confidence_score": 2})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/confidence_score"
    assert rows(server, "SELECT COUNT(*) FROM kb_entries WHERE topic = 'alone'") == [(1,)]


@OURS
def test_events_are_pushed_to_a_function_alone(folder):
    """Publish, alone, takes an event as Pub/Sub pushes it, and refuses anyone but the system."""
    server, entry_id = folder
    alone = Alone("publish", server)
    try:
        until(alone.health)
        event = {"event_id": "evt_1", "type": "entry.approved", "workspace": "default"}
        event |= {"occurred_at": "2026-01-01T00:00:00.000000Z", "subject": entry_id, "data": {}}
        refused = httpx.post(f"{alone.url}/events/publish", headers=server.headers, json=event)
        assert refused.status_code == 403
        headers = {"Authorization": f"Bearer {system_token()}"}
        taken = httpx.post(f"{alone.url}/events/publish", headers=headers, json=event)
        assert (taken.status_code, taken.json()) == (
            200,
            {"event_id": "evt_1", "status": "handled"},
        )
    finally:
        alone.stop()


def system_token():
    return guard.mint(JWT_SECRET, "bus", "default", "system", 4_000_000_000)
