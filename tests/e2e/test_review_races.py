"""Reviewers who race: one wins each time, the others are shown who."""

import asyncio
import json
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from shared.domain.entries import DECISIONS, ENTRIES, revision_id
from shared.errors import Conflict
from shared.messages.reviewing import Approve, ClaimEntry, Reject, Retract
from shared.services import auditing, claiming, knowledge, publishing, reviewing
from tests.support.entries import submit
from tests.support.system import WORKSPACE, System, caller, play

ROOT = Path(__file__).parents[2]
REVIEWERS = ("ada", "bob")


async def decide(system, reviewer, entry_id, verdict="approve"):
    command = Approve() if verdict == "approve" else Reject(reason="no")
    try:
        return await reviewing.decide(
            system.deps,
            caller(reviewer, role="reviewer"),
            entry_id,
            command,
            None,
            verdict=verdict,
            notes=f"by {reviewer}",
        )
    except Conflict as error:
        return error


async def fill(system, count, at_once=1000):
    """Submits entries with texts short enough to be quick."""
    found = await in_hand(at_once, (submit(system, number) for number in range(count)))
    await system.drain()
    return found


async def in_hand(most, tasks):
    """Returns what all tasks return, of which so many run at once."""
    gate = asyncio.Semaphore(most)

    async def one(task):
        async with gate:
            return await task

    return await asyncio.gather(*(one(task) for task in tasks))


async def check_each_has_one_decision(system, ids, answers):
    """`answers` has what the reviewers of each entry got."""
    records = await system.store.get_many(
        WORKSPACE, DECISIONS, [revision_id(entry_id, 1) for entry_id in ids]
    )
    for decision, (one, other) in zip(records, answers, strict=True):
        won, lost = (one, other) if isinstance(other, Conflict) else (other, one)
        assert isinstance(lost, Conflict)
        assert won.decided_at == decision.decided_at
        assert (won.reviewer, won.verdict) == (decision.reviewer, decision.verdict)
        assert lost.facts["decision"] == decision.model_dump(mode="json", exclude={"id"})


async def check_books(system, count):
    """Counters, audit records and events say the same number."""
    totals = (await system.store.counters(WORKSPACE, "review"))["review"]
    assert totals["pending_approval"] == 0
    assert totals.get("approve", 0) + totals.get("reject", 0) == count
    decided = [event for event in await system.drain() if event.type != "entry.submitted"]
    assert len(decided) == len({event.subject for event in decided}) == count
    found = await auditing.verify_audit(system.deps, WORKSPACE)
    assert (found.ok, found.checked) == (True, 2 * count)


@pytest.fixture
def at_once(request):
    """How many requests are in hand: all, or more than the 40 that an instance takes."""
    return 1000 if request.config.getoption("--cloud") is None else 64


def test_two_reviewers_race_for_a_thousand_entries(tmp_path, at_once):
    async def scenario(system):
        ids = await fill(system, 1000, at_once)
        mixed = random.Random(7)

        async def race(entry_id):
            first, second = mixed.sample(
                [(who, what) for who, what in zip(REVIEWERS, ("approve", "reject"), strict=True)], 2
            )
            return await asyncio.gather(
                decide(system, first[0], entry_id, first[1]),
                decide(system, second[0], entry_id, second[1]),
            )

        answers = await in_hand(at_once, (race(entry_id) for entry_id in ids))
        await check_each_has_one_decision(system, ids, answers)
        won = [one for pair in answers for one in pair if not isinstance(one, Conflict)]
        assert {one.reviewer for one in won} == set(REVIEWERS)
        await check_books(system, 1000)

    play(tmp_path, scenario)


