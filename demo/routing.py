"""Acts 3 to 6: routing before, evidence, a dry run, a run, routing after.

Accuracy and cost are always measured on test prompts, which are never rated.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo.dataset import Model, Prompt
from demo.evaluation import (
    Elimination,
    Interval,
    Scores,
    best_by_category,
    oracle,
    paired_bootstrap,
    score,
)
from demo.learning import changes_table, current_snapshot, reasons, run
from demo.stage import Stage

QUALITY = {True: 5, False: 2}
"""The rating of a right and of a wrong answer."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Routed:
    """Where each test prompt went, as places of models, and what came of it."""

    choices: list[int]
    scores: Scores


def _candidate(model: Model) -> Json:
    return {
        "provider": model.provider,
        "model": model.name,
        "usd_per_m_input": model.usd_per_m_input,
        "usd_per_m_output": model.usd_per_m_output,
    }


def candidates_of(stage: Stage) -> list[Json]:
    """Returns the models that a request may go to: all, with their prices."""
    return [_candidate(model) for model in stage.data.models]


async def route_test(stage: Stage, what: str) -> Routed:
    """Returns where the server sends each test prompt, exploration off, and the outcomes."""
    candidates = candidates_of(stage)
    place_of = {model.id: place for place, model in enumerate(stage.data.models)}

    async def ask(prompt: Prompt) -> int:
        body = {
            "prompt": prompt.text,
            "pattern": stage.pattern(prompt),
            "candidates": candidates,
            "critical": True,
        }
        answer = await stage.machine.post("/v1/route", body)
        return place_of[answer["provider"], answer["model"]]

    choices = await stage.each(what, stage.data.test, ask)
    return Routed(choices, score(stage.data.test, choices))


async def before(stage: Stage) -> Routed:
    """Plays act 3."""
    stage.heading("3  Routing before learning")
    routed = await route_test(stage, "routing test prompts")
    used = Counter(stage.data.models[place].name for place in routed.choices)
    stage.say(
        f"{len(routed.choices):,} test prompts through POST /v1/route, exploration off: "
        f"{_figures(routed.scores)}; models: {', '.join(used)}"
    )
    stage.facts["before"] = _facts(routed.scores)
    return routed


async def gather_evidence(stage: Stage, rounds: int) -> None:
    """Plays act 4: asks models, and rates only what the one that was asked came to."""
    stage.heading("4  Evidence: one model is asked, its own outcome is rated")
    asking = Elimination(len(stage.data.models), stage.rng("evidence"))
    total, right, cost = 0, 0, 0.0
    for number in range(1, rounds + 1):
        drawn = [
            (prompt, place)
            for prompt in stage.data.train
            if (place := asking.draw(prompt)) is not None
        ]
        await stage.each(
            f"evidence, pass {number} of {rounds}", drawn, lambda one: _rate(stage, *one)
        )
        for prompt, place in drawn:
            asking.note(prompt.category, place, correct=prompt.correct[place])
            right += prompt.correct[place]
            cost += prompt.cost_usd[place]
        total += len(drawn)
        await stage.machine.post(
            "/v1/metrics", {"points": accuracy_points(stage.data.models, drawn)}
        )
        asking.give_up()
        left = sum(len(places) for places in asking.left.values()) / len(asking.left)
        stage.say(
            f"Pass {number}: {len(drawn):,} requests routed and rated; "
            f"{left:.1f} of {len(stage.data.models)} models a subject still in question"
        )
    stage.say(
        f"{total:,} ratings, {right / total:.1%} right; the models would have cost ${cost:.2f}. "
        "In each pass the "
        "demo names one candidate by chance, each as likely as the other; after a pass it "
        "gives up those that are "
        "clearly behind. What the other models would have said is never used."
    )
    stage.facts["evidence"] = {"ratings": total, "right": right, "usd": cost}


def accuracy_points(models: Sequence[Model], drawn: Sequence[tuple[Prompt, int]]) -> list[Json]:
    """Returns what the monitor charts: each asked model's share of right answers in a pass."""
    asked, right = Counter[int](), Counter[int]()
    for prompt, place in drawn:
        asked[place] += 1
        right[place] += prompt.correct[place]
    return [
        {
            "model": models[place].name,
            "version": "demo",
            "name": "accuracy",
            "value": right[place] / asked[place],
        }
        for place in sorted(asked)
    ]


