"""Act 7: agents recommend, outcomes settle it, a run says whom to trust and what patterns hold."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from demo.dataset import Picture
from demo.evaluation import rank_correlation, share
from demo.learning import run
from demo.stage import Stage

TEAM = 3
KIND = "bird-species"
SPECIES = {"0": "species A", "1": "species B"}
_SHOWN = 4

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A picture that a team of agents looks at: one workflow."""

    picture: Picture
    number: int
    places: tuple[int, ...]

    @property
    def name(self) -> str:
        """What tells it from other tasks."""
        return f"picture-{self.picture.item}-team-{self.number}"


def teams(pictures: Sequence[Picture], rng: random.Random) -> list[Task]:
    """Returns tasks in which every agent looks at every picture once, in teams drawn by chance."""
    tasks = []
    for picture in pictures:
        places = rng.sample(range(len(picture.labels)), len(picture.labels))
        tasks += [
            Task(picture, number, tuple(places[start : start + TEAM]))
            for number, start in enumerate(range(0, len(places), TEAM), 1)
        ]
    return tasks


def agent_id(place: int) -> str:
    return f"labeller-{place + 1:02d}"


async def agents(stage: Stage) -> str:
    """Plays act 7 and returns the id of the snapshot that it leads to."""
    stage.heading("7  Agents recommend, outcomes settle, trust follows")
    pictures = list(stage.data.pictures)
    shown, unseen = pictures[::2], pictures[1::2]
    tasks = teams(shown, stage.rng("teams"))
    proposals = [(task, place) for task in tasks for place in task.places]
    sure = stated(tasks)
    ids = await stage.each(
        "recommendations",
        proposals,
        lambda one: _recommend(stage, *one, sure[one[0].name, one[1]]),
    )
    made = dict(zip(((task.name, place) for task, place in proposals), ids, strict=True))
    await stage.each("outcomes", tasks, lambda task: _settle(stage, task, made))
    done = await run(stage, "run for trust")
    stage.say(
        f"{len(ids):,} recommendations on {len(shown)} pictures by {len(shown[0].labels)} agents "
        f"in teams of {TEAM}, {len(tasks):,} outcomes; snapshot {done['snapshot_id']}"
    )
    cards = await _cards(stage, len(shown[0].labels))
    ranked = sorted(cards, key=lambda one: -one["overall"])
    stage.console.print(_trust_table(ranked))
    rho = _on_unseen(cards, unseen)
    stage.say(
        f"Trust against the share right on {len(unseen)} pictures not learned from: "
        f"Spearman {rho:+.2f}"
    )
    await _patterns(stage)
    stage.facts["trust"] = {
        "agents": len(cards),
        "disabled": sum(one["disabled"] for one in cards),
        "rho_unseen": rho,
        "snapshot_id": done["snapshot_id"],
    }
    return str(done["snapshot_id"])


def stated(tasks: Sequence[Task]) -> dict[tuple[str, int], float]:
    """Returns how sure each agent says it is of each task: how often it was right before.

    Laplace's rule of succession over its earlier pictures, so 0.5 at the first.
    """
    seen: Counter[int] = Counter()
    right: Counter[int] = Counter()
    found = {}
    for task in tasks:
        for place in task.places:
            found[task.name, place] = round((right[place] + 1) / (seen[place] + 2), 2)
            seen[place] += 1
            right[place] += task.picture.labels[place] == task.picture.truth
    return found


async def _recommend(stage: Stage, task: Task, place: int, sure: float) -> str:
    body = {
        "agent_id": agent_id(place),
        "agent_name": f"Labeller {place + 1}",
        "correlation_id": stage.key(f"picture-{task.picture.item}"),
        "workflow_id": stage.key(task.name),
        "recommendation_type": KIND,
        "content": f"The picture shows {SPECIES[task.picture.labels[place]]}.",
        "confidence_score": sure,
        "reasoning": "",
    }
    answer = await stage.machine.post("/v1/recommendations", body)
    return str(answer["recommendation_id"])


async def _settle(stage: Stage, task: Task, made: Mapping[tuple[str, int], str]) -> None:
    right = {place: task.picture.labels[place] == task.picture.truth for place in task.places}
    body = {
        "workflow_id": stage.key(task.name),
        "overall_quality_score": round(100 * share(right.values()), 1),
        "recommendations": [
            {
                "recommendation_id": made[task.name, place],
                "status": "approved" if correct else "rejected",
                "quality_score": 100 if correct else 0,
            }
            for place, correct in right.items()
        ],
    }
    await stage.machine.post("/v1/outcomes", body)


async def _cards(stage: Stage, count: int) -> list[Json]:
    """Returns the boost and trust of each agent, in order of agent."""

    async def ask(place: int) -> Json:
        return await stage.machine.get(
            f"/v1/agents/{agent_id(place)}/boost", recommendation_type=KIND
        )

    answers = await stage.each("boosts", range(count), ask)
    return [{**one, "overall": one["trust"]} for one in answers]


def _trust_table(ranked: list[Json]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("agent", "trust", "approved", "boost", "priority", ""):
        table.add_column(title)
    rows = [*ranked[:_SHOWN], None, *ranked[-_SHOWN:]]
    for one in rows:
        if one is None:
            table.add_row("…")
            continue
        table.add_row(
            one["agent_id"],
            f"{one['trust']:.2f}",
            _approved(one["reason"]),
            f"{one['boost']:+.2f}",
            one["priority"],
            "disabled" if one["disabled"] else "",
        )
    return table


def _approved(reason: str) -> str:
    """Returns the rate that a boost's reason states, as it words it."""
    return next(
        (part.strip() for part in reason.replace(";", ",").split(",") if "approved" in part), ""
    )


def _on_unseen(cards: list[Json], unseen: list[Picture]) -> float:
    later = [
        share(picture.labels[place] == picture.truth for picture in unseen)
        for place in range(len(cards))
    ]
    return rank_correlation([one["trust"] for one in cards], later)


async def _patterns(stage: Stage) -> None:
    found = (await stage.machine.get("/v1/patterns"))["items"]
    stage.say(f"Patterns that hold: {len(found)}" + (", the first of them:" if found else ""))
    for one in found[:3]:
        stage.say(f"  {one['words']}")
    stage.facts["patterns"] = len(found)
