"""Acts 1 and 2: models submit what they read, a person decides, search finds what was approved."""

from dataclasses import dataclass
from typing import Any

from demo.client import Refused
from demo.dataset import Abstract, Claim
from demo.stage import Stage, until

SUBMITTER = "literature-reader"
WITHIN = 3
"""A claim is found if its abstract is among so many results."""

_TOPIC_CHARACTERS = 200
_BY_TITLE = 10
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Handed:
    """An abstract as it was handed in, and the entry that it became."""

    abstract: Abstract
    entry_id: str
    state: str
    cut: bool


async def submit_and_review(stage: Stage) -> list[Handed]:
    """Plays act 1 and returns the entries that are approved and those that are not."""
    stage.heading("1  Models submit, a person decides")
    handed = await _submit(stage)
    known = sum(one.state != "pending_approval" for one in handed)
    stage.say(f"{len(handed)} abstracts submitted in one batch" + _known(known))
    verdicts = await _decide(stage, [one for one in handed if one.state == "pending_approval"])
    await _revise(stage, [one for one in handed if one.cut])
    await _published(stage, [one for one in handed if one.abstract.cited])
    stats = await stage.person.get("/v1/approvals/stats")
    stage.say(
        f"Reviewed: {verdicts['approve']} approved, {verdicts['reject']} rejected (no claim "
        f"rests on them), {verdicts['request_revision']} sent back because it broke off, "
        "handed in again and approved."
    )
    stage.say(f"All so far: {stats['approved']} approved, {stats['rejected']} rejected.")
    stage.facts["entries"] = {"submitted": len(handed), "known": known, **verdicts}
    return handed


def _known(count: int) -> str:
    return f"; {count} of them were there before, and stay one entry each" if count else ""


def body_of(abstract: Abstract, *, cut: bool) -> Json:
    """Returns an entry; `cut` leaves out the second half of its text."""
    text = abstract.text[: len(abstract.text) // 2] if cut else abstract.text
    return {
        "topic": abstract.title[:_TOPIC_CHARACTERS],
        "content": text,
        "confidence_score": 0.8,
        "tags": ["scifact"],
        "metadata": {
            "source": "SciFact",
            "abstract_id": abstract.abstract_id,
            "licence": "ODC-By 1.0",
        },
        "submitter": SUBMITTER,
    }


async def _submit(stage: Stage) -> list[Handed]:
    abstracts = list(stage.data.abstracts)
    cited = [one for one in abstracts if one.cited]
    broken = stage.rng("broken").choice(cited).abstract_id if stage.round == 1 else None
    entries = [body_of(one, cut=one.abstract_id == broken) for one in abstracts]
    result = await stage.machine.post(
        "/v1/entries:batch", {"entries": entries}, key=stage.key("entries")
    )
    made = [item["entry"] for item in result["items"] if item["entry"]]
    if len(made) < len(abstracts):
        raise RuntimeError(f"{result['failed']} entries failed: {result['items']}")
    return [
        Handed(abstract, entry["entry_id"], entry["state"], abstract.abstract_id == broken)
        for abstract, entry in zip(abstracts, made, strict=True)
    ]


def verdict_of(one: Handed) -> str:
    """Returns what the demo's reviewer thinks of an entry."""
    if one.cut:
        return "request_revision"
    return "approve" if one.abstract.cited else "reject"


async def _decide(stage: Stage, waiting: list[Handed]) -> dict[str, int]:
    counts = {"approve": 0, "reject": 0, "request_revision": 0}
    if not waiting:
        return counts
    notes = {
        "approve": "Checked.",
        "reject": "No claim rests on it.",
        "request_revision": "It breaks off in the middle: hand in the whole abstract.",
    }
    decisions = [
        {"entry_id": one.entry_id, "verdict": verdict_of(one), "notes": notes[verdict_of(one)]}
        for one in waiting
    ]
    result = await stage.person.post("/v1/approvals:bulk", {"decisions": decisions})
    for decision, item in zip(decisions, result["items"], strict=True):
        if item["problem"]:
            raise RuntimeError(f"the decision on {decision['entry_id']} failed: {item['problem']}")
        counts[decision["verdict"]] += 1
    return counts


async def _revise(stage: Stage, sent_back: list[Handed]) -> None:
    """Hands in the whole text of what broke off, and has it approved."""
    for one in sent_back:
        if (await stage.machine.get(f"/v1/entries/{one.entry_id}"))["state"] == "approved":
            continue
        body = body_of(one.abstract, cut=False)
        try:
            await stage.machine.put(f"/v1/entries/{one.entry_id}", body, key=stage.key("revision"))
            await stage.person.post(
                f"/v1/approvals/{one.entry_id}/approve", {"notes": "Whole now."}
            )
        except Refused as error:
            stage.say(f"[yellow]The revision was refused:[/] {error}")


async def _published(stage: Stage, expected: list[Handed]) -> None:
    """Waits until everything that was approved is found by its own title."""
    waiting = list(expected)

    async def ask() -> bool | None:
        while waiting:
            query = {"text": waiting[-1].abstract.title, "limit": _BY_TITLE}
            found = (await stage.machine.post("/v1/search", query))["items"]
            if waiting[-1].entry_id not in {item["entry_id"] for item in found}:
                return None
            waiting.pop()
        return True

    await until("what was approved is published", ask)


async def search(stage: Stage, handed: list[Handed]) -> None:
    """Plays act 2: each claim is a query, and its abstract the one right answer."""
    stage.heading("2  Search finds what was approved")
    entry_of = {one.abstract.abstract_id: one.entry_id for one in handed}
    rejected = {one.entry_id for one in handed if not one.abstract.cited}

    async def found(claim: Claim) -> list[str]:
        answer = await stage.machine.post("/v1/search", {"text": claim.text, "limit": WITHIN})
        return [item["entry_id"] for item in answer["items"]]

    results = await stage.each("searching", stage.data.claims, found)
    pairs = list(zip(stage.data.claims, results, strict=True))
    hits = sum(entry_of[claim.abstract_id] in ids for claim, ids in pairs)
    wrong = sum(not rejected.isdisjoint(ids) for ids in results)
    recall = hits / len(pairs)
    stage.say(
        f"{len(pairs)} claims: the abstract that each cites is among the first {WITHIN} for {hits} "
        f"(recall@{WITHIN} {recall:.3f}); rejected entries in the results: {wrong}"
    )
    stage.facts["search"] = {"claims": len(pairs), "recall_at_3": recall, "rejected_found": wrong}
