"""Times a training run over a million stored ratings, and one over a thousand more.

The baseline, in the same process and over the same table, is a plain SQL GROUP BY pattern,
provider, model: what it costs to read the evidence once. Run from the root:
`python -m bench.training [rows [patterns]]`; there are ten models.
"""

import asyncio
import os
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from shared import bootstrap
from shared.adapters import sqlite_schema
from shared.cli.serve import spare_what_stays
from shared.domain.access import Caller
from shared.domain.learning.bundles import bundle_of, thinning_of
from shared.messages.training import RunView
from shared.services import training
from shared.services.deps import Deps
from shared.services.snapshots import head_of

WORKSPACE = "default"
ROWS, MORE = 1_000_000, 1_000
PATTERNS, MODELS, DAYS = 10, 10, 60
FIRST_DAY = 20_400

INSERT = """
INSERT INTO evidence_ratings (workspace, seq, at, day, feedback_id, request_id, rater, pattern,
    provider, model, snapshot_id, sign, quality, correct, cost_nanousd, costed, latency_ms, timed,
    propensity, cell, weight, input_tokens, output_tokens, tokened, standing, epoch, arm,
    bundle)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, 1, ?, 1, ?, '', 2560, 100, ?, 1, 4, 0, '', ?)
"""

GROUP_BY = """
SELECT pattern, provider, model, COUNT(*), AVG(quality), AVG(correct), AVG(cost_nanousd)
FROM evidence_ratings WHERE workspace = ? GROUP BY pattern, provider, model
"""


def rows(first: int, count: int, draw: random.Random) -> Iterator[tuple[object, ...]]:
    for seq in range(first, first + count):
        model = draw.randrange(MODELS)
        correct = draw.random() < 0.5 + model * 0.045
        yield (
            WORKSPACE,
            seq,
            "2026-01-01T00:00:00.000000Z",
            FIRST_DAY + min(DAYS - 1, (seq - 1) * DAYS // ROWS),
            f"fb_{seq:020d}",
            f"req_{seq:020d}",
            f"user{seq % 997}",
            f"pattern{draw.randrange(PATTERNS)}",
            f"provider{model % 3}",
            f"model{model}",
            "",
            draw.choice((4, 5)) if correct else draw.choice((1, 2, 3)),
            int(correct),
            200_000 * (model + 1),
            300 + 50 * model,
            0.1,
            150 + 10 * model,
            bundle_of(f"req_{seq:020d}", thinning_of(seq)),
        )


def insert(path: Path, first: int, count: int) -> float:
    """Returns the seconds that it took to store rows as they are after a million requests."""
    connection = sqlite_schema.connect(path)
    start = time.perf_counter()
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows(first, count, random.Random(first)))
        connection.execute("COMMIT")
    finally:
        connection.close()
    return time.perf_counter() - start


def group_by(path: Path) -> float:
    """Returns the best of three times of the baseline, in seconds."""
    times = []
    for _ in range(3):
        connection = sqlite3.connect(path)
        start = time.perf_counter()
        connection.execute(GROUP_BY, (WORKSPACE,)).fetchall()
        times.append(time.perf_counter() - start)
        connection.close()
    return min(times)


class Spent(NamedTuple):
    """Seconds by the clock, and of the processor: the latter hardly depend on who else works."""

    wall_s: float
    processor_s: float


async def timed(run: Callable[[], Awaitable[RunView]]) -> tuple[RunView, Spent]:
    start, busy = time.perf_counter(), time.process_time()
    found = await run()
    return found, Spent(time.perf_counter() - start, time.process_time() - busy)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measure(deps: Deps, path: Path, count: int) -> None:
    caller = Caller(WORKSPACE, "bench", role="admin")

    def run() -> Awaitable[RunView]:
        return training.start_run(deps, caller, "benchmark", None, dry_run=False)

    await head_of(deps, WORKSPACE)  # makes the database
    stored_s = insert(path, 1, count)
    stored_mib = peak_mib()
    plain_s = group_by(path)
    first, first_spent = await timed(run)
    insert(path, count + 1, MORE)
    second, second_spent = await timed(run)
    third, third_spent = await timed(run)
    plain_after_s = group_by(path)
    if (first.ratings_read, second.ratings_read, third.ratings_read) != (count, MORE, 0):
        sys.exit("the runs did not read the evidence that was stored")
    table = Table(title=f"A training run over {count:,} stored ratings")
    for name in ("what", "seconds", "of the processor", "against the plain GROUP BY"):
        table.add_column(name, justify="left" if name == "what" else "right")
    plain = (plain_s + plain_after_s) / 2
    for what, (wall_s, processor_s) in (
        (f"storing {count:,} ratings in bulk", (stored_s, None)),
        ("plain GROUP BY pattern, provider, model", (plain, None)),
        (f"first run, {first.changes_total} changes", first_spent),
        (f"run over {MORE:,} more", second_spent),
        ("run over nothing new", third_spent),
    ):
        busy = "" if processor_s is None else f"{processor_s:.3f}"
        table.add_row(what, f"{wall_s:.3f}", busy, f"{wall_s / plain:.2f} x")
    console = Console(width=100)
    console.print(table)
    before = f"{stored_mib:.0f} MiB before the first run"
    console.print(f"peak memory {peak_mib():.0f} MiB; {before}")
    first_s, second_s = first_spent.wall_s, second_spent.wall_s
    promises = {
        f"first run {first_s / plain:.2f} x of at most 6": first_s <= 6 * plain,
        f"{MORE:,} more in {second_s:.3f} s of less than 1": second_s < 1,
    }
    for promise, kept in promises.items():
        console.print(f"{'kept  ' if kept else 'BROKEN'}  {promise}")
    if not all(promises.values()):
        sys.exit(1)


async def main(count: int) -> None:
    deps = bootstrap.deps()
    spare_what_stays()  # as the server does
    try:
        await measure(deps, bootstrap.settings().data_dir / "whetstone.db", count)
    finally:
        await deps.store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="whetstone-bench-") as folder:
        os.environ["WHETSTONE_DATA_DIR"] = folder
        if len(sys.argv) > 2:
            PATTERNS = int(sys.argv[2])
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
