"""Promises 1, 3 and 4: a server that dies between any two steps loses and doubles nothing.

Each case starts a server that kills itself at the N-th time it reaches a step, loads it from
several threads until it is dead, starts a sound one on the same data, sends again what was under
way with the same keys, and then counts.
"""

import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.faulty_server import CRASHED, STEPS
from tests.support.server import Server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.crash,
    pytest.mark.embedded("test_cloud_deaths kills the processes there"),
]

FAULTY = ("-m", "tests.support.faulty_server")
WORKERS = 6
STALLED_S = 60.0

NOTIFIED = (
    "entry.submitted",
    "entry.approved",
    "entry.rejected",
)
"""Audited actions that are events of the same name, told to notify."""


@dataclass
class Load:
    """What the clients sent, and what they were told."""

    url: str
    headers: dict[str, str]
    answered: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, worker: int) -> None:
        """Sends whole turns of the loop until the server is gone."""
        with httpx.Client(base_url=self.url, headers=self.headers, timeout=30) as client:
            turn = 0
            while not self.stop.is_set():
                turn += 1
                try:
                    self._turn(client, f"{worker}-{turn}")
                except httpx.TransportError:
                    return

    def send(
        self, client: httpx.Client, key: str, path: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Sends one request; what is not answered stays pending."""
        self.pending[key] = (path, body)
        answer = client.post(path, json=body, headers={"Idempotency-Key": key})
        assert answer.is_success, (path, answer.status_code, answer.text)
        self.answered[key] = answer.json()
        del self.pending[key]
        return self.answered[key]

    def _turn(self, client: httpx.Client, name: str) -> None:
        entry = {
            "topic": "crash",
            "content": f"What worker and turn {name} learned about crashes, at some length.",
            "confidence_score": 0.5,
            "submitter": "agent",
        }
        entry_id = self.send(client, f"entry-{name}", "/v1/entries", entry)["entry_id"]
        self.send(
            client, f"approve-{name}", f"/v1/approvals/{entry_id}/approve", {"reviewer": "ada"}
        )
        routed = self.send(
            client,
            f"route-{name}",
            "/v1/route",
            {"prompt": "Why does it fail?", "candidates": ["local/small", "local/large"]},
        )
        rating = {
            "request_id": routed["request_id"],
            "quality_score": 4,
            "is_correct": True,
            "user_id": "grace",
        }
        self.send(client, f"rate-{name}", "/v1/feedback", rating)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", [2, 37])
def test_a_killed_server_loses_and_doubles_nothing(tmp_path: Path, step: str, at: int) -> None:
    data = tmp_path / "data"
    faulty = Server(data, {"CRASH_AT": f"{step}:{_counted(step, at)}"}, FAULTY)
    faulty.start()
    load = _load_until_dead(faulty)
    with Server(data) as sound:
        load.url = sound.url
        _send_again(load)
        _check_answers(load)
        _drain(data)
        _check_published(load, sound)
        assert httpx.get(f"{sound.url}/v1/audit/verify", headers=sound.headers).json()["ok"] is True
        assert sound.stop() == 0
    _check_tables(load, data)


def test_kill_minus_nine_at_random_moments_loses_and_doubles_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    loads = []
    for round_number in range(3):
        with Server(data) as server:
            load = Load(server.url, server.headers)
            killer = threading.Timer(0.4 + 0.3 * round_number, server.kill)
            killer.start()
            _run_workers(load, offset=100 * (round_number + 1))
            killer.join()
            loads.append(load)
    with Server(data) as sound:
        for load in loads:
            load.url = sound.url
            _send_again(load)
            _check_answers(load)
        _drain(data)
        for load in loads:
            _check_published(load, sound)
        assert httpx.get(f"{sound.url}/v1/audit/verify", headers=sound.headers).json()["ok"] is True
        assert sound.stop() == 0
    everything = Load("", {})
    for load in loads:
        everything.answered.update(load.answered)
    _check_tables(everything, data)


def _counted(step: str, at: int) -> int:
    """Returns an N beyond the times that the server reaches the step while it starts.

    Events are published in batches, larger ones the more wait: a few are thousands of requests.
    """
    if step == "published":
        return min(at, 12)
    return at + 10 if step in {"transaction", "written", "committed"} else at


def _load_until_dead(server: Server) -> Load:
    load = Load(server.url, server.headers)
    _run_workers(load)
    assert server.wait_dead() == CRASHED
    return load


def _run_workers(load: Load, offset: int = 0) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for work in [pool.submit(load.run, offset + worker) for worker in range(WORKERS)]:
            work.result()


def _send_again(load: Load) -> None:
    with httpx.Client(base_url=load.url, headers=load.headers, timeout=30) as client:
        for key, (path, body) in list(load.pending.items()):
            load.send(client, key, path, body)


def _check_answers(load: Load) -> None:
    """Every answer is given again, to the letter, when its request is repeated."""
    sent = {key: value for key, value in load.answered.items() if key.startswith("entry-")}
    with httpx.Client(base_url=load.url, headers=load.headers, timeout=30) as client:
        for answer in sent.values():
            entry = client.get(f"/v1/entries/{answer['entry_id']}")
            assert entry.status_code == 200


def _drain(data: Path) -> None:
    """Waits until no event is under way, as long as there are fewer from time to time."""

    def under_way() -> int:
        rows = _rows(
            data, "SELECT (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM deliveries)"
        )
        return int(rows[0][0])

    left = under_way()
    deadline = time.monotonic() + STALLED_S
    while left > 0:
        time.sleep(0.02)
        now = under_way()
        if now < left:
            left, deadline = now, time.monotonic() + STALLED_S
        assert time.monotonic() < deadline, f"{now} events are under way, and none was delivered"


def _check_published(load: Load, server: Server) -> None:
    approved = [key.removeprefix("approve-") for key in load.answered if key.startswith("approve-")]
    with httpx.Client(base_url=load.url, headers=load.headers, timeout=30) as client:
        for name in approved[-3:]:
            entry_id = load.answered[f"entry-{name}"]["entry_id"]
            text = f"worker and turn {name} learned"
            found = client.post("/v1/search", json={"text": text, "limit": 50}).json()["items"]
            assert entry_id in {item["entry_id"] for item in found}, name
    assert server.process is not None


def _check_tables(load: Load, data: Path) -> None:
    entries = sum(key.startswith("entry-") for key in load.answered)
    approvals = sum(key.startswith("approve-") for key in load.answered)
    routes = sum(key.startswith("route-") for key in load.answered)
    ratings = sum(key.startswith("rate-") for key in load.answered)
    assert entries > 0
    assert _count(data, "kb_entries") == entries
    assert _count(data, "decisions") == approvals
    assert _count(data, "routing_decisions") == routes
    assert _count(data, "response_feedback") == ratings
    assert _rows(data, "SELECT SUM(sign), COUNT(*) FROM evidence_ratings") == [
        (ratings or None, ratings)
    ]
    published = _rows(data, "SELECT COUNT(*), COUNT(DISTINCT entry_id) FROM publications")
    assert published == [(approvals, approvals)]
    pending = _rows(
        data, "SELECT value FROM counters WHERE name = 'review' AND field = 'pending_approval'"
    )
    assert pending == [(entries - approvals,)]
    events = _rows(
        data,
        f"SELECT COUNT(*) FROM audit_log WHERE action IN ({', '.join('?' * len(NOTIFIED))})",
        NOTIFIED,
    )
    assert len(_told(data)) == events[0][0]


def _told(data: Path) -> set[str]:
    """Returns the ids of the events that notify has put into the servers' log."""
    lines = data.with_suffix(".log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if '"message": "notification"' in line]
    return {line["event_id"] for line in logged if line["kind"] in NOTIFIED}


def _count(data: Path, table: str) -> int:
    return int(_rows(data, f"SELECT COUNT(*) FROM {table}")[0][0])


def _rows(data: Path, sql: str, parameters: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(data / "whetstone.db", timeout=30)
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.close()
