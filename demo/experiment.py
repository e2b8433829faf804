"""Act 10: readers are shared out between the policies before and after learning, and compared.

Only prompts that were learned from are asked here: those that measure routing are never rated.
"""

import asyncio
from typing import Any

from demo.client import Refused
from demo.dataset import Prompt
from demo.routing import QUALITY, candidates_of
from demo.stage import Stage

REQUESTS = 300
READERS = 60
"""People who ask and rate. Each question is a session of its own: they have nothing in common."""

SEEN_WITHIN_S = 2.0
"""How soon every process that serves knows of an experiment, as promised."""

Json = dict[str, Any]


async def compare(stage: Stage, start: str, newest: str) -> None:
    """Plays act 10, and leaves the experiment stopped.

    Args:
        stage: where.
        start: the snapshot from before learning.
        newest: the one in use.
    """
    stage.heading("10  Experiment: what readers say of routing before and after")
    try:
        trial = await stage.machine.post("/v1/experiments", _asked(stage, start, newest))
    except Refused as error:
        stage.say(f"[yellow]No experiment was started:[/] {error}")
        return
    await asyncio.sleep(SEEN_WITHIN_S)
    prompts = stage.rng("experiment").sample(stage.data.train, k=REQUESTS)
    await stage.each("readers", list(enumerate(prompts)), lambda one: _ask(stage, *one))
    ended = await stage.machine.post(
        f"/v1/experiments/{trial['trial_id']}/stop", {"reason": "The demo has seen enough."}
    )
    stage.say(f"{REQUESTS} requests of {READERS} readers, shared out by session. {ended['words']}")
    stage.facts["experiment"] = {"requests": REQUESTS, "words": ended["words"]}


def _asked(stage: Stage, start: str, newest: str) -> Json:
    return {
        "name": f"Is routing better than before learning? Round {stage.round}",
        "arms": [
            {"name": "before", "share": 0.5, "snapshot_id": start},
            {"name": "after", "share": 0.5, "snapshot_id": newest},
        ],
        "guardrails": [{"metric": "correctness", "limit": 0.2}],
    }


async def _ask(stage: Stage, number: int, prompt: Prompt) -> None:
    reader = f"reader-{number % READERS + 1}"
    decision = await stage.machine.post(
        "/v1/route",
        {
            "prompt": prompt.text,
            "pattern": stage.pattern(prompt),
            "candidates": candidates_of(stage),
            "session_id": f"{reader}.{number}.round{stage.round}",
        },
    )
    names = [(model.provider, model.name) for model in stage.data.models]
    correct = prompt.correct[names.index((decision["provider"], decision["model"]))]
    rating = {"quality_score": QUALITY[correct], "is_correct": correct, "user_id": reader}
    await stage.machine.post("/v1/feedback", {"request_id": decision["request_id"], **rating})
