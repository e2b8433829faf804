"""The workspaces that growth is measured on are like those that the services make."""

import asyncio
import itertools
import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bench import growth_index, growth_tables
from bench.billing import READS, WRITES
from bench.deciding import make_deps
from bench.growth import COUNTED, filled_up, line, measured
from bench.growth_costs import PAGES, STEPS, SqliteMeter, Together
from bench.growth_filling import SELDOM_ACTOR, changes
from bench.growth_rows import (
    PENDING_EACH,
    SELDOM_NUMBERS,
    WORKSPACE,
    World,
    is_pending,
    published,
)
from bench.growth_stores import opened
from bench.growth_tables import sizes
from bench.growth_works import Player
from shared.adapters import sqlite_statements
from shared.domain import collections
from shared.domain.knowledge.publication import PUBLICATIONS
from shared.services.auditing import verify_audit

KINDS = {one.name: one for one in collections.ALL}
WORLDS = [World(sorted_ids, datetime(2026, 1, 1, tzinfo=UTC)) for sorted_ids in (True, False)]
WORLD = WORLDS[0]


def row_of(kept, record):
    return sqlite_statements.row_of(WORKSPACE, kept, record)


def made(last, world=WORLD):
    return list(world.rows(1, last, 0, row_of))


def test_sizes_are_powers_of_ten_up_to_the_most():
    assert sizes(1_000) == [1_000]
    assert sizes(999_999) == [1_000, 10_000, 100_000]
    assert sizes(1_000_000)[-1] == 1_000_000


@pytest.mark.parametrize("world", WORLDS)
def test_no_two_entries_share_an_id(world):
    assert len({world.entry_id(number) for number in range(1, 20_000)}) == 19_999


def test_ids_that_begin_with_the_time_are_sorted_and_others_are_spread():
    first, second = ([one.entry_id(number) for number in range(1, 50)] for one in WORLDS)
    assert first == sorted(first)
    assert second != sorted(second)


@pytest.mark.parametrize("world", WORLDS)
def test_every_row_is_a_whole_record_and_says_the_same_in_its_columns(world):
    for table, row in made(25, world):
        record = KINDS[table].record.model_validate_json(row[-1])
        assert record.id == row[1]
        assert row_of(KINDS[table], record) == row
        assert "@" not in row[-1]


def test_no_two_rows_of_a_table_share_a_key():
    keys = [(table, row[1]) for table, row in made(2_000)]
    assert len(keys) == len(set(keys))


def test_versions_of_the_knowledge_have_no_gap():
    docs = [json.loads(row[-1]) for table, row in made(45) if table == PUBLICATIONS.name]
    assert [one["version"] for one in docs] == list(range(1, len(docs) + 1))
    assert len(docs) == published(45) == 45 - 45 // PENDING_EACH


def test_the_index_has_the_published_ones_at_their_versions():
    found = list(changes(WORLD, 1, 45, 7))
    assert [one.version for one in found] == list(range(8, 8 + published(45)))
    waiting = {WORLD.entry_id(number) for number in range(1, 46) if is_pending(number)}
    assert not {one.entry_id for one in found} & waiting


