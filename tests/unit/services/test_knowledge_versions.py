import pytest

from shared.errors import InvalidInput
from shared.messages.base import PageParams
from shared.messages.reviewing import Approve, Retract
from shared.services import knowledge_versions as module
from shared.services import publishing, reviewing
from shared.services.knowledge_versions import compare_versions, entry_versions, list_versions
from tests.support.entries import revise, submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")


async def approve(system, entry_id):
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")
    await publishing.publish_entry(system.deps, WORKSPACE, entry_id)


async def history(system):
    """Publishes two entries, revises the first and retracts the second: versions 1 to 4."""
    one, two = await submit(system, 1), await submit(system, 2)
    await approve(system, one)
    await approve(system, two)
    await revise(system, one, 3)
    await approve(system, one)
    await reviewing.retract(system.deps, ADA, two, Retract(reason="old"), None)
    await publishing.publish_entry(system.deps, WORKSPACE, two)
    return one, two


def test_versions_come_newest_first_in_pages(tmp_path):
    async def scenario(system):
        one, two = await history(system)
        first = await list_versions(system.deps, ADA, PageParams(limit=3))
        rest = await list_versions(system.deps, ADA, PageParams(limit=3, cursor=first.next_cursor))
        steps = [(s.version, s.operation, s.entry_id, s.revision) for s in first.items + rest.items]
        assert steps == [
            (4, "remove", two, 1),
            (3, "add", one, 2),
            (2, "add", two, 1),
            (1, "add", one, 1),
        ]

    play(tmp_path, scenario)


def test_an_entry_knows_the_versions_about_it(tmp_path):
    async def scenario(system):
        one, _ = await history(system)
        found = await entry_versions(system.deps, ADA, one)
        assert [step.version for step in found] == [3, 1]
        assert await entry_versions(system.deps, ADA, "ent_unknown") == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("older", "newer", "differs"),
    [
        (0, 2, {"one": (None, 1), "two": (None, 1)}),
        (2, 4, {"one": (1, 2), "two": (1, None)}),
        (1, 4, {"one": (1, 2)}),
        (4, 2, {"one": (1, 2), "two": (1, None)}),
        (3, 3, {}),
    ],
)
def test_two_versions_differ_by_what_each_shows(tmp_path, older, newer, differs):
    async def scenario(system):
        names = dict(zip(await history(system), ("one", "two"), strict=True))
        found = await compare_versions(system.deps, ADA, older, newer)
        shown = {
            names[change.entry_id]: (change.old_revision, change.new_revision)
            for change in found.changes
        }
        assert (shown, found.truncated) == (differs, False)

    play(tmp_path, scenario)


def test_a_comparison_says_where_it_stopped_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_READ", 1)
    monkeypatch.setattr(module, "_PAGE", 1)

    async def scenario(system):
        await history(system)
        found = await compare_versions(system.deps, ADA, 0, 4)
        assert (len(found.changes), found.truncated) == (1, True)

    play(tmp_path, scenario)


def test_a_negative_version_is_refused(tmp_path):
    async def scenario(system):
        with pytest.raises(InvalidInput):
            await compare_versions(system.deps, ADA, -1, 2)

    play(tmp_path, scenario)