def race_in_processes(root, action, ids, reviewers=REVIEWERS):
    """Lets each reviewer handle all entries in a process of its own, from the same moment on."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.review_worker", str(root), reviewer, action],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for reviewer in reviewers
    ]
    try:
        for worker in workers:
            worker.stdin.write(json.dumps(ids) + "\n")
            worker.stdin.flush()
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return [json.loads(worker.stdout.readline()) for worker in workers]
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.wait(timeout=30)
            worker.stdout.close()


def test_two_processes_race_on_one_store(tmp_path):
    ids = play(tmp_path, lambda system: fill(system, 100))
    mine, theirs = race_in_processes(tmp_path, "decide", ids)

    async def check(system):
        for entry_id, one, other in zip(ids, mine, theirs, strict=True):
            assert len({"won", "lost_to"} & {*one, *other}) == 2
            won = one.get("won") or other["won"]
            lost = one.get("lost_to") or other["lost_to"]
            assert (lost["reviewer"], lost["entry_id"]) == (won["reviewer"], entry_id)
            assert lost["decided_at"] == won["decided_at"]
        await check_books(system, len(ids))

    play(tmp_path, check, seed=99)


def test_claims_race_between_processes(tmp_path):
    ids = play(tmp_path, lambda system: fill(system, 50))
    mine, theirs = race_in_processes(tmp_path, "claim", ids)

    async def check(system):
        for entry_id, one, other in zip(ids, mine, theirs, strict=True):
            assert len({"won", "lost_to"} & {*one, *other}) == 2
            won = one.get("won") or other["won"]
            lost = one.get("lost_to") or other["lost_to"]
            entry = await system.store.get(WORKSPACE, ENTRIES, entry_id)
            assert entry.claim.id == won["reviewer"] == lost["reviewer"]
            assert (entry.claim.token, entry.claims) == (1, 1)

    play(tmp_path, check, seed=99)


def test_claims_and_decisions_race(tmp_path):
    """Who decides under somebody's claim must be refused, whichever came first."""

    async def scenario(system):
        ids = await fill(system, 200)

        async def claim(entry_id):
            try:
                me = caller("ada", role="reviewer")
                return await claiming.claim(system.deps, me, entry_id, ClaimEntry(), None)
            except Conflict as error:
                return error

        for at, entry_id in enumerate(ids):
            steps = [claim(entry_id), decide(system, "bob", entry_id)]
            if at % 2:
                steps.reverse()
            found = await asyncio.gather(*steps)
            assert sum(isinstance(one, Conflict) for one in found) == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize("people", [2, 5])
def test_of_many_who_approve_a_risky_entry_two_decide(tmp_path, people):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.05)
        ids = await fill(system, 50)
        names = [f"reviewer-{at}" for at in range(people)]
        for entry_id in ids:
            found = await asyncio.gather(*(decide(system, who, entry_id) for who in names))
            states = [one.state for one in found if not isinstance(one, Conflict)]
            assert sorted(states) == ["approved", "pending_approval"]
            decision = await system.store.get(WORKSPACE, DECISIONS, revision_id(entry_id, 1))
            assert len(set(decision.reviewers)) == 2

    play(tmp_path, scenario)


def test_approvals_and_retractions_race_with_publishing(tmp_path):
    """Two processes' worth of publishers over one store: search ends as the entries say."""

    async def scenario(system):
        ids = await fill(system, 60)

        async def life(at, entry_id):
            await decide(system, "ada", entry_id)
            if at % 3 == 0:
                who = caller("bob", role="reviewer")
                await reviewing.retract(system.deps, who, entry_id, Retract(reason="old"), None)

        async with System(tmp_path, seed=1) as other:
            lives = asyncio.gather(*(life(at, entry_id) for at, entry_id in enumerate(ids)))
            drains = [drain_until(one, lives) for one in (system, other)]
            await asyncio.gather(*drains)
        await system.drain()
        shown = set()
        for at in range(60):
            result = await system.index.search(WORKSPACE, f"word{at}x0", limit=5)
            shown |= {hit.entry_id for hit in result.hits}
        assert shown == {entry_id for at, entry_id in enumerate(ids) if at % 3}
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok
        assert (await auditing.verify_audit(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


async def drain_until(system, lives):
    """Publishes while the entries live; both systems take the same events."""
    system.consumers["publish"] = partial(publishing.publish, system.deps)
    while not lives.done():
        await system.drain()
        await asyncio.sleep(0)
    await system.drain()
