"""How an instance with an empty disk gets its index: from the saved file, against a rebuild.

Prints, for 20,000 published documents: the time to save the index and to load it (download, check,
open, first search) and that of folding all publications again, with the ratio; the same with
vectors; what a search by meaning takes against a bare product of numpy's; and the bytes that saving
costs for each publication at three sizes. Objects are files in a folder; with `--storage` they are
on a local Cloud Storage server, where each is a request.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from bench.search import make_documents, make_words
from localcloud.storage import StorageServer
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.blobs_gcs import GcsBlobs
from shared.adapters.bus_inprocess import InProcessBus, Retries
from shared.adapters.clock_system import SystemClock
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.ids_sortable import SortableIds
from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.knowledge.publication import (
    PUBLICATIONS,
    Publication,
    PublishedRevision,
    blob_key,
    object_bytes,
    publication_id,
)
from shared.domain.models import Catalogue
from shared.ports import Blobs, Embedding, IndexChange, IndexDocument, Transaction
from shared.services import knowledge
from shared.services.deps import Deps, Options

WORKSPACE = "bench"
MODEL = "random-768"
DIMS = 768
NOW = "2026-01-01T00:00:00.000000Z"
LEAST_CHANGES, SHARE = 50, 0.02
"""As `StoredIndex` has them where nothing is said."""


async def timed(work: Awaitable[object]) -> float:
    """Returns the seconds that `work` takes."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


