"""How the search index grows: its file, saving it, and what an instance needs to begin with it.

The documents are those of `bench.growth`: a hundred letters each, without vectors. Saving and
loading run in a process of their own each, so that its greatest memory tells what they need; where
the disk is memory, as on Cloud Run, the file comes on top.
"""

import asyncio
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from bench.growth_filling import batches, changes
from bench.growth_rows import WORKSPACE, World, rare_word
from bench.growth_tables import sizes
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex

_MIB = 1024

Figures = dict[str, float]


async def _saved(root: Path, size: int) -> Figures:
    """Makes an index of the entries up to a number and saves it."""
    index = _instance(root, "publisher")
    world = World(sorted_ids=True, first_day=datetime(2026, 1, 1, tzinfo=UTC))
    started = time.perf_counter()
    for some in batches(changes(world, 1, size, 0)):
        await index.apply(WORKSPACE, some)
    made_s = time.perf_counter() - started
    before = _peak_mib()
    started = time.perf_counter()
    await index.save(WORKSPACE)
    saved_s = time.perf_counter() - started
    files = [one.stat().st_size for one in (root / "blobs").rglob("*") if one.is_file()]
    taken = {"file_mb": max(files) / 1e6, "save_mib": _peak_mib() - before}
    return {"made_s": made_s, "saved_s": saved_s, **taken}


async def _loaded(root: Path, size: int) -> Figures:
    """Begins with what was saved, up to the first answer."""
    before = _peak_mib()
    index = _instance(root, "reader")
    started = time.perf_counter()
    found = await index.search(WORKSPACE, rare_word(size - 1), limit=10)
    loaded_s = time.perf_counter() - started
    if len(found.hits) != 1:
        raise RuntimeError(f"{len(found.hits)} entries have a word that one has")
    return {"loaded_s": loaded_s, "load_mib": _peak_mib() - before}


def save(root: Path, size: int) -> Figures:
    """Returns what making and saving took."""
    return asyncio.run(_saved(root, size))


def load(root: Path, size: int) -> Figures:
    """Returns what loading took."""
    return asyncio.run(_loaded(root, size))


def _instance(root: Path, name: str) -> StoredIndex:
    return StoredIndex(SqliteKnowledgeIndex(root / name), FolderBlobs(root / "blobs"))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB


def measure(folder: Path, most: int) -> dict[str, Figures]:
    """Returns the figures of each size, and prints them as they come."""
    spawn = multiprocessing.get_context("spawn")
    found: dict[str, Figures] = {}
    for size in sizes(most):
        mine = found.setdefault(str(size), {})
        for work in (save, load):
            with ProcessPoolExecutor(1, mp_context=spawn) as process:
                mine |= process.submit(work, folder / str(size), size).result()
        told = "   ".join(f"{name} {value:,.2f}" for name, value in mine.items())
        print(f"index: {size:10,} entries   {told}", flush=True)
    return found
