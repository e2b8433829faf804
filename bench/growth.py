"""How time and cost grow with the entries of one workspace, from 10^3 to 10^6.

The stores are filled directly, a tenth of the entries waiting and the others published, and a file
of the search index with the published ones. Then the use cases run one at a time, in this process.
Kept of each are the median in milliseconds and what it costs the store, counted apart from the time
(see growth_costs). On Firestore's emulator only the cost means anything: it looks through a whole
collection for a query, so it is given a tenth of the entries.

The index is measured by itself. `--keep` writes the figures to growth.json, `--write` the
tables and the plots into the docs.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.deciding import make_deps
from bench.growth_costs import Cost, Meter
from bench.growth_filling import Filled, batches, changes
from bench.growth_index import measure as measure_index
from bench.growth_rows import WORKSPACE
from bench.growth_stores import opened
from bench.growth_tables import FIGURES, INDEX, keep, sizes, write
from bench.growth_works import Player, Work
from shared.services.deps import Deps

MOST = 100_000
FIRESTORE_SHARE = 10
"""The emulator is given one entry of so many: it looks through them all for each query."""

TIMES = {"sqlite": 40, "postgres": 40, "firestore": 1}
COUNTED = 3
HEAP = "12g"

Sizes = dict[str, dict[str, Cost]]
"""What each use case took, by the number of entries and its name; with its cost `ms`."""


async def filled_up(deps: Deps, filled: Filled, first: int, last: int) -> int:
    """Adds the entries with these numbers; returns the version of the knowledge then."""
    version = await filled.fill(first, last)
    for some in batches(changes(filled.world, first, last, version)):
        await deps.index.apply(WORKSPACE, some)
    return await deps.index.version(WORKSPACE)


async def measured(work: Work, meter: Meter, times: int) -> Cost:
    """Returns the median in milliseconds, and what one time costs, on average of a few more."""
    await work()
    took_ms = []
    for _ in range(times):
        started = time.perf_counter()
        await work()
        took_ms.append(1000 * (time.perf_counter() - started))
    meter.start()
    for _ in range(COUNTED):
        await work()
    cost = {name: amount / COUNTED for name, amount in meter.stop().items()}
    return {"ms": statistics.median(took_ms), **cost}


async def measure(name: str, most: int, folder: Path) -> Sizes:
    """Returns the figures of one store, and prints them as they come."""
    found: Sizes = {}
    with opened(name, folder, HEAP) as filled:
        base = make_deps(folder)
        deps = replace(
            base,
            store=filled.store,
            analytics=filled.analytics,
            evidence_log=filled.evidence_log,
        )
        before = 0
        for size in sizes(most):
            started = time.perf_counter()
            versions = await filled_up(deps, filled, before + 1, size)
            before = size
            took = {"filled_s": time.perf_counter() - started}
            player = Player(deps, filled.world, size, versions)
            await player.learn()
            took["learned_s"] = time.perf_counter() - started - took["filled_s"]
            print(f"{name}: {size:,} entries, {took}", flush=True)
            found[str(size)] = {"": took}
            for what, work in player.works().items():
                found[str(size)][what] = await measured(work, filled.meter, TIMES[name])
                print(line(name, size, what, found), flush=True)
        await filled.close()
        await deps.index.close()
        await deps.store.close()
        await base.store.close()
    return found


def line(store: str, size: int, what: str, found: Sizes) -> str:
    """Returns a line of figures, each with its ratio to the smallest size."""
    least, now = next(iter(found.values()))[what], found[str(size)][what]
    cells = [f"{now[name]:12,.2f} {name:16} {ratio(now[name], least[name]):8.2f} x" for name in now]
    return f"{store:10}{size:10,} {what:32}{''.join(cells)}"


def ratio(now: float, least: float) -> float:
    """Returns how many times the least it is; 1 where both are nothing."""
    return now / least if least else 1.0 + now


def measured_part(name: str, most: int, folder: Path) -> Mapping[str, Any]:
    """Returns the figures of a store or of the index, by the number of entries."""
    if name == INDEX:
        return measure_index(folder, most)
    entries = most // FIRESTORE_SHARE if name == "firestore" else most
    return asyncio.run(measure(name, entries, folder))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures each store, one after the other, and the index."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parts = ("sqlite", "postgres", INDEX, "firestore")
    parser.add_argument("--part", choices=parts, help="one of them; all where left out")
    parser.add_argument("--most", type=int, default=MOST, help="entries, up to 1000000")
    parser.add_argument("--keep", action="store_true", help=f"write figures to {FIGURES.name}")
    parser.add_argument("--write", action="store_true", help="put what is kept into the docs")
    options = parser.parse_args(arguments)
    for name in [options.part] if options.part else parts:
        with tempfile.TemporaryDirectory(prefix="whetstone-growth-") as folder:
            found = measured_part(name, options.most, Path(folder))
        if options.keep:
            keep(name, found)
        if options.write:
            write()


if __name__ == "__main__":
    main()
