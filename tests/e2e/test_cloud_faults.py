"""What the local cloud refuses, gives up and settles, each function in a process of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from localcloud.issuer import IssuerServer
from localcloud.plan import ACCOUNT, AUDIENCE
from shared.web import guard
from tests.support.every_route import problem
from tests.support.settled import published
from tests.support.world import JWT_SECRET

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

AT_ONCE = 64


# --- dead letters ---------------------------------------------------------------------------------


def test_an_event_of_nothing_is_a_dead_letter_at_once_until_an_operator_looks(cloud, place):
    workspace, _ = place
    tell = {"event_id": "evt_nothing", "type": "entry.approved", "workspace": workspace}
    tell |= {"occurred_at": "2026-01-01T00:00:00.000000Z", "subject": "ent_none", "data": {}}
    headers = {"Authorization": f"Bearer {cloud.system_token()}"}
    answer = httpx.post(f"{cloud.url}/events/publish", headers=headers, json=tell, timeout=30)
    assert (answer.status_code, answer.json()["status"]) == (200, "kept")
    listed = cloud.whetstone("dead-letters", "list", "--workspace", workspace)
    assert listed.startswith("publish:evt_nothing  entry.approved  1 tries")
    assert cloud.whetstone("dead-letters", "replay", "publish:evt_nothing") == "1 replayed"
    assert published(cloud, workspace) == []


# --- contention -----------------------------------------------------------------------------------


def test_of_64_decisions_at_once_each_entry_takes_one(cloud, place):
    _, world = place
    entries = [world.pending() for _ in range(8)]
    gate = threading.Barrier(AT_ONCE)

    def decide(number):
        entry_id = entries[number % len(entries)]
        verdict = "approve" if number % 3 else "reject"
        body = {"reviewer": f"reviewer-{number}", "notes": "Mine."}
        if verdict == "reject":
            body = {"reviewer": f"reviewer-{number}", "reason": "Mine."}
        headers = {**world.server.headers, "Idempotency-Key": f"decision-{number}"}
        url = f"{cloud.url}/v1/approvals/{entry_id}/{verdict}"
        gate.wait()
        while True:
            answer = httpx.post(url, json=body, headers=headers, timeout=120)
            if answer.status_code != 503:
                return entry_id, f"reviewer-{number}", answer

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(decide, range(AT_ONCE)))
    assert {answer.status_code for _, _, answer in answers} == {200, 409}
    for entry_id in entries:
        mine = [(who, answer) for about, who, answer in answers if about == entry_id]
        (winner,) = [who for who, answer in mine if answer.status_code == 200]
        for _, answer in mine:
            if answer.status_code == 409:
                assert answer.json()["decision"]["reviewer"] == winner
    assert world.http.get("/v1/audit/verify").json()["ok"] is True
    stats = world.http.get("/v1/approvals/stats").json()
    assert stats["approved"] + stats["rejected"] == len(entries)


# --- who may come in ------------------------------------------------------------------------------


def test_a_push_whose_token_someone_else_signed_is_refused(cloud, place):
    workspace, world = place
    entry_id = world.pending()
    event = {"event_id": "evt_forged", "type": "entry.approved", "workspace": workspace}
    event |= {"occurred_at": "2026-01-01T00:00:00.000000Z", "subject": entry_id, "data": {}}
    with IssuerServer() as other:
        theirs = other.signer.mint(AUDIENCE, ACCOUNT)
        as_ours = other.signer.mint(AUDIENCE, ACCOUNT, iss=cloud.cloud.plan.issuer_url)
        our_own = guard.mint(JWT_SECRET, "bus", "default", "system", 4_000_000_000)
        for token in (theirs, as_ours, our_own):
            headers = {"Authorization": f"Bearer {token}"}
            for path in ("/events/publish", "/events/notify", "/jobs/sweep"):
                problem(httpx.post(f"{cloud.url}{path}", headers=headers, json=event), 401)
    assert published(cloud, workspace) == []


# --- an operator ----------------------------------------------------------------------------------


def test_an_operator_starts_a_job_from_the_command_line(cloud):
    assert cloud.whetstone("schedule", "trigger", "sweep") == "sweep was started"
    assert "published: " in cloud.whetstone("schedule", "run", "sweep", "--url", cloud.url)


def test_a_job_that_an_operator_holds_back_is_listed_as_such(cloud):
    assert cloud.whetstone("schedule", "pause", "sweep") == "sweep is paused"
    try:
        (line,) = [
            one
            for one in cloud.whetstone("schedule", "list").splitlines()
            if one.startswith("sweep ")
        ]
        assert "paused" in line
        assert "next never" in line
    finally:
        assert cloud.whetstone("schedule", "resume", "sweep") == "sweep goes on"
