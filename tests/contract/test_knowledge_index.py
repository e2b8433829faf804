"""The contract of the knowledge index, by words; see knowledge_index_suite."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Conflict, InvalidInput
from shared.ports import IndexChange, IndexDocument, KnowledgeIndex, SearchResult
from tests.contract.knowledge_index_suite import (
    MAKERS,
    QUESTIONS,
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


@pytest.fixture(params=MAKERS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KnowledgeIndex]:
    yield from opened(request.param, tmp_path)


def test_an_empty_index_has_version_0_and_no_hits(index):
    assert version(index) == 0
    result = search(index, "anything")
    assert (result.hits, result.version) == ((), 0)


def test_the_size_is_nothing_at_first_and_grows_with_what_is_added(index):
    sizes = [asyncio.run(index.size("w")).size_bytes]
    for first in (1, 101):
        apply(index, *(add(n, f"e{n}", f"number{n} " * 200) for n in range(first, first + 100)))
        sizes.append(asyncio.run(index.size("w")).size_bytes)
    assert 0 == sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_best_match_comes_first(index, question):
    apply(index, *SCIENCE)
    result = search(index, question)
    assert result.hits[0].entry_id == QUESTIONS[question]
    assert result.version == len(SCIENCE)
    assert result.tier


def test_scores_are_positive_and_fall(index):
    apply(index, *SCIENCE)
    scores = [hit.score for hit in search(index, "risk of heart attacks in mice and women").hits]
    assert len(scores) > 3
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


def test_the_score_is_positive_also_where_every_document_matches(index):
    apply(index, *(add(number, f"e{number}", "same words") for number in range(1, 6)))
    hits = search(index, "same words").hits
    assert [hit.entry_id for hit in hits] == ["e1", "e2", "e3", "e4", "e5"]
    assert all(hit.score > 0 for hit in hits)


def test_words_match_by_their_stem_without_case_or_accents(index):
    apply(index, add(1, "e", "The naïve engineer was CONNECTING two databases"))
    for text in ("connection", "Connected", "database", "NAIVE", "naïve", "engineers"):
        assert found(index, text) == ["e"], text


def test_topic_content_and_tags_are_searched(index):
    apply(
        index,
        add(1, "by_topic", "nothing", topic="Kubernetes upgrades"),
        add(2, "by_content", "we run kubernetes here"),
        add(3, "by_tag", "nothing", tags=("kubernetes",)),
        add(4, "not", "nothing"),
    )
    assert set(found(index, "kubernetes")) == {"by_topic", "by_content", "by_tag"}


def test_a_match_in_the_topic_counts_more_than_one_in_the_content(index):
    apply(
        index,
        add(1, "content", "caching data", topic="other words"),
        add(2, "topic", "other words", topic="caching data"),
        *(add(number, f"e{number}", "filler text") for number in range(3, 9)),
    )
    assert found(index, "caching") == ["topic", "content"]


def test_limit_bounds_the_hits(index):
    apply(index, *(add(number, f"e{number}", "word") for number in range(1, 8)))
    assert len(found(index, "word", limit=3)) == 3
    assert found(index, "word", limit=0) == []


def test_the_topic_filter_is_exact(index):
    apply(
        index,
        add(1, "a", "deploy guide", topic="deploy"),
        add(2, "b", "deploy guide", topic="deploy guide"),
        add(3, "c", "deploy guide", topic="Deploy"),
    )
    assert found(index, "deploy", topic="deploy") == ["a"]
    assert found(index, "deploy", topic="dep") == []


def test_the_tag_filter_wants_all_tags(index):
    apply(
        index,
        add(1, "a", "text", tags=("x", "y z")),
        add(2, "b", "text", tags=("x",)),
        add(3, "c", "text", tags=("x y z",)),
    )
    assert sorted(found(index, "text", tags=["x"])) == ["a", "b"]
    assert found(index, "text", tags=["x", "y z"]) == ["a"]
    assert found(index, "text", tags=["y z", "y z"]) == ["a"]
    assert found(index, "text", tags=["none"]) == []
    assert sorted(found(index, "text", tags=["x"], topic="topic")) == ["a", "b"]
    assert found(index, "text", tags=["x"], topic="other") == []


def test_the_filters_leave_the_order_alone(index):
    apply(
        index,
        add(1, "weak", "cache " + "filler " * 30, tags=("t",)),
        add(2, "strong", "cache cache cache", tags=("t",)),
        add(3, "other", "cache cache"),
        *(add(number, f"e{number}", "filler text") for number in range(4, 12)),
    )
    assert found(index, "cache", tags=["t"]) == ["strong", "weak"]


NASTY = [
    "", " ", chr(34), chr(34) * 2, "'", "a AND", "NOT", "OR OR", "NEAR(a b)", "NEAR/3",
    "content:word", "word" + chr(34),
    "topic : x", "{a b}: c", "^word", "wor*", "*", "(", "((((", ")", "-word", "+", "a + b", "\\",
    ";", "'; DROP TABLE passages; --", "%", "_", "__", "\x00", "word\x00word", "\ud800", "🦊",
    "日本語", "שלום", "the of and", "é" * 3000, "word " * 20_000, "\u2028\u0085", "²", "a\u0301",
    "٣", "ﬁ", "İ", "\U000e0001",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
def test_any_text_is_a_legal_query(index, text):
    apply(index, add(1, "e", "word", topic="heading"))
    words = "".join(char if char.isalnum() else " " for char in text).split()
    assert found(index, text) == (["e"] if "word" in words else [])


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80
)
@given(text=st.text(), tags=st.lists(st.text(), max_size=3), topic=st.none() | st.text())
def test_any_text_and_filter_is_legal(index, text, tags, topic):
    assert search(index, text, tags=tags, topic=topic).hits == ()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(
    content=st.text(), topic=st.text(max_size=50), tags=st.lists(st.text(max_size=20), max_size=4)
)
def test_any_document_can_be_indexed(index, content, topic, tags):
    number = version(index) + 1
    apply(index, add(number, "e", content + " needle", topic=topic, tags=tuple(tags)))
    assert found(index, "needle", topic=topic, tags=tags) == ["e"]


@pytest.mark.parametrize("text", ["the", "what is it?", "", "!?", "to be or not to be"])
def test_nothing_but_stop_words_finds_nothing(index, text):
    apply(index, add(1, "e", "the what is it to be or not"))
    assert found(index, text) == []


def test_words_of_the_query_are_alternatives(index):
    apply(index, *SCIENCE)
    assert set(found(index, "aspirin coffee")) == {"aspirin", "coffee"}


def test_highlights_mark_the_matches_in_a_passage(index):
    apply(
        index, add(1, "e", "filler " * 200 + "the cache was invalidated twice " + "filler " * 200)
    )
    (passage,) = search(index, "invalidating caches").hits[0].highlights
    assert "the **cache** was **invalidated** twice" in passage
    assert len(passage) < 400


def test_a_new_revision_takes_the_place_of_the_old(index):
    apply(index, add(1, "e", "about tigers"))
    apply(index, add(2, "e", "about lions", revision=2))
    assert found(index, "tigers") == []
    (hit,) = search(index, "lions").hits
    assert (hit.entry_id, hit.revision) == ("e", 2)


def test_a_removed_entry_is_not_found(index):
    apply(index, add(1, "e", "text", tags=("t",)), add(2, "f", "text", tags=("t",)))
    apply(index, remove(3, "e"))
    assert found(index, "text") == found(index, "text", tags=["t"]) == ["f"]
    assert version(index) == 3


def test_removing_what_is_not_there_only_moves_the_version(index):
    apply(index, remove(4, "e"))
    assert (version(index), found(index, "e")) == (4, [])


def test_changes_at_or_below_the_version_have_no_effect(index):
    apply(index, add(1, "a", "text"), add(2, "b", "text"))
    before = digest(index)
    apply(index, remove(1, "b"), remove(2, "a"), add(2, "c", "text"))
    assert (found(index, "text"), version(index), digest(index)) == (["a", "b"], 2, before)


def test_changes_are_applied_in_order_of_version_whatever_their_order(index):
    apply(index, remove(3, "a"), add(1, "a", "text"), add(2, "b", "text"))
    assert (found(index, "text"), version(index)) == (["b"], 3)


def test_of_one_version_the_first_change_counts(index):
    apply(index, add(1, "a", "text"), add(1, "b", "text"))
    assert found(index, "text") == ["a"]


def test_no_changes_change_nothing(index):
    apply(index)
    assert version(index) == 0


def test_a_bad_change_leaves_the_whole_batch_out(index):
    stray = IndexChange(2, "b", IndexDocument("other", 1, "topic", "text", ()))
    with pytest.raises(InvalidInput, match="2"):
        apply(index, add(1, "a", "text"), stray)
    assert (version(index), found(index, "text")) == (0, [])


def test_equal_documents_give_an_equal_digest_however_they_got_there(index):
    apply(
        index,
        add(1, "a", "one"),
        add(2, "b", "two"),
        add(3, "a", "three", revision=2),
        workspace="w1",
    )
    apply(index, add(7, "a", "three", revision=2), workspace="w2")
    apply(index, add(8, "c", "gone"), add(9, "b", "two"), remove(10, "c"), workspace="w2")
    assert digest(index, "w1") == digest(index, "w2") != digest(index, "w3")


@pytest.mark.parametrize(
    "other",
    [
        add(1, "b", "text"),
        add(1, "a", "texts"),
        add(1, "a", "text", revision=2),
        add(1, "a", "text", topic="other"),
        add(1, "a", "text", tags=("t",)),
    ],
)
def test_any_difference_shows_in_the_digest(index, other):
    apply(index, add(1, "a", "text"), workspace="w1")
    apply(index, other, workspace="w2")
    assert digest(index, "w1") != digest(index, "w2")


def test_the_digest_knows_where_a_field_ends(index):
    apply(index, add(1, "a", "text", tags=("x", "y")), workspace="w1")
    apply(index, add(1, "a", "text", tags=("x\ny",)), workspace="w2")
    assert digest(index, "w1") != digest(index, "w2")


def test_a_rebuilt_index_equals_the_live_one(index):
    changes = [*SCIENCE, remove(9, "coffee"), add(10, "sleep", "Sleep helps mice.", revision=2)]
    for change in changes:
        apply(index, change, workspace="live")
    apply(index, *changes, workspace="rebuilt")
    for question in QUESTIONS:
        assert search(index, question, "live") == search(index, question, "rebuilt")
    assert digest(index, "live") == digest(index, "rebuilt")


def test_drop_empties_for_a_rebuild(index):
    apply(index, *SCIENCE)
    full = digest(index)
    asyncio.run(index.drop("w"))
    assert (version(index), found(index, "vitamin"), digest(index)) == (
        0,
        [],
        digest(index, "none"),
    )
    apply(index, *SCIENCE)
    assert (version(index), found(index, "vitamin"), digest(index)) == (8, ["vitamin"], full)


def test_dropping_what_is_not_there_is_fine(index):
    asyncio.run(index.drop("w"))
    assert version(index) == 0


def test_workspaces_are_walled_off(index):
    names = ["w", "W2", "w/../x", "..", ".", "w%2F", "ä", "a b"]
    for number, name in enumerate(names, start=1):
        apply(index, add(number, f"e{number}", "text"), workspace=name)
    for number, name in enumerate(names, start=1):
        assert found(index, "text", workspace=name) == [f"e{number}"]
        assert version(index, name) == number
    asyncio.run(index.drop("w"))
    assert found(index, "text", workspace="..") == ["e4"]


@pytest.mark.parametrize("name", ["", "w" * 201])
def test_a_workspace_without_a_sensible_name_is_refused(index, name):
    with pytest.raises(InvalidInput):
        apply(index, add(1, "e", "text"), workspace=name)


def test_many_workspaces_take_turns(index):
    for number in range(70):
        apply(index, add(1, f"e{number}", "text"), workspace=f"w{number}")
    assert [found(index, "text", workspace=f"w{number}") for number in range(70)] == [
        [f"e{number}"] for number in range(70)
    ]


def test_searches_beside_changes_see_whole_versions(index):
    async def change() -> None:
        for number in range(0, 40, 2):
            pair = [add(number + 1, "a", f"text {number}"), add(number + 2, "b", f"text {number}")]
            await index.apply("w", pair)

    async def watch() -> list[SearchResult]:
        return [await index.search("w", "text", limit=10) for _ in range(60)]

    async def both() -> list[list[SearchResult]]:
        _, *seen = await asyncio.gather(change(), watch(), watch())
        return seen

    for results in asyncio.run(both()):
        assert [result.version for result in results] == sorted(
            result.version for result in results
        )
        for result in results:
            assert len(result.hits) == (2 if result.version else 0)
            assert result.version % 2 == 0


def test_changes_after_a_version_that_the_index_has_not_reached_are_refused(index):
    asyncio.run(index.apply("w", [add(1, "a", "text")], after=0))
    with pytest.raises(Conflict):
        asyncio.run(index.apply("w", [add(3, "c", "text")], after=2))
    assert (version(index), found(index, "text")) == (1, ["a"])
    asyncio.run(index.apply("w", [add(2, "b", "text")], after=1))
    asyncio.run(index.apply("w", [add(3, "c", "text")], after=1))
    assert (version(index), found(index, "text")) == (3, ["a", "b", "c"])
