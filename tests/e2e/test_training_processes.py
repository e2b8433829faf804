"""Promise 6 between processes that share a store: one run at a time, also where one is killed."""

import json
import subprocess
import sys
from pathlib import Path

from shared.domain.learning.runs import RUNS
from shared.services.leasing import DIED, LEASE_S
from tests.support.learning import evidence, head, run, runs
from tests.support.system import WORKSPACE, play

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """Another process over the same folder, which does nothing before `go`."""

    def __init__(self, folder, seed, *options):
        command = [sys.executable, "-m", "tests.support.training_worker", folder, str(seed)]
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        assert self.line() == "ready"
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.communicate()

    def line(self):
        return self.process.stdout.readline().strip()

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ended(self):
        return json.loads(self.line())


def test_a_run_in_another_process_blocks_ours_until_it_is_done(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        with Worker(tmp_path, 1, "hold") as other:
            other.go()
            assert other.line() == "holding"
            blocked = await run(system)
            assert blocked.status == "blocked"
            assert (await head(system)).lease_run_id in blocked.blocked_by[0]
            assert (await run(system, dry_run=True)).status == "succeeded"
            other.go()
            theirs = other.ended()
        assert (theirs["status"], theirs["ratings_read"]) == ("succeeded", 30)
        assert (await head(system)).current_id == theirs["snapshot_id"]
        assert (await run(system)).snapshot_id == theirs["snapshot_id"]

    play(tmp_path, scenario)


def test_a_killed_runs_lease_ends_and_the_next_run_calls_it_failed(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        with Worker(tmp_path, 1, "hold") as other:
            other.go()
            assert other.line() == "holding"
        dead = (await head(system)).lease_run_id
        assert (await run(system)).status == "blocked"
        system.clock.advance(LEASE_S)
        assert (await run(system)).status == "succeeded"
        killed = await system.store.get(WORKSPACE, RUNS, dead)
        assert (killed.status, killed.error) == ("failed", DIED)

    play(tmp_path, scenario)


def test_racing_processes_read_each_rating_once(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        with Worker(tmp_path, 1) as one, Worker(tmp_path, 2) as two:
            one.go()
            two.go()
            ours = await run(system)
            ended = [one.ended(), two.ended(), ours.model_dump(mode="json")]
        done = [each for each in ended if each["status"] == "succeeded"]
        assert {each["status"] for each in ended} <= {"succeeded", "blocked"}
        assert sum(each["ratings_read"] for each in done) == 30
        assert {each["snapshot_id"] for each in done} == {(await head(system)).current_id}
        assert len(await runs(system)) == 3

    play(tmp_path, scenario)