def test_days_are_filled_together_and_what_is_seldom_comes_late_in_the_queue():
    assert {WORLD.day(number) for number in range(1, 90)} == set(range(89))
    assert min(map(WORLD.day, SELDOM_NUMBERS)) > 44


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What each request answers in a store that was filled in two steps, and what is in it."""
    folder = tmp_path_factory.mktemp("growth")

    async def play():
        with opened("sqlite", folder) as filled:
            base = make_deps(folder / "other")
            deps = replace(
                base,
                store=filled.store,
                analytics=filled.analytics,
                evidence_log=filled.evidence_log,
            )
            await filled_up(deps, filled, 1, 300)
            versions = await filled_up(deps, filled, 301, 1_000)
            player = Player(deps, filled.world, 1_000, versions)
            await player.learn()
            answers = {name: await work() for name, work in player.works().items()}
            verified = await verify_audit(deps, WORKSPACE)
            await filled.close()
            await deps.index.close()
            await filled.store.close()
            await base.store.close()
            return answers, verified, versions

    return asyncio.run(play())


def test_every_request_finds_what_it_is_about(played):
    answers, _, versions = played
    assert versions == 900
    assert [len(answers[f"queue, {one}"].items) for one in ("first page", "a topic of three")] == [
        50,
        3,
    ]
    assert answers["queue, first page"].pending_count == 101
    assert len(answers["queue, page in the middle"].items) > 40
    assert len(answers["search, a rare word"].items) == 1
    assert len(answers["search, a word in all"].items) == 10
    assert answers["statistics"].approved == 901
    assert len(answers["statistics"].per_submitter) == 20
    assert len(answers["knowledge, page in the middle"].items) == 50
    assert [one.actor for one in answers["audit, who did one thing"].items] == [SELDOM_ACTOR]
    assert answers["training, dry run"].ratings_read == 1


def test_the_chain_of_a_filled_store_holds(played):
    _, verified, _ = played
    assert verified.ok
    assert verified.checked > 900 * 3


def test_the_median_is_of_the_times_after_the_first_and_the_cost_of_those_behind():
    class Counting:
        def start(self):
            self.before = next(seen)

        def stop(self):
            return {"reads": 5.0 * (next(seen) - self.before - 1)}

    seen = itertools.count()

    async def work():
        next(seen)

    found = asyncio.run(measured(work, Together(Counting()), 3))
    assert found["ms"] >= 0
    assert found["reads"] == 5.0
    assert next(seen) == 1 + 3 + 1 + COUNTED + 1


def test_steps_are_counted_on_connections_that_are_opened_meanwhile():
    meter = SqliteMeter()
    with meter.watching():
        first = sqlite3.connect(":memory:")
        meter.start()
        second = sqlite3.connect(":memory:")
        for one in (first, second):
            one.execute("SELECT 1").fetchall()
        counted = meter.stop()[STEPS]
        first.execute("SELECT 1").fetchall()
        first.close()
        meter.start()
        assert meter.stop()[STEPS] == 0
        second.close()
    assert counted >= 4


def test_a_line_tells_each_figure_with_its_ratio_to_the_smallest_size():
    found = {"1000": {"submit": {"ms": 2.0}}, "10000": {"submit": {"ms": 3.0, STEPS: 4.0}}}
    found["1000"]["submit"][STEPS] = 0.0
    assert "1.50 x" in line("sqlite", 10_000, "submit", found)
    assert "5.00 x" in line("sqlite", 10_000, "submit", found)


def test_an_instance_begins_with_the_index_that_another_one_has_saved(tmp_path):
    saved = growth_index.save(tmp_path, 100)
    loaded = growth_index.load(tmp_path, 100)
    assert saved["file_mb"] > 0.01
    assert loaded["loaded_s"] > 0


def test_figures_are_kept_beside_those_of_the_other_parts(tmp_path, monkeypatch):
    path = tmp_path / "growth.json"
    monkeypatch.setattr(growth_tables, "FIGURES", path)
    growth_tables.keep("sqlite", {"1000": {}})
    growth_tables.keep("index", {"1000": {"file_mb": 1.0}})
    known = json.loads(path.read_text("utf-8"))
    assert {name: one["sizes"] for name, one in known.items()} == {
        "sqlite": {"1000": {}},
        "index": {"1000": {"file_mb": 1.0}},
    }


def test_the_docs_show_the_figures_that_are_kept():
    for path, text in growth_tables.shown(growth_tables.read()).items():
        assert path.read_text("utf-8") == text, path.name


def test_tables_go_between_their_marks():
    page = "a\n<!-- growth: begin -->\nold\n<!-- growth: end -->\nb\n"
    assert growth_tables.written(page, {"growth": "new"}) == page.replace("old", "new")


def figures(store, unit, last):
    first = {"ms": 2.0, unit: 10.0}
    more = {"ms": 4.0, unit: 10.0}
    if store == "firestore":
        first[WRITES], more[WRITES] = 7.0, 7.0
    works = ("submit", *growth_tables.PLOTTED)
    return {
        "measured": "2026-01-01",
        "sizes": {
            size: {"": {"filled_s": 1.0}, **dict.fromkeys(works, cost)}
            for size, cost in (("1000", first), (last, more))
        },
    }


def test_the_table_shows_the_cost_at_both_ends_and_the_plot_the_times():
    found = {
        "sqlite": figures("sqlite", STEPS, "1000000"),
        "postgres": figures("postgres", PAGES, "1000000"),
        "firestore": figures("firestore", READS, "100000"),
    }
    sizes_ = {"1000": dict.fromkeys(("file_mb", "saved_s", "save_mib", "loaded_s", "load_mib"), 1)}
    found["index"] = {"sizes": sizes_}
    assert growth_tables.index_table(found).endswith("| 1,000 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |")
    table = growth_tables.table(found).splitlines()
    assert "10⁵" in table[0]
    assert table[2] == "| submit | 10 | 10 | 7 | 10 | 1.0 | 2.0 | 2.0 | 10 | 1.0 | 2.0 | 2.0 |"
    assert growth_tables.plot(found, "sqlite").count("<polyline") == len(growth_tables.PLOTTED)
