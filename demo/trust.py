"""Act 7: agents recommend, outcomes settle it, a run says whom to trust and what patterns hold."""

from typing import Any

from rich.table import Table

from demo.dataset import Picture
from demo.evaluation import rank_correlation, share
from demo.learning import run
from demo.stage import Stage

KIND = "bird-species"
SPECIES = {"0": "species A", "1": "species B"}
_SHOWN = 4
_STATED = 0.5

Json = dict[str, Any]


def agent_id(place: int) -> str:
    return f"labeller-{place + 1:02d}"


async def agents(stage: Stage) -> str:
    """Plays act 7 and returns the id of the snapshot that it leads to."""
    stage.heading("7  Agents recommend, outcomes settle, trust follows")
    pictures = list(stage.data.pictures)
    shown, unseen = pictures[::2], pictures[1::2]
    proposals = [(picture, place) for picture in shown for place in range(len(picture.labels))]
    ids = await stage.each("recommendations", proposals, lambda one: _recommend(stage, *one))
    of_picture: dict[str, list[tuple[int, str]]] = {}
    for (picture, place), made in zip(proposals, ids, strict=True):
        of_picture.setdefault(picture.item, []).append((place, made))
    await stage.each("outcomes", shown, lambda one: _settle(stage, one, of_picture[one.item]))
    done = await run(stage, "run for trust")
    stage.say(
        f"{len(ids):,} recommendations of {len(shown[0].labels)} agents on {len(shown)} pictures, "
        f"{len(shown)} outcomes; snapshot {done['snapshot_id']}"
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


def _workflow(stage: Stage, picture: Picture) -> str:
    return stage.key(f"picture-{picture.item}")


async def _recommend(stage: Stage, picture: Picture, place: int) -> str:
    body = {
        "agent_id": agent_id(place),
        "agent_name": f"Labeller {place + 1}",
        "correlation_id": stage.key("pictures"),
        "workflow_id": _workflow(stage, picture),
        "recommendation_type": KIND,
        "content": f"The picture shows {SPECIES[picture.labels[place]]}.",
        "confidence_score": _STATED,
        "reasoning": "",
    }
    answer = await stage.machine.post("/v1/recommendations", body)
    return str(answer["recommendation_id"])


async def _settle(stage: Stage, picture: Picture, made: list[tuple[int, str]]) -> None:
    right = [picture.labels[place] == picture.truth for place, _ in made]
    body = {
        "workflow_id": _workflow(stage, picture),
        "overall_quality_score": round(100 * share(right), 1),
        "recommendations": [
            {
                "recommendation_id": made_id,
                "status": "approved" if correct else "rejected",
                "quality_score": 100 if correct else 0,
            }
            for (_, made_id), correct in zip(made, right, strict=True)
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
    stage.say(f"{len(found)} patterns hold:")
    for one in found[:3]:
        stage.say(f"  {one['words']}")
    stage.facts["patterns"] = len(found)
