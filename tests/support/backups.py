"""Backups in tests: a filled system, its backup, and one that is restored from it."""

from functions.publish.main import app as publish_app
from shared.messages.reviewing import Approve
from shared.services import access, reviewing
from shared.services.backup import chunks, restoring, taking
from shared.services.backup.taking import Wish
from tests.support.entries import submit
from tests.support.learning import evidence, run
from tests.support.system import caller, play

ADA = caller("ada", role="reviewer")
EVERYTHING = Wish()
SECRET = "wsk_of-the-test"


async def approve(system, number):
    entry_id = await submit(system, number)
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")
    return entry_id


async def fill(system, entries=3, ratings=40):
    """Makes a workspace with published knowledge, evidence and a snapshot."""
    system.attach(publish_app)
    await access.bootstrap_access(system.deps, SECRET)
    for number in range(entries):
        await approve(system, number)
    await submit(system, 90)
    await system.drain()
    await evidence(system, ratings)
    await run(system)
    await system.drain()


def taken(root, place, wish=EVERYTHING, prepare=fill, **options):
    """Fills a system and returns its backup."""

    async def scenario(system):
        await prepare(system)
        return await taking.take(system.deps, place, wish)

    return play(root, scenario, **options)


def restored(root, place, backup_id=None, **options):
    async def scenario(system):
        manifest = await restoring.choose(place, backup_id)
        return await restoring.restore(system.deps, place, manifest)

    return play(root, scenario, seed=7, **options)


class Stops(Exception):
    """Stands for the end of the process."""


def dies_after(count):
    """Returns what is told of chunks, and ends the work at one of them."""
    left = [count]

    def told(*_):
        left[0] -= 1
        if left[0] < 0:
            raise Stops

    return told


def small_chunks(monkeypatch, rows=7):
    monkeypatch.setattr(chunks, "ROWS", rows)
    monkeypatch.setattr(taking, "PAGE", rows)
    monkeypatch.setattr(taking, "SAVED_EVERY_S", 0.0)
    monkeypatch.setattr(restoring, "MARKED_EVERY_S", 0.0)
