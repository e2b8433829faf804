"""Times one routing decision without HTTP and without the store: its parts and the whole.

Run from the root: `python bench/deciding.py`. The budget of the whole is 50 µs, median; the
baseline of the same run is json.dumps of the answer.
"""

import asyncio
import csv
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.learning_core import PROMPT, median_us
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.bus_inprocess import InProcessBus, Retries
from shared.adapters.clock_system import SystemClock
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.ids_sortable import SortableIds
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.access import Caller
from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.labels import Labelled, LabelSums, learned, words_of
from shared.domain.learning.prompts import classify, read
from shared.domain.learning.snapshot import build_snapshot
from shared.domain.learning.state import LearningState
from shared.domain.models import Catalogue, ModelKey, Price, estimate_tokens
from shared.messages.serving import RouteAnswer, RouteRequest
from shared.services.deps import Deps, Options
from shared.services.serving.candidates import Tokens
from shared.services.serving.current import View, current_view
from shared.services.serving.routing import answer_fields, choose, decision_record, route

BUDGET_US = 50.0
SHORT = "Write a Python function that returns the n-th Fibonacci number."
CALLER = Caller("default", "key:bench", scopes=frozenset({"serve"}))


def make_deps(root: Path) -> Deps:
    """Returns a system on the embedded adapters with a catalogue of eleven models."""
    store, clock = SqliteStore(root / "whetstone.db"), SystemClock()
    models = [ModelKey("provider", f"model{place}") for place in range(11)]
    default = ModelId("provider", "model3")
    return Deps(
        store=store,
        analytics=SqliteAnalytics(store.path),
        evidence_log=SqliteEvidence(store.path),
        blobs=FolderBlobs(root / "blobs"),
        bus=InProcessBus(store, clock, {}, Retries()),
        index=SqliteKnowledgeIndex(root / "index"),
        clock=clock,
        ids=SortableIds(),
        catalogue=Catalogue({model: Price(0.5, 1.5) for model in models}),
        providers={},
        notifiers=(),
        options=Options(learning=LearningConfig(default_model=default)),
    )


def decision(deps: Deps, view: View, command: RouteRequest) -> RouteAnswer:
    """Makes one decision as `route` does, up to the write."""
    tokens = Tokens(estimate_tokens(command.prompt), deps.options.expected_output_tokens)
    decided = choose(deps, view, command, command.prompt, tokens)
    record = decision_record(deps, CALLER, command, decided)
    return RouteAnswer(**answer_fields(record, None))


async def routed_us(deps: Deps, command: RouteRequest, rounds: int = 500) -> float:
    """Returns the median time of `route` with its durable write, one at a time, in microseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        await route(deps, CALLER, command, None)
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1000


def with_learned_patterns(view: View) -> View:
    """Returns a view that tells prompts by what 4,000 labelled exam questions have taught."""
    path = Path(__file__).resolve().parent.parent / "demo" / "data" / "train.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = [
            Labelled(row["category"], words_of(read(row["prompt"]).words), "")
            for row in csv.DictReader(file)
        ]
    sums, _ = learned(LabelSums(), random.Random(0).sample(rows, 4000))
    config = LearningConfig()
    made = build_snapshot(replace(LearningState.empty(config), labels=sums), config)
    made.telling.prepare()
    return replace(view, snapshot=made)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        deps = make_deps(Path(folder))
        view = await current_view(deps, CALLER.workspace)
        for name, prompt in (("short", SHORT), ("typical", PROMPT)):
            command = RouteRequest(prompt=prompt)
            answer = decision(deps, view, command)
            fields = answer.model_dump()
            baseline = median_us(partial(json.dumps, fields))
            whole = median_us(partial(decision, deps, view, command))
            classifying = median_us(partial(classify, prompt))
            verdict = "within" if whole < BUDGET_US else "OVER"
            print(
                f"decision, {name} prompt ({len(prompt)} characters): {whole:.1f} us, {verdict} "
                f"{BUDGET_US:g} us; {whole / baseline:.1f} x json.dumps of the answer "
                f"({baseline:.1f} us); classify {classifying:.1f} us of it"
            )
        learned_view = with_learned_patterns(view)
        for name, prompt in (("short", SHORT), ("typical", PROMPT)):
            whole = median_us(partial(decision, deps, learned_view, RouteRequest(prompt=prompt)))
            print(f"decision, {name} prompt, with learned patterns: {whole:.1f} us")
        durable = await routed_us(deps, RouteRequest(prompt=PROMPT))
        print(f"route with its durable write, one at a time: {durable:.0f} us")
        await deps.store.close()


if __name__ == "__main__":
    asyncio.run(main())
