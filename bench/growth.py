"""How time and cost grow with the entries of a workspace, from 10^3 to 10^6.

The tables are filled directly, a tenth of the entries waiting and the others published, and a file
of the index with the published ones. Then the use cases run one at a time, in this process: submit,
a page of the queue, approve, the statistics, and searches. Printed is the median of each in
milliseconds and its ratio to the smallest size; on Firestore's emulator what is billed as well,
which matters there: its times are the emulator's, which looks through a collection for a query.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.billing import READS, WRITES, Tally
from bench.deciding import make_deps
from bench.growth_rows import PENDING_EACH, WORKSPACE, entry_id, published, words
from bench.growth_stores import STORES, Filled, opened
from shared.domain.access import Caller
from shared.messages.reviewing import QueueParams, Reviewed
from shared.messages.serving_reading import SearchRequest
from shared.messages.submitting import SubmitEntry
from shared.ports import IndexChange, IndexDocument
from shared.services import review_reading, reviewing, submitting
from shared.services.deps import Deps
from shared.services.serving import searching

SMALLEST, MOST, MOST_FIRESTORE = 1_000, 100_000, 10_000
TIMES = 40
_CHUNK = 20_000
_CALLER = Caller(WORKSPACE, "key:reviewer", scopes=frozenset({"admin"}))

Work = Callable[[Deps, int, int], Awaitable[object]]
"""Does something once: how many entries there are, and the how-manieth time this is."""


async def submit(deps: Deps, size: int, time_: int) -> object:
    content = f"A note about fresh{size}x{time_} and what follows from it for size{size} only."
    command = SubmitEntry(topic="topic7", content=content, confidence_score=0.8, submitter="agent")
    return await submitting.submit_entry(deps, _CALLER, command, None)


async def queue(deps: Deps, size: int, time_: int) -> object:  # noqa: ARG001 -- as every work
    return await review_reading.queue(deps, _CALLER, QueueParams(limit=50))


async def rare(deps: Deps, size: int, time_: int) -> object:  # noqa: ARG001 -- as every work
    topic = f"topic{time_ * PENDING_EACH}"
    return await review_reading.queue(deps, _CALLER, QueueParams(limit=50, topic=topic))


async def approve(deps: Deps, size: int, time_: int) -> object:
    id = entry_id(size - time_ * PENDING_EACH)
    return await reviewing.decide(
        deps, _CALLER, id, Reviewed(), None, verdict="approve", notes="bench"
    )


async def stats(deps: Deps, size: int, time_: int) -> object:  # noqa: ARG001 -- as every work
    return await review_reading.stats(deps, _CALLER)


async def search(deps: Deps, size: int, time_: int) -> object:
    number = 1 + time_ * (size // TIMES // PENDING_EACH) * PENDING_EACH
    return await searching.search(deps, _CALLER, SearchRequest(text=words(number)))


async def search_common(deps: Deps, size: int, time_: int) -> object:
    text = f"{words(size // 2 + time_)} invoice"
    return await searching.search(deps, _CALLER, SearchRequest(text=text))


WORKS: dict[str, Work] = {
    "submit": submit,
    "page of the queue": queue,
    "page, one topic of 100": rare,
    "approve": approve,
    "statistics": stats,
    "search, a rare word": search,
    "search, a word in all": search_common,
}


def sizes(most: int) -> list[int]:
    """Returns 10^3, 10^4 and so on, up to `most`."""
    found = [SMALLEST]
    while found[-1] * 10 <= most:
        found.append(found[-1] * 10)
    return found


def changes(first: int, last: int) -> Iterator[IndexChange]:
    """Yields what the index has of the entries with these numbers."""
    for number in range(first, last + 1):
        if number % PENDING_EACH:
            content = f"An invoice that names {words(number)} is paid within thirty days."
            document = IndexDocument(entry_id(number), 1, f"topic{number % 1000}", content, ())
            yield IndexChange(published(number), document.entry_id, document)


async def fill_index(deps: Deps, first: int, last: int) -> None:
    """Puts the published ones of these entries into the index."""
    for start in range(first, last + 1, _CHUNK):
        some = list(changes(start, min(last, start + _CHUNK - 1)))
        await deps.index.apply(WORKSPACE, some)


async def measured(
    deps: Deps, filled: Filled, size: int, work: Work
) -> tuple[float, dict[str, float]]:
    """Returns the median in milliseconds, and what one time is billed as, on average."""
    await work(deps, size, 0)
    filled.billed()
    took_ms = []
    for time_ in range(1, TIMES):
        started = time.perf_counter()
        await work(deps, size, time_)
        took_ms.append(1000 * (time.perf_counter() - started))
    billed: Tally = filled.billed()
    return statistics.median(took_ms), {k: n / len(took_ms) for k, n in billed.items()}


async def measure(name: str, most: int, folder: Path) -> None:
    """Prints a line for each use case and size of one store."""
    with opened(name, folder) as filled:
        base = make_deps(folder)
        deps = replace(base, store=filled.store, analytics=filled.analytics)
        first: dict[str, float] = {}
        before = 0
        for size in sizes(most):
            started = time.perf_counter()
            await filled.fill(before + 1, size)
            await fill_index(deps, before + 1, size)
            before = size
            filled_s = time.perf_counter() - started
            print(f"{name}: {size:,} entries, filled in {filled_s:.0f} s", flush=True)
            for what, work in WORKS.items():
                took_ms, billed = await measured(deps, filled, size, work)
                first.setdefault(what, took_ms)
                print(line(name, size, what, took_ms, took_ms / first[what], billed), flush=True)
        await deps.store.close()
        await base.store.close()


def line(
    name: str, size: int, what: str, took_ms: float, ratio: float, billed: dict[str, float]
) -> str:
    """Returns a line of figures."""
    cost = (
        f"   {billed.get(READS, 0):6.1f} reads {billed.get(WRITES, 0):5.1f} writes"
        if billed
        else ""
    )
    return f"{name:10}{size:10,} {what:27}{took_ms:9.2f} ms{ratio:8.2f} x{cost}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the figures of each store, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--store", choices=STORES, help="one of them; all where left out")
    parser.add_argument("--most", type=int, default=MOST, help="entries, up to 1000000")
    options = parser.parse_args(arguments)
    for name in [options.store] if options.store else STORES:
        folder = Path(tempfile.mkdtemp(prefix="whetstone-growth-"))
        most = min(options.most, MOST_FIRESTORE) if name == "firestore" else options.most
        try:
            asyncio.run(measure(name, most, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