async def _rate(stage: Stage, prompt: Prompt, place: int) -> None:
    model, correct = stage.data.models[place], prompt.correct[place]
    decision = await stage.machine.post(
        "/v1/route",
        {
            "prompt": prompt.text,
            "pattern": stage.pattern(prompt),
            "candidates": [_candidate(model)],
            "expected_output_tokens": max(1, prompt.out_tokens[place]),
        },
    )
    await stage.machine.post(
        "/v1/feedback",
        {
            "request_id": decision["request_id"],
            "quality_score": QUALITY[correct],
            "is_correct": correct,
        },
    )


async def dry_run(stage: Stage) -> None:
    """Plays act 5."""
    stage.heading("5  Dry run: what would change, and nothing does")
    current = await current_snapshot(stage)
    preview = await run(stage, "dry run", dry=True)
    changes = [one for one in preview["changes_preview"] if one["kind"] == "routing"]
    stage.console.print(changes_table(changes))
    stage.say("Why:")
    for reason in reasons(changes):
        stage.say(reason)
    kept = len({prompt.category for prompt in stage.data.train}) - len(changes)
    stage.say(
        f"{len(changes)} subjects would change their model, {kept} keep theirs. "
        f"On the evidence itself: {_expected(preview)}"
    )
    unchanged = current == await current_snapshot(stage)
    stage.say(f"The policy in use is {'unchanged' if unchanged else '[red]ANOTHER ONE[/]'}.")
    stage.facts["dry_run"] = {"changes": len(changes), "unchanged": unchanged}


def _expected(preview: Json) -> str:
    parts = []
    for when in ("before", "after"):
        figures = preview[when]
        correctness, cost = figures.get("correctness"), figures.get("cost_usd")
        if correctness and cost is not None:
            parts.append(f"{when} {correctness['mean']:.1%} right at ${1000 * cost:.4f} per 1,000")
    return ", ".join(parts) or "no figures"


async def learn(stage: Stage, old: Routed) -> Routed:
    """Plays act 6."""
    stage.heading("6  Run: routing after, on the same unseen prompts")
    done = await run(stage, "run")
    new = await route_test(stage, "routing test prompts again")
    accuracy, cost = _differences(stage, old.scores, new.scores)
    stage.say(f"Snapshot {done['snapshot_id']}, from {done['ratings_read']:,} ratings.")
    stage.say(f"Before: {_figures(old.scores)}")
    stage.say(f"After:  {_figures(new.scores)}")
    stage.say(
        f"Difference, paired, 95 % bootstrap interval: accuracy {_points(accuracy)}; "
        f"cost {_usd(cost)} per 1,000 ({cost.mean / old.scores.usd_per_1000:+.1%})"
    )
    stage.facts["after"] = _facts(new.scores)
    stage.facts["difference"] = {
        "accuracy": [accuracy.mean, accuracy.low, accuracy.high],
        "usd_per_1000": [cost.mean, cost.low, cost.high],
    }
    stage.facts["run"] = {"snapshot_id": done["snapshot_id"], "ratings": done["ratings_read"]}
    return new


def _differences(stage: Stage, old: Scores, new: Scores) -> tuple[Interval, Interval]:
    rng = stage.rng("bootstrap")
    accuracy = paired_bootstrap(old.correct, new.correct, rng)
    costs = [[1000 * one for one in scores.cost_usd] for scores in (old, new)]
    return accuracy, paired_bootstrap(costs[0], costs[1], rng)


def references(stage: Stage) -> dict[str, Scores]:
    """Returns what policies that see more, or nothing, come to on the test prompts."""
    test, models = stage.data.test, stage.data.models
    cheapest = min(range(len(models)), key=lambda place: sum(p.cost_usd[place] for p in test))
    best = best_by_category(stage.data.train)
    return {
        f"always {models[cheapest].name} (cheapest)": score(test, [cheapest] * len(test)),
        "best of each subject, had all ten answers been seen": score(
            test, [best[prompt.category] for prompt in test]
        ),
        "oracle: the cheapest that is right": score(test, [oracle(prompt) for prompt in test]),
    }


def same_routes(one: Sequence[int], other: Sequence[int]) -> int:
    """Returns how many prompts go to the same model in both."""
    return sum(a == b for a, b in zip(one, other, strict=True))


def _figures(scores: Scores) -> str:
    return f"{scores.accuracy:.2%} right at ${scores.usd_per_1000:.4f} per 1,000 prompts"


def _points(found: Interval) -> str:
    mean, low, high = (100 * one for one in (found.mean, found.low, found.high))
    return f"{mean:+.2f} points ({low:+.2f} to {high:+.2f})"


def _usd(found: Interval) -> str:
    return f"${found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _facts(scores: Scores) -> Json:
    return {
        "prompts": len(scores.correct),
        "accuracy": scores.accuracy,
        "usd_per_1000": scores.usd_per_1000,
    }
