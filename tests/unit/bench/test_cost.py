"""The page of costs: its tables are what the counts and the prices of the files come to."""

import re

import pytest

from bench import billing
from bench.cost import ENVIRONMENTS, PAGE, Line, idle, table, tables, turns, with_postgres, written
from bench.turns import SHARES

PRICES = billing.read_prices()
STILL = {"sweep": {billing.READS: 2.0, billing.WRITES: 1.0}}
STEPS = {step: dict.fromkeys([*PRICES], 1.0) for step in SHARES}


def usd(name: str) -> float:
    (whole,) = re.findall(r"\| \*\*all\*\* .*\*\*([\d,.]+)\*\*", tables()[name])
    return float(whole.replace(",", ""))


def test_the_page_has_the_tables_of_the_last_counts_and_prices():
    page = PAGE.read_text("utf-8")
    assert page == written(page, tables())


def test_the_summary_says_what_the_tables_come_to():
    page = PAGE.read_text("utf-8")
    said = [float(one) for one in re.findall(r"\*\*\$(\d+)\*\*", page)]
    assert said == [round(usd(name)) for name in ("idle-dev", "idle-prod", "turns")]


def test_every_line_has_a_price_and_every_price_a_line():
    bills = [idle(one, STILL) for one in ENVIRONMENTS.values()]
    lines = [*bills[0], *bills[1], *with_postgres(), *turns(STEPS)]
    assert {one.price for one in lines} == set(PRICES)
    assert {one.source for one in lines} == {"counted", "Terraform", "assumed"}


def test_a_line_is_its_quantity_times_the_list_price():
    line = Line("reads", billing.READS, 250_000, "counted")
    assert line.usd({billing.READS: billing.Price(0.04, 100_000, True, "test")}) == 0.1


def test_jobs_are_counted_as_often_as_they_are_called():
    lines = {one.what: one for one in idle(ENVIRONMENTS["dev"], STILL)}
    assert lines["calls, records written"].quantity == 730 * 60
    assert "keys" not in lines
    assert "warm instances, vCPU" not in lines


def test_a_table_adds_up_begins_with_what_is_dearest_and_marks_what_is_not_confirmed():
    prices = {
        "a": billing.Price(0.5, 1, True, "test"),
        "b": billing.Price(2.0, 1_000, False, "test"),
    }
    rows = table([Line("x", "a", 1, "assumed"), Line("y", "b", 1_000, "counted")], prices)
    assert rows.splitlines()[2:] == [
        "| y | 1,000 | 2 / 1,000 (b) * | 2.00 | counted |",
        "| x | 1 | 0.5 (a) | 0.50 | assumed |",
        "| **all** | | | **2.50** | |",
    ]


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="substring"):
        written("nothing here", {"turns": ""})
