"""The table of costs: what stands in the docs is what was counted, at the prices of the file."""

import json

import pytest

from bench import billing
from bench.turns import BEGIN, COUNTS, END, PAGE, PER, SHARES, main, table, written

PRICES = {billing.READS: billing.Price(1.0, 1_000, confirmed=True, source="a test")}


def test_the_docs_have_the_table_of_the_last_counts_and_prices():
    steps = json.loads(COUNTS.read_text("utf-8"))["steps"]
    page = PAGE.read_text("utf-8")
    assert page == written(page, table(steps, billing.read_prices()))


def test_every_step_that_was_counted_has_its_share():
    steps = json.loads(COUNTS.read_text("utf-8"))["steps"]
    assert list(steps) == list(SHARES)
    assert SHARES["submit"] == SHARES["feedback"] == PER
    assert round(SHARES["sweep"]) == 17


def test_rows_are_for_a_thousand_turns_and_add_up():
    steps = {"submit": {billing.READS: 2}, "training run": {billing.READS: 500}}
    rows = table(steps, PRICES).splitlines()
    assert [row.split("|")[2].strip() for row in rows[2:]] == ["2,000", "500", "2,500"]
    assert [row.split("|")[-2].strip() for row in rows[2:]] == ["2.0000", "0.5000", "2.5000"]


def test_a_table_takes_the_place_of_the_last_one():
    page = f"before\n{BEGIN}\nold\n{END}\nbehind"
    assert written(page, "new") == f"before\n{BEGIN}\nnew\n{END}\nbehind"
    assert written(written(page, "newer"), "new") == written(page, "new")


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="substring"):
        written("nothing here", "new")


def test_the_table_is_printed_again_without_counting(capsys):
    main(["--table"])
    steps = json.loads(COUNTS.read_text("utf-8"))["steps"]
    assert capsys.readouterr().out.strip() == table(steps, billing.read_prices())
