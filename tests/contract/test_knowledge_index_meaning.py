"""The contract of the knowledge index, by meaning; see knowledge_index_suite."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ports import Embedding, IndexChange, KnowledgeIndex, SearchResult
from tests.contract.knowledge_index_suite import (
    MAKERS,
    SCIENCE,
    add,
    apply,
    digest,
    found,
    opened,
    remove,
    search,
    version,
)
from tests.fakes.word_embedder import WordEmbedder


@pytest.fixture(params=MAKERS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KnowledgeIndex]:
    yield from opened(request.param, tmp_path)


EMBEDDER = WordEmbedder(synonyms={"automobile": "car", "vehicle": "car"})


def embedded(number: int, entry_id: str, content: str, **more: object) -> IndexChange:
    return add(number, entry_id, content, embedding=EMBEDDER.of(content), **more)


def near(index: KnowledgeIndex, text: str, **how: object) -> SearchResult:
    return search(index, text, **{"embedding": EMBEDDER.of(text), **how})


def ids(result: SearchResult) -> list[str]:
    return [hit.entry_id for hit in result.hits]


def test_a_document_is_found_by_meaning_without_a_word_of_the_query(index):
    apply(index, embedded(1, "fruit", "apples pears"), embedded(2, "car", "automobile"))
    assert search(index, "vehicle").hits == ()
    result = near(index, "vehicle")
    assert ids(result) == ["car", "fruit"]
    assert result.tier == "bm25+vector"
    assert result.hits[0].highlights == ()


def test_words_and_meaning_are_fused_by_rank(index):
    apply(
        index,
        embedded(1, "both", "car repair"),
        embedded(2, "meaning", "automobile"),
        add(3, "words", "car", topic="car car"),
        embedded(4, "neither", "apples"),
    )
    result = near(index, "car")
    by_id = {hit.entry_id: hit.score for hit in result.hits}
    assert by_id == {
        "words": pytest.approx(1 / 61),
        "both": pytest.approx(1 / 62 + 1 / 62),
        "meaning": pytest.approx(1 / 61),
        "neither": pytest.approx(1 / 63),
    }
    assert ids(result) == ["both", "meaning", "words", "neither"], "equal scores: the older first"
    assert "**car**" in result.hits[0].highlights[0]


def test_without_the_querys_embedding_vectors_are_left_alone(index):
    apply(index, embedded(1, "a", "car"), embedded(2, "b", "automobile"))
    result = search(index, "car")
    assert (ids(result), result.tier) == (["a"], "bm25")


def test_a_text_without_words_to_search_for_is_answered_by_meaning(index):
    apply(index, embedded(1, "a", "to be or not to be"), embedded(2, "b", "car"))
    result = near(index, "to be or not to be", limit=1)
    assert (ids(result), result.tier) == (["a"], "vector")


def test_an_index_without_vectors_answers_by_words(index):
    assert near(index, "text") == SearchResult((), 0, "bm25")
    apply(index, add(1, "a", "text"))
    assert (ids(near(index, "text")), near(index, "text").tier) == (["a"], "bm25")


@pytest.mark.parametrize(
    "embedding",
    [
        Embedding("another-64", EMBEDDER.of("car").vector),
        Embedding("words-64", (1.0, 0.0)),
        Embedding("words-64", ()),
    ],
)
def test_vectors_of_another_model_or_length_do_not_compare(index, embedding):
    apply(index, embedded(1, "a", "car"))
    result = search(index, "automobile", embedding=embedding)
    assert (result.hits, result.tier) == ((), "bm25")


def test_the_filters_hold_for_meaning_too(index):
    apply(
        index,
        embedded(1, "a", "car", topic="x", tags=("s", "t")),
        embedded(2, "b", "automobile", topic="y", tags=("s",)),
        embedded(3, "c", "automobile", topic="x", tags=("t",)),
    )
    assert ids(near(index, "vehicle", tags=["s"])) == ["a", "b"]
    assert ids(near(index, "vehicle", tags=["s", "t"])) == ["a"]
    assert ids(near(index, "vehicle", topic="x")) == ["a", "c"]
    assert ids(near(index, "vehicle", topic="x", tags=["t"])) == ["a", "c"]
    assert ids(near(index, "vehicle", topic="none")) == []


def test_the_limit_holds_for_meaning_too(index):
    apply(index, *(embedded(number, f"e{number}", "car") for number in range(1, 130)))
    assert ids(near(index, "vehicle", limit=3)) == ["e1", "e2", "e3"]
    assert len(near(index, "vehicle", limit=120).hits) == 120
    assert near(index, "vehicle", limit=0).hits == ()


def test_meaning_follows_revisions_removals_and_rebuilds(index):
    apply(index, embedded(1, "a", "car"), embedded(2, "b", "apples"))
    assert ids(near(index, "vehicle", limit=1)) == ["a"]
    apply(index, embedded(3, "a", "pears", revision=2), embedded(4, "c", "automobile"))
    assert ids(near(index, "vehicle", limit=1)) == ["c"]
    apply(index, remove(5, "c"))
    assert set(ids(near(index, "vehicle"))) == {"a", "b"}
    asyncio.run(index.drop("w"))
    assert near(index, "vehicle").hits == ()
    apply(index, *(embedded(number, f"e{number}", f"car {number}") for number in range(1, 6)))
    assert len(near(index, "vehicle").hits) == 5


def test_meaning_is_walled_off_by_workspace(index):
    apply(index, embedded(1, "a", "car"), workspace="one")
    apply(index, embedded(1, "b", "car"), workspace="two")
    for workspace, entry_id in (("one", "a"), ("two", "b"), ("one", "a")):
        result = search(index, "vehicle", workspace, embedding=EMBEDDER.of("vehicle"))
        assert ids(result) == [entry_id]


def test_what_has_no_embedding_of_a_model_is_listed_newest_first(index):
    assert asyncio.run(index.unembedded("w", "words-64", 10)) == []
    other = Embedding("another", EMBEDDER.of("x").vector)
    apply(
        index,
        add(1, "none", "text"),
        embedded(2, "done", "text"),
        add(3, "other", "text", embedding=other, revision=4),
        add(4, "refused", "text", embedding=Embedding("words-64", ())),
        add(5, "gone", "text"),
        remove(6, "gone"),
    )
    assert asyncio.run(index.unembedded("w", "words-64", 10)) == [("other", 4), ("none", 1)]
    assert asyncio.run(index.unembedded("w", "words-64", 1)) == [("other", 4)]
    assert len(asyncio.run(index.unembedded("w", "third", 10))) == 4


def test_embeddings_do_not_show_in_the_digest(index):
    apply(index, add(1, "a", "text"), workspace="w1")
    apply(index, embedded(1, "a", "text"), workspace="w2")
    assert digest(index, "w1") == digest(index, "w2")


def test_many_new_vectors_are_taken_in_at_once(index):
    apply(index, embedded(1, "a", "apples"))
    assert ids(near(index, "vehicle")) == ["a"]
    apply(index, *(embedded(number, f"e{number}", f"filler {number}") for number in range(2, 700)))
    apply(index, embedded(700, "car", "automobile"), remove(701, "a"))
    assert ids(near(index, "vehicle", limit=1)) == ["car"]


def test_load_and_save_change_nothing_that_is_found(index):
    apply(index, *SCIENCE)
    for call in (index.save, index.load, index.save):
        asyncio.run(call("w"))
        assert (version(index), found(index, "vitamin")) == (8, ["vitamin"])
