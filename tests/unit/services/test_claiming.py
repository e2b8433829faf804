"""Claims over the real store and a clock that tests move."""

import asyncio

import pytest

from shared.domain.entries import ENTRIES
from shared.errors import Conflict, NotAllowed, NotFound, Unavailable
from shared.messages.reviewing import Approve, ClaimEntry, ReleaseEntry
from shared.services import claiming, reviewing
from tests.support.entries import submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")
BOB = caller("bob", role="reviewer")


async def claim(system, entry_id, who=ADA, **body):
    return await claiming.claim(system.deps, who, entry_id, ClaimEntry(**body), None)


async def release(system, entry_id, who=ADA, **body):
    return await claiming.release(system.deps, who, entry_id, ReleaseEntry(**body), None)


async def approve(system, entry_id, who=ADA, **body):
    command = Approve(**body)
    return await reviewing.decide(
        system.deps, who, entry_id, command, None, verdict="approve", notes=""
    )


def test_of_many_who_claim_at_once_one_holds_it(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        people = [caller(f"reviewer-{at}", role="reviewer") for at in range(20)]
        found = await asyncio.gather(
            *(claim(system, entry_id, who) for who in people), return_exceptions=True
        )
        won = [one for one in found if not isinstance(one, Exception)]
        lost = [one for one in found if isinstance(one, Conflict)]
        assert (len(won), len(lost)) == (1, 19)
        assert {one.facts["claim"]["reviewer"] for one in lost} == {won[0].reviewer}

    play(tmp_path, scenario)


def test_a_lapsed_claimant_is_fenced_off(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        mine = await claim(system, entry_id, seconds=30)
        system.clock.advance(30)
        theirs = await claim(system, entry_id, BOB, seconds=30)
        assert theirs.claim_token > mine.claim_token
        for token in (None, mine.claim_token):
            with pytest.raises(Conflict):
                await approve(system, entry_id, claim_token=token)
        done = await approve(system, entry_id, BOB, claim_token=theirs.claim_token)
        assert done.state == "approved"

    play(tmp_path, scenario)


def test_renewing_lasts_from_now(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        first = await claim(system, entry_id, seconds=60)
        system.clock.advance(59)
        second = await claim(system, entry_id, seconds=60)
        assert second.claim_token == first.claim_token
        system.clock.advance(59)
        assert (await approve(system, entry_id, claim_token=first.claim_token)).votes == 1

    play(tmp_path, scenario)


def test_a_released_claim_is_free_for_the_next(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        mine = await claim(system, entry_id)
        with pytest.raises(Conflict):
            await release(system, entry_id, BOB)
        assert (await release(system, entry_id, claim_token=mine.claim_token)).released
        assert not (await release(system, entry_id)).released
        assert (await claim(system, entry_id, BOB)).claim_token == 2
        actions = [one.action for one in await system.store.audit_chain(WORKSPACE, 0, 10)]
        assert actions == ["entry.submitted", "entry.claimed", "entry.released", "entry.claimed"]

    play(tmp_path, scenario)


def test_claims_obey_the_reviewer_rules(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        with pytest.raises(NotAllowed):
            await claim(system, entry_id, ADA, reviewer="bob")
        with pytest.raises(NotAllowed):
            await claim(system, entry_id, caller("key:model", scopes=("review",)))
        with pytest.raises(NotFound):
            await claim(system, "ent_none")
        await system.change_settings(read_only=True)
        for action in (claim, release):
            with pytest.raises(Unavailable):
                await action(system, entry_id)
        assert (await system.store.get(WORKSPACE, ENTRIES, entry_id)).claim is None

    play(tmp_path, scenario)
