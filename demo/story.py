"""The order of the acts, and what the demo sets on a server while it plays."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo import experiment, knowledge, routing, safety, trust, waiting
from demo.client import Api, Refused
from demo.dataset import Dataset, load
from demo.evaluation import stratified
from demo.learning import run
from demo.server import Place, found
from demo.stage import Stage, round_after
from demo.summary import print_summary

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asked for."""

    url: str
    own: bool
    data_dir: Path | None
    keep: bool
    seed: int
    quick: bool


PASSES, QUICK_PASSES = 4, 2
"""How often the training prompts are gone through, at most once per model each."""


def quick(data: Dataset) -> Dataset:
    """Returns a smaller set, for tests: a part of the prompts and of the pictures."""
    return replace(
        data,
        train=stratified(data.train, 6, lambda prompt: prompt.category),
        test=stratified(data.test, 6, lambda prompt: prompt.category),
        pictures=data.pictures[:24],
    )


async def play(wishes: Wishes, console: Console) -> Json:
    """Plays every act and returns the facts."""
    began = time.monotonic()
    data = quick(load()) if wishes.quick else load()
    async with (
        found(wishes.url, own=wishes.own, data_dir=wishes.data_dir, keep=wishes.keep) as place,
        Api(place.url, place.machine) as machine,
        Api(place.url, place.person) as person,
    ):
        with _bar(console) as progress:
            stage = Stage(machine, person, data, wishes.seed, console, progress)
            await _introduce(stage, place)
            async with _only_when_asked(stage):
                before, after = await _acts(stage, QUICK_PASSES if wishes.quick else PASSES)
        print_summary(stage, before, after, time.monotonic() - began)
    return stage.facts


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)


async def _acts(stage: Stage, passes: int) -> tuple[routing.Routed, routing.Routed]:
    handed = await knowledge.submit_and_review(stage)
    await knowledge.search(stage, handed)
    start = await run(stage, "opening run")
    before = await routing.before(stage)
    await routing.gather_evidence(stage, passes)
    await routing.dry_run(stage)
    after = await routing.learn(stage, before)
    newest = await trust.agents(stage)
    await safety.undo(stage, start["snapshot_id"], newest, before, after)
    await safety.audit(stage)
    await experiment.compare(stage, start["snapshot_id"], newest)
    await waiting.leave(stage)
    return before, after


_OWN = "Playing on a server of its own at {url}, with the settings of demo/whetstone.yaml."
_THEIRS = (
    "Playing on the server at {url}, with its own settings, which are not changed. With the "
    "default bars for HIGH and MEDIUM (80 % and 70 % right, by lower bounds) most of these exam "
    "questions are too hard for any model to qualify, and those subjects stay as they are. With "
    "bars that fit: make demo ARGS=--own"
)


async def _introduce(stage: Stage, place: Place) -> None:
    rated = await stage.machine.get("/v1/feedback/summary")
    stage.round = round_after(one["pattern"] for one in rated["by_pattern"])
    stage.facts["round"] = stage.round
    stage.say((_OWN if place.own else _THEIRS).format(url=place.url))
    for line in place.said:
        stage.say(line)
    if stage.round > 1:
        stage.say(
            f"There are ratings already: this is round {stage.round}, with patterns of its own."
        )


@contextlib.asynccontextmanager
async def _only_when_asked(stage: Stage) -> AsyncIterator[None]:
    """Has runs wait for the demo: a thousand ratings would ask for one by themselves."""
    before = await stage.machine.get("/v1/settings")
    try:
        await stage.machine.put("/v1/settings", {"mode": "manual"})
    except Refused as error:
        stage.say(f"[yellow]The mode stays {before['mode']}:[/] {error}")
        yield
        return
    try:
        yield
    finally:
        restored = {"mode": before["mode"]} | ({"hold": None} if before["hold"] is None else {})
        await stage.machine.put("/v1/settings", restored)
