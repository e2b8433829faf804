"""One look at a whole workspace after faults: all that was answered is there, once, and it fits."""

from collections import Counter
from typing import Any

from shared.adapters.clock_system import SystemClock
from shared.adapters.deliveries import Deliveries
from shared.domain.knowledge.publication import PUBLICATIONS
from shared.domain.records import Order
from shared.ports import Store
from tests.support.cloud_server import CloudServer
from tests.support.steady_writers import Answered
from tests.support.waiting import until
from tests.support.world import World

LOOK_S = 1.0
"""Seconds between two looks, each of which sweeps and reads all publications."""


def all_of(world: World, path: str, **params: Any) -> list[dict[str, Any]]:
    """Returns every item of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = world.http.get(path, params={"limit": 500, **params, **cursor}).json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def published(cloud: CloudServer, workspace: str) -> list[tuple[int, str, int | None]]:
    """Returns (version, entry, revision) of every publication, oldest first."""

    async def work(store: Store) -> list[tuple[int, str, int | None]]:
        found: list[tuple[int, str, int | None]] = []
        cursor = None
        while True:
            page = await store.find(
                workspace, PUBLICATIONS, order=Order("version"), limit=500, cursor=cursor
            )
            found += [(one.version, one.entry_id, one.revision) for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    return cloud.read(work)


def given_up(cloud: CloudServer, workspace: str) -> list[str]:
    """Returns the ids of the workspace's dead letters."""

    async def work(store: Store) -> list[str]:
        letters = await Deliveries(store, SystemClock()).dead_letters(workspace, 100)
        return [one.id for one in letters]

    return cloud.read(work)


def settle(cloud: CloudServer, world: World, workspace: str, approved: set[str]) -> None:
    """Waits until everything approved is published; sweeps what a crash has left meanwhile.

    What was given up meanwhile is played again, by the command that an operator has for that.
    """
    there: set[str] = set()

    def all_there() -> bool:
        world.job("sweep")
        if letters := given_up(cloud, workspace):
            assert cloud.whetstone("dead-letters", "replay", *letters).endswith(" replayed")
        there.update(entry_id for _, entry_id, _ in published(cloud, workspace))
        return there >= approved

    until(all_there, lambda: len(there), look_s=LOOK_S)


def check_settled_and_whole(
    cloud: CloudServer, world: World, workspace: str, told: Answered
) -> None:
    """Settles, and then holds everything against what was answered."""
    approved = {one for one, verdict in told.verdicts.items() if verdict == "approve"}
    settle(cloud, world, workspace, approved)
    _check_entries(world, told, approved)
    _check_evidence(world, told)
    _check_knowledge(cloud, world, workspace, told, approved)
    _check_audit(cloud, world, workspace, told)
    left = cloud.whetstone("dead-letters", "list", "--workspace", workspace)
    assert left == "there are no dead letters"


def _check_entries(world: World, told: Answered, approved: set[str]) -> None:
    states = {"approve": "approved", "reject": "rejected"}
    wanted = {
        entry_id: states[told.verdicts[entry_id]] if entry_id in told.verdicts else None
        for entry_id in told.entries
    }
    listed = [
        (one["entry_id"], state)
        for state in ("pending_approval", "approved", "rejected")
        for one in all_of(world, "/v1/approvals", state=state)
    ]
    assert len(listed) == len(dict(listed)) == len(wanted)
    for entry_id, state in listed:
        assert wanted[entry_id] in {state, None}, entry_id
    assert approved <= dict(listed).keys()
    stats = world.http.get("/v1/approvals/stats").json()
    assert stats["approved"] == len(approved)
    assert stats["rejected"] == len(told.verdicts) - len(approved)


def _check_evidence(world: World, told: Answered) -> None:
    summary = world.http.get("/v1/feedback/summary").json()
    assert summary["ratings"] == len(told.rated), summary
    counted = world.post("/v1/conversations/completed")["completed"]
    assert counted == told.conversations + 1


def _check_knowledge(
    cloud: CloudServer, world: World, workspace: str, told: Answered, approved: set[str]
) -> None:
    """The publications are the fold of the decisions, the index theirs, and search finds it."""
    rows = published(cloud, workspace)
    assert [version for version, _, _ in rows] == list(range(1, len(rows) + 1))
    assert Counter(entry_id for _, entry_id, _ in rows) == Counter(approved)
    assert {revision for _, _, revision in rows} <= {1}
    said = cloud.whetstone("knowledge", "verify", "--workspace", workspace)
    assert said.endswith(f"up to version {len(rows)}"), said
    for entry_id, verdict in list(told.verdicts.items())[::7]:
        found = world.post("/v1/search", {"text": told.entries[entry_id]})["items"]
        ids = [one["entry_id"] for one in found]
        assert ids.count(entry_id) == (1 if verdict == "approve" else 0)


def _check_audit(cloud: CloudServer, world: World, workspace: str, told: Answered) -> None:
    records = all_of(world, "/v1/audit")
    by_action: dict[str, list[str]] = {}
    for one in records:
        by_action.setdefault(one["action"], []).append(one["subject"])
    for action, wanted in {
        "entry.submitted": list(told.entries),
        "entry.approved": [one for one, said in told.verdicts.items() if said == "approve"],
        "entry.rejected": [one for one, said in told.verdicts.items() if said == "reject"],
        "outcome.recorded": told.outcomes,
    }.items():
        assert sorted(by_action.get(action, [])) == sorted(wanted), action
    assert len(by_action.get("feedback.recorded", [])) == len(told.rated)
    verified = world.http.get("/v1/audit/verify").json()
    assert (verified["ok"], verified["checked"]) == (True, len(records))
    assert "holds" in cloud.whetstone("audit", "verify", "--workspace", workspace)
