"""Act 11: what the demo leaves in the queue, so that a person finds something to decide.

The claims contradict each other in pairs, of which one at most can be right: they are near
duplicates, as reviewers meet them.
"""

from typing import Any

from demo.client import Refused
from demo.dataset import Claim
from demo.stage import Stage

SUBMITTER, SECOND = "claim-writer", "second-reader"
CLAIMS, SHORTENED = 12, 2
STATED = (0.95, 0.55, 0.8, 0.35, 0.9, 0.7)
"""Stated confidences in turn: the data set has none, and a queue of equals would show nothing."""

_TOPIC_CHARACTERS = 200
Json = dict[str, Any]


async def leave(stage: Stage) -> None:
    """Submits claims and two shortened abstracts, sends one claim back, and decides none."""
    stage.heading("11  What waits for you")
    bodies = [*_claims(stage), *_shortened(stage)]
    result = await stage.machine.post(
        "/v1/entries:batch", {"entries": bodies}, key=stage.key("waiting")
    )
    entries = [item["entry"] for item in result["items"] if item["entry"]]
    if stage.round == 1:
        await _send_back(stage, entries[0]["entry_id"], bodies[0])
    pending = (await stage.person.get("/v1/approvals", limit=1))["pending_count"]
    stage.say(
        f"{pending} entries wait for a decision: claims that contradict each other, one of them "
        "handed in again after a question, and abstracts that say almost what is approved already."
    )
    stage.facts["waiting"] = pending


def contradictions(claims: list[Claim], number: int) -> list[Claim]:
    """Returns claims about papers that have several, so that like stands beside like."""
    by_paper: dict[str, list[Claim]] = {}
    for one in claims:
        by_paper.setdefault(one.abstract_id, []).append(one)
    pairs = [ones[:2] for ones in by_paper.values() if len(ones) > 1]
    return [one for pair in pairs for one in pair][:number]


def _claims(stage: Stage) -> list[Json]:
    titles = {one.abstract_id: one.title for one in stage.data.abstracts}
    chosen = contradictions(list(stage.data.claims), CLAIMS)
    return [
        {
            "topic": titles[one.abstract_id][:_TOPIC_CHARACTERS],
            "content": one.text,
            "confidence_score": STATED[place % len(STATED)],
            "tags": ["scifact", "claim"],
            "metadata": {"source": "SciFact", "claim_id": one.claim_id, "licence": "ODC-By 1.0"},
            "submitter": SUBMITTER,
        }
        for place, one in enumerate(chosen)
    ]


def _shortened(stage: Stage) -> list[Json]:
    """Returns abstracts that are approved already, without their last sentence."""
    approved = [one for one in stage.data.abstracts if one.cited][:SHORTENED]
    return [
        {
            "topic": one.title[:_TOPIC_CHARACTERS],
            "content": one.text.rstrip(". ").rpartition(". ")[0] + ".",
            "confidence_score": 0.75,
            "tags": ["scifact"],
            "metadata": {"source": "SciFact", "abstract_id": one.abstract_id},
            "submitter": SECOND,
        }
        for one in approved
    ]


async def _send_back(stage: Stage, entry_id: str, body: Json) -> None:
    """Has a claim revised, so that the queue shows what changed; not where somebody was faster."""
    path = f"/v1/approvals/{entry_id}/request-revision"
    revised = {**body, "content": f"{body['content']}\n\nSource: *{body['topic']}*"}
    try:
        await stage.person.post(path, {"notes": "Which paper says so?", "revision": 1})
        await stage.machine.put(f"/v1/entries/{entry_id}", revised, key=stage.key("source"))
    except Refused as error:
        stage.say(f"[yellow]No revision was asked for:[/] {error}")
