"""Requests that state their pattern teach which prompts are of it, and others are told by that."""

import asyncio
import random

from shared.adapters.blobs_folder import FolderBlobs
from shared.domain.learning.config import LabelConfig, LearningConfig
from shared.domain.learning.labellers import caller_hash
from shared.domain.learning.labels import SAMPLED, Telling, ToldPattern
from shared.messages.serving import RouteRequest
from shared.services import access, learning_status
from shared.services.backup import taking, verifying
from shared.services.backup.taking import Wish
from shared.services.deps import Options
from shared.services.serving.policy import policy
from shared.services.serving.routing import route
from shared.services.serving.watching import try_prompt
from tests.support.learning import ADMIN, run
from tests.support.serving import make_current, snapshot
from tests.support.system import WORKSPACE, caller, play

WHO = caller("key:a", scopes=("serve",))
WORDS = {
    "refunds": "refund charged invoice twice card statement money back cancel subscription".split(),
    "roaming": "abroad roaming network signal country holiday travel data plan sim".split(),
}
OTHERS = [f"customer{number}" for number in range(40)]


def prompt(pattern, draw):
    return " ".join([*draw.sample(WORDS[pattern], 5), *draw.sample(OTHERS, 5)])


async def ask(system, text, pattern=None, who=WHO):
    return await route(system.deps, who, RouteRequest(prompt=text, pattern=pattern), None)


async def labelled(system, count=200):
    draw = random.Random(5)
    for _ in range(count // 2):
        await asyncio.gather(*(ask(system, prompt(name, draw), name) for name in WORDS))


async def logged(system):
    return await system.deps.evidence_log.rows(WORKSPACE, "prompts", 0, 1000)


def test_labelled_requests_teach_and_others_are_told(tmp_path):
    async def scenario(system):
        draw = random.Random(6)
        assert not (await policy(system.deps, WHO)).patterns_told.speaks
        assert (await ask(system, prompt("roaming", draw))).pattern not in WORDS
        await labelled(system)
        done = await run(system)
        assert done.status == "succeeded"
        told = (await learning_status.insights(system.deps, ADMIN)).insights["key_insights"]
        [said] = [one for one in told if "refunds, roaming" in one]
        assert "times in 100" in said
        system.clock.advance(5)
        for name in WORDS:
            answers = [await ask(system, prompt(name, draw)) for _ in range(10)]
            assert [one.pattern for one in answers].count(name) >= 9
        tried = [await try_prompt(system.deps, WHO, prompt("roaming", draw)) for _ in range(10)]
        assert ("roaming", "labels") in {(one.pattern, one.told_by) for one in tried}
        tried_french = await try_prompt(system.deps, WHO, "Translate this to French: hello")
        assert tried_french.told_by == "rules"
        shown = (await policy(system.deps, WHO)).patterns_told
        assert shown.speaks
        assert shown.in_words == said
        assert {one.pattern: one.prompts for one in shown.patterns} == dict.fromkeys(WORDS, 100)
        assert shown.right >= 0.8
        assert (await ask(system, "Translate this to French: hello")).pattern == "translation"
        assert (await ask(system, prompt("roaming", draw), "chosen")).pattern == "chosen"

    play(tmp_path, scenario)


def test_the_log_has_hashes_of_words_and_only_of_labelled_prompts(tmp_path):
    async def scenario(system):
        await ask(system, "refund for a secret")
        assert await logged(system) == []
        answer = await ask(system, "refund for a secret", "refunds")
        [row] = await logged(system)
        assert (row.evidence.request_id, row.evidence.pattern) == (answer.request_id, "refunds")
        assert [int(word) < 8192 for word in row.evidence.words.split()] == [True] * 4
        assert row.evidence.caller == caller_hash("key:a")

    play(tmp_path, scenario)


def test_nothing_is_logged_where_it_is_off(tmp_path):
    async def scenario(system):
        await ask(system, "refund for a secret", "refunds")
        await labelled(system, 4)
        assert await logged(system) == []
        assert (await run(system, dry_run=True)).status == "succeeded"

    off = Options(learning=LearningConfig(labels=LabelConfig(learn=False)))
    play(tmp_path, scenario, options=off)


def test_of_a_pattern_that_is_known_well_a_sample_is_logged(tmp_path):
    async def scenario(system):
        known = tuple(ToldPattern(pattern=name, prompts=900, prior=-3) for name in WORDS)
        made = snapshot().model_copy(update={"telling": Telling(patterns=known)})
        await make_current(system, made)
        await labelled(system, 160)
        assert 0 < len(await logged(system)) < 160 / SAMPLED * 2.5
        before = len(await logged(system))
        await ask(system, "a new one", "new")
        assert len(await logged(system)) == before + 1

    play(tmp_path, scenario)


def test_one_caller_who_floods_the_log_teaches_little_more_than_each_other(tmp_path):
    async def scenario(system):
        draw = random.Random(8)
        for number in range(200):
            who = caller(f"person{number % 10}", scopes=("serve",))
            name = ("refunds", "roaming")[number // 10 % 2]
            await ask(system, prompt(name, draw), name, who)
        for _ in range(200):
            await ask(system, prompt("roaming", draw), "refunds")
        await run(system)
        system.clock.advance(5)
        shown = (await policy(system.deps, WHO)).patterns_told
        counted = {one.pattern: one.prompts for one in shown.patterns}
        assert counted["roaming"] == 100
        assert 100 <= counted["refunds"] <= 140

    play(tmp_path, scenario)


def test_a_run_that_learned_from_labels_is_made_again_from_the_log(tmp_path):
    async def scenario(system):
        await labelled(system, 230)
        await run(system)
        await labelled(system, 130)
        done = await run(system)
        assert done.status == "succeeded"
        await access.create_workspace(system.deps, WORKSPACE)
        place = FolderBlobs(tmp_path / "place")
        backup = await taking.take(system.deps, place, Wish(workspaces=(WORKSPACE,)))
        findings = await verifying.verify_here(system.deps, place, backup)
        assert all(one.ok for one in findings), findings
        assert [one for one in findings if "learned again" in one.detail]

    play(tmp_path, scenario)
