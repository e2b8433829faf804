"""The workspaces that growth is measured on are like those that the services make."""

import asyncio
import itertools
import json
import sqlite3
from dataclasses import replace

import pytest

from bench.deciding import make_deps
from bench.growth import WORKS, changes, fill_index, line, measured, sizes
from bench.growth_rows import (
    PENDING_EACH,
    WORKSPACE,
    entry_id,
    is_pending,
    published,
    rows,
    spread,
    words,
)
from bench.growth_stores import opened
from shared.adapters import sqlite_statements
from shared.domain import collections
from shared.domain.entries import ENTRIES
from shared.domain.knowledge.publication import PUBLICATIONS

KINDS = {one.name: one for one in collections.ALL}


def row_of(kept, record):
    return sqlite_statements.row_of(WORKSPACE, kept, record)


def made(last):
    return list(rows(1, last, row_of))


def test_sizes_are_powers_of_ten_up_to_the_most():
    assert sizes(1_000) == [1_000]
    assert sizes(999_999) == [1_000, 10_000, 100_000]
    assert sizes(1_000_000)[-1] == 1_000_000


def test_no_two_entries_share_an_id():
    assert len({spread(number) for number in range(1, 20_000)}) == 19_999


def test_every_row_is_a_whole_record_and_says_the_same_in_its_columns():
    for table, row in made(25):
        record = KINDS[table].record.model_validate_json(row[-1])
        assert record.id == row[1]
        assert row_of(KINDS[table], record) == row
        assert "@" not in row[-1]


def test_no_two_rows_of_a_table_share_a_key():
    keys = [(table, row[1]) for table, row in made(200)]
    assert len(keys) == len(set(keys))


def test_versions_of_the_knowledge_have_no_gap():
    docs = [json.loads(row[-1]) for table, row in made(45) if table == PUBLICATIONS.name]
    assert [one["version"] for one in docs] == list(range(1, len(docs) + 1))
    assert len(docs) == published(45) == 45 - 45 // PENDING_EACH


def test_the_index_has_the_published_ones_at_their_versions():
    found = list(changes(1, 45))
    assert [one.version for one in found] == list(range(1, published(45) + 1))
    assert not {one.entry_id for one in found} & {
        entry_id(number) for number in range(1, 46) if is_pending(number)
    }


def test_a_filled_store_answers_every_use_case_that_is_measured(tmp_path):
    async def play():
        with opened("sqlite", tmp_path) as filled:
            base = make_deps(tmp_path / "other")
            deps = replace(base, store=filled.store, analytics=filled.analytics)
            await filled.fill(1, 300)
            await filled.fill(301, 1_000)
            await fill_index(deps, 1, 1_000)
            for work in WORKS.values():
                await work(deps, 1_000, 1)
            queue = await WORKS["page of the queue"](deps, 1_000, 2)
            rare = await WORKS["page, one topic of 100"](deps, 1_000, 2)
            found = await WORKS["search, a rare word"](deps, 1_000, 3)
            everything = await WORKS["search, a word in all"](deps, 1_000, 3)
            await deps.index.close()
            await filled.store.close()
            await base.store.close()
            return queue, rare, found, everything

    queue, rare, found, everything = asyncio.run(play())
    assert len(queue.items) == 50
    assert [one.topic for one in rare.items] == ["topic20"]
    assert len(found.items) == 1
    assert len(everything.items) == 10


def test_rare_words_are_in_one_entry_each():
    assert len({words(number) for number in range(1, 100)}) == 99


def test_the_median_is_of_the_times_after_the_first():
    class Nothing:
        def billed(self):
            return {"reads": 78}

    seen = itertools.count()

    async def work(deps, size, number):
        assert number == next(seen)

    took_ms, billed = asyncio.run(measured(None, Nothing(), 1_000, work))
    assert took_ms >= 0
    assert billed == {"reads": 78 / (next(seen) - 1)}


@pytest.mark.parametrize("billed", [{}, {"firestore_reads": 3.0}])
def test_a_line_tells_what_is_billed_where_anything_is(billed):
    text = line("sqlite", 1_000, "submit", 2.0, 1.0, billed)
    assert ("reads" in text) == bool(billed)
    assert "2.00 ms" in text


def test_the_tables_of_the_rows_are_those_of_the_schema(tmp_path):
    async def fill():
        with opened("sqlite", tmp_path) as filled:
            await filled.fill(1, 20)
            await filled.store.close()

    asyncio.run(fill())
    connection = sqlite3.connect(tmp_path / "growth.db")
    (count,) = connection.execute(f"SELECT count(*) FROM {ENTRIES.name}").fetchone()
    connection.close()
    assert count == 20
