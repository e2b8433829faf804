"""Shared by the tests of the knowledge index; a further adapter joins by adding to `MAKERS`."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.ports import IndexChange, IndexDocument, KnowledgeIndex, SearchResult


def stored(folder: Path) -> KnowledgeIndex:
    return StoredIndex(SqliteKnowledgeIndex(folder / "local"), FolderBlobs(folder / "blobs"))


MAKERS: dict[str, Callable[[Path], KnowledgeIndex]] = {
    "sqlite": SqliteKnowledgeIndex,
    "stored": stored,
}

ABSTRACTS = [
    ("vitamin", "Vitamin D and fractures",
     "Daily vitamin D supplementation reduced hip fractures in elderly women in one trial."),
    ("aspirin", "Aspirin in primary prevention",
     "Low-dose aspirin lowers the risk of heart attack but raises that of stomach bleeding."),
    ("statin", "Statins and cholesterol",
     "Statin therapy lowers cholesterol in the blood and reduces heart attacks after five years."),
    ("sleep", "Sleep and memory",
     "Consolidation of memories improves during slow-wave sleep, and losing sleep impairs it."),
    ("mice", "Gene therapy in mice",
     "A viral vector delivers the corrected gene to the retina of blind mice and restores sight."),
    ("coffee", "Coffee and mortality",
     "Drinking coffee is associated with lower mortality in large cohorts; causes stay unclear."),
    ("bacteria", "Gut bacteria and obesity",
     "Transplanted gut bacteria of obese twins make germ-free mice gain weight."),
    ("vaccine", "Vaccine trial",
     "Two doses of the vaccine prevented infection in most participants for six months."),
]  # fmt: skip

QUESTIONS = {
    "Do vitamin D supplements prevent fractured hips?": "vitamin",
    "aspirin bleeding": "aspirin",
    "how are memories consolidated while we sleep": "sleep",
    "the cholesterol of patients treated with statins": "statin",
    "restoring the sight of a blind mouse by gene therapy": "mice",
    "obesity caused by bacteria": "bacteria",
    "what is the mortality of coffee drinkers?": "coffee",
    "vaccinated participants and infections": "vaccine",
}


def add(version: int, entry_id: str, content: str, **more: object) -> IndexChange:
    fields = {"revision": 1, "topic": "topic", "tags": (), **more}
    document = IndexDocument(entry_id=entry_id, content=content, **fields)
    return IndexChange(version, entry_id, document)


def remove(version: int, entry_id: str) -> IndexChange:
    return IndexChange(version, entry_id, None)


SCIENCE = [
    add(number, entry_id, content, topic=topic)
    for number, (entry_id, topic, content) in enumerate(ABSTRACTS, start=1)
]


def opened(name: str, folder: Path) -> Iterator[KnowledgeIndex]:
    """Yields an empty index and closes it."""
    made = MAKERS[name](folder / "index")
    yield made
    asyncio.run(made.close())


def apply(index: KnowledgeIndex, *changes: IndexChange, workspace: str = "w") -> None:
    asyncio.run(index.apply(workspace, changes))


def search(index: KnowledgeIndex, text: str, workspace: str = "w", **how: object) -> SearchResult:
    return asyncio.run(index.search(workspace, text, **{"limit": 10, **how}))


def found(index: KnowledgeIndex, text: str, **how: object) -> list[str]:
    return [hit.entry_id for hit in search(index, text, **how).hits]


def version(index: KnowledgeIndex, workspace: str = "w") -> int:
    return asyncio.run(index.version(workspace))


def digest(index: KnowledgeIndex, workspace: str = "w") -> str:
    return asyncio.run(index.digest(workspace))