def with_vectors(documents: list[IndexDocument], rng: np.random.Generator) -> list[IndexDocument]:
    """Returns the documents with random vectors of length 1."""
    rows = rng.standard_normal((len(documents), DIMS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [
        IndexDocument(
            one.entry_id,
            one.revision,
            one.topic,
            one.content,
            one.tags,
            Embedding(MODEL, tuple(row.tolist())),
        )
        for one, row in zip(documents, rows, strict=True)
    ]


def changes(documents: list[IndexDocument]) -> list[IndexChange]:
    return [IndexChange(number, one.entry_id, one) for number, one in enumerate(documents, start=1)]


class Instances:
    """Instances over the same blobs, each with a disk of its own."""

    def __init__(self, root: Path, blobs: Blobs) -> None:
        self._root, self._blobs, self._made = root, blobs, 0

    def new(self) -> StoredIndex:
        """Returns a new instance with an empty disk."""
        self._made += 1
        return StoredIndex(SqliteKnowledgeIndex(self._root / f"disk{self._made}"), self._blobs)


async def saved_size(blobs: Blobs) -> int:
    """Returns the bytes of the newest saved file."""
    keys = [key for key in await blobs.list(f"index/{WORKSPACE}/") if key.endswith(".sqlite")]
    return len((await blobs.get(keys[-1])).data)


async def load_and_search(index: StoredIndex, text: str) -> None:
    await index.search(WORKSPACE, text, limit=10)


async def measure_load(
    root: Path, blobs: Blobs, documents: list[IndexDocument], query: str
) -> tuple[float, float, int]:
    """Returns the seconds to save and (the median of five) to load, and the bytes of the file."""
    instances = Instances(root, blobs)
    publisher = instances.new()
    await publisher.apply(WORKSPACE, changes(documents))
    save_s = await timed(publisher.save(WORKSPACE))
    loads = []
    for _ in range(5):
        fresh = instances.new()
        loads.append(await timed(load_and_search(fresh, query)))
        await fresh.close()
    size = await saved_size(blobs)
    await publisher.close()
    return save_s, statistics.median(loads), size


# --- the rebuild ----------------------------------------------------------------------------------


def revision(document: IndexDocument) -> PublishedRevision:
    return PublishedRevision(
        id=f"{document.entry_id}:1",
        workspace=WORKSPACE,
        entry_id=document.entry_id,
        revision=1,
        topic=document.topic,
        content=document.content,
        content_hash="0",
        confidence_score=0.5,
        tags=list(document.tags),
        submitter="bench",
        submitted_at=NOW,
        reviewers=["bench"],
        decided_at=NOW,
    )


def make_deps(root: Path, blobs: Blobs, index: StoredIndex) -> Deps:
    store, clock = SqliteStore(root / "whetstone.db"), SystemClock()
    return Deps(
        store=store,
        analytics=SqliteAnalytics(store.path),
        evidence_log=SqliteEvidence(store.path),
        blobs=blobs,
        bus=InProcessBus(store, clock, {}, Retries()),
        index=index,
        clock=clock,
        ids=SortableIds(),
        catalogue=Catalogue({}),
        providers={},
        notifiers=(),
        options=Options(),
    )


async def publish(deps: Deps, documents: list[IndexDocument]) -> None:
    """Writes the objects and the publications of documents, as publishing does."""
    for first in range(0, len(documents), 400):
        batch = documents[first : first + 400]
        keys = [blob_key(WORKSPACE, one.entry_id, 1) for one in batch]
        await asyncio.gather(
            *(
                deps.blobs.put(key, object_bytes(revision(one)))
                for key, one in zip(keys, batch, strict=True)
            )
        )

        async def write(
            tx: Transaction,
            first: int = first,
            batch: list[IndexDocument] = batch,
            keys: list[str] = keys,
        ) -> None:
            for number, (one, key) in enumerate(zip(batch, keys, strict=True), start=first + 1):
                publication = Publication(
                    id=publication_id(number),
                    version=number,
                    operation="add",
                    entry_id=one.entry_id,
                    revision=1,
                    blob_key=key,
                    published_at=NOW,
                )
                tx.create(PUBLICATIONS, publication)

        await deps.store.transact(WORKSPACE, write)


async def measure_rebuild(root: Path, blobs: Blobs, documents: list[IndexDocument]) -> float:
    """Returns the seconds to fold all publications into an empty index."""
    index = Instances(root, blobs).new()
    deps = make_deps(root, blobs, index)
    await publish(deps, documents)
    took_s = await timed(knowledge.catch_up(deps, WORKSPACE))
    await deps.close()
    return took_s


# --- search by meaning ----------------------------------------------------------------------------


async def measure_meaning(
    root: Path, documents: list[IndexDocument], text: Callable[[int], str], rng: np.random.Generator
) -> None:
    index = SqliteKnowledgeIndex(root / "meaning")
    await index.apply(WORKSPACE, changes(documents))
    rows = np.array(
        [one.embedding.vector for one in documents if one.embedding is not None], np.float32
    )
    queries = [(text(4), rng.standard_normal(DIMS)) for _ in range(60)]

    async def ours(words: str, vector: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        unit = tuple((vector / np.linalg.norm(vector)).tolist())
        embedding = Embedding(MODEL, unit)
        await index.search(WORKSPACE, words, limit=10, embedding=embedding)

    async def bare(vector: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        np.argpartition(-(rows @ vector.astype(np.float32)), 10)

    first_s = await timed(ours(*queries[0]))
    ours_s = statistics.median([await timed(ours(*query)) for query in queries])
    bare_s = statistics.median([await timed(bare(vector)) for _, vector in queries])
    print(f"search by words and meaning: first {first_s * 1000:.0f} ms (reads the vectors),")
    print(
        f"  then p50 {ours_s * 1000:.2f} ms, {ours_s / bare_s:.2f} times"
        f" a bare product and partition ({bare_s * 1000:.2f} ms)"
    )
    await index.close()


async def measure(count: int, folder: Path, blobs_of: Callable[[str], Blobs]) -> None:
    rng = random.Random(20_000)
    numbers = np.random.default_rng(20_000)
    text = make_words(rng)
    documents = make_documents(text, count)
    query = text(4)
    rebuild_s = await measure_rebuild(folder / "rebuild", blobs_of("rebuild"), documents)
    embedded = with_vectors(documents, numbers)
    print(f"{count} documents, rebuilt from the publications in {rebuild_s:.2f} s")
    print(f"{'':16}{'file MB':>9}{'save s':>8}{'load s':>8}{'of a rebuild':>14}")
    for name, some in (("words", documents), ("vectors too", embedded)):
        save_s, load_s, size = await measure_load(
            folder / name, blobs_of(name.replace(" ", "-")), some, query
        )
        share = load_s / rebuild_s
        print(f"{name:16}{size / 1e6:9.1f}{save_s:8.2f}{load_s:8.2f}{share:14.3f}")
    await measure_meaning(folder, embedded, text, numbers)
    print("bytes saved for each publication, with 768 dimensions:")
    for some_count in sorted({min(size, count) for size in (2_500, 5_000, count)}):
        name = f"size{some_count}"
        _, _, size = await measure_load(folder / name, blobs_of(name), embedded[:some_count], query)
        print(f"  {some_count:7} documents {size / max(LEAST_CHANGES, SHARE * some_count):10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--storage", action="store_true", help="on a local Cloud Storage server")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        if not chosen.storage:
            asyncio.run(measure(chosen.documents, folder, lambda name: FolderBlobs(folder / name)))
            return
        with StorageServer(folder / "storage.log", folder=folder / "storage") as server:
            server.create_bucket("bench")

            def blobs_of(name: str) -> Blobs:
                return GcsBlobs("bench", prefix=f"{name}/", endpoint=server.url)

            asyncio.run(measure(chosen.documents, folder, blobs_of))


if __name__ == "__main__":
    main()
