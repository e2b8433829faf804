"""The audit log read and checked."""

import sqlite3
from contextlib import closing

import pytest

from shared.domain.audit import GENESIS
from shared.errors import InvalidInput
from shared.messages.auditing import AuditParams
from shared.services import auditing
from tests.support.entries import submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="viewer")


def tamper(root, sql):
    with closing(sqlite3.connect(root / "whetstone.db")) as connection, connection:
        assert connection.execute(sql).rowcount > 0


async def fill(system, count):
    return [await submit(system, number) for number in range(count)]


def test_an_untouched_chain_holds_to_its_head(tmp_path):
    async def scenario(system):
        empty = await auditing.verify_audit(system.deps, WORKSPACE)
        assert (empty.ok, empty.checked, empty.head) == (True, 0, GENESIS)
        await fill(system, 3)
        found = await auditing.verify_audit(system.deps, WORKSPACE)
        newest = (await system.store.audit_page(WORKSPACE, limit=1)).items[0]
        assert (found.ok, found.checked, found.first_broken) == (True, 3, None)
        assert found.head == newest.hash

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_log SET actor = 'someone' WHERE seq = 4",
        'UPDATE audit_log SET data = \'{"submitter":"someone"}\' WHERE seq = 4',
        "UPDATE audit_log SET data = 'not JSON' WHERE seq = 4",
        "UPDATE audit_log SET data = '[]' WHERE seq = 4",
        """UPDATE audit_log SET data = '{"a":"\\ud800"}' WHERE seq = 4""",
        "UPDATE audit_log SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 4",
        "UPDATE audit_log SET hash = previous_hash WHERE seq = 4",
        "UPDATE audit_log SET previous_hash = hash WHERE seq = 4",
        "DELETE FROM audit_log WHERE seq = 4",
    ],
)
@pytest.mark.parametrize("page", [2, 3, 200])
def test_the_first_tampered_record_is_found(tmp_path, monkeypatch, change, page):
    monkeypatch.setattr(auditing, "CHAIN_PAGE", page)
    monkeypatch.setattr(auditing, "CHECKED_AT_ONCE", 2)

    async def scenario(system):
        await fill(system, 7)
        tamper(tmp_path, change)
        found = await auditing.verify_audit(system.deps, WORKSPACE)
        assert (found.ok, found.checked, found.first_broken) == (False, 3, 4)

    play(tmp_path, scenario)


def test_a_chain_is_walked_in_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(auditing, "CHAIN_PAGE", 4)

    async def scenario(system):
        await fill(system, 9)
        sizes = []
        read = system.store.audit_chain

        async def counted(workspace, after_seq, limit):
            records = await read(workspace, after_seq, limit)
            sizes.append(len(records))
            return records

        monkeypatch.setattr(system.store, "audit_chain", counted)
        assert (await auditing.verify_audit(system.deps, WORKSPACE)).checked == 9
        assert sizes == [4, 4, 1, 0]

    play(tmp_path, scenario)


def test_records_are_found_by_action_subject_and_actor(tmp_path):
    async def scenario(system):
        ids = await fill(system, 3)
        by = {"action": "entry.submitted", "subject": ids[1], "actor": "key:model"}
        page = await auditing.list_audit(system.deps, ADA, AuditParams(**by))
        assert [one.subject for one in page.items] == [ids[1]]
        for name in by:
            none = await auditing.list_audit(
                system.deps, ADA, AuditParams(**{**by, name: "another"})
            )
            assert none.items == []

    play(tmp_path, scenario)


def test_pages_follow_each_other_newest_first(tmp_path):
    async def scenario(system):
        await fill(system, 5)
        seen, cursor = [], None
        while True:
            params = AuditParams(limit=2, cursor=cursor)
            page = await auditing.list_audit(system.deps, ADA, params)
            seen += [one.seq for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [5, 4, 3, 2, 1]
        with pytest.raises(InvalidInput):
            await auditing.list_audit(system.deps, ADA, AuditParams(cursor="nonsense"))

    play(tmp_path, scenario)


def test_a_cursor_is_good_for_its_own_question_only(tmp_path):
    async def scenario(system):
        await fill(system, 3)
        asked = {"limit": 1, "action": "entry.submitted"}
        page = await auditing.list_audit(system.deps, ADA, AuditParams(**asked))
        cursor = page.next_cursor
        assert not cursor.isdigit()
        rest = await auditing.list_audit(system.deps, ADA, AuditParams(**asked, cursor=cursor))
        assert [one.seq for one in rest.items] == [2]
        elsewhere = caller("ada", role="viewer", workspace="other")
        for who, other in (
            (ADA, AuditParams(cursor=cursor)),
            (ADA, AuditParams(action="entry.submitted", actor="x", cursor=cursor)),
            (elsewhere, AuditParams(**asked, cursor=cursor)),
            *((ADA, AuditParams(**asked, cursor=one)) for one in ("2", "", "ü", cursor[:-3])),
        ):
            with pytest.raises(InvalidInput) as refused:
                await auditing.list_audit(system.deps, who, other)
            assert refused.value.problems[0].pointer == "?cursor"

    play(tmp_path, scenario)
