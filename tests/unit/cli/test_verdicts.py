"""`whetstone verdicts` tells what is right where voters disagree, in a file or the own log."""

import csv
from dataclasses import replace

import pytest
from click.testing import CliRunner

from shared import bootstrap
from shared.cli.main import main
from shared.cli.running import run
from shared.services.verdicts import votes_on_answers
from tests.support.logged import append, one_of

GOOD, BAD = ("ada", "bo"), ("cy", "di", "ed")


@pytest.fixture
def votes(tmp_path):
    """Two voters who are always right, and three who are wrong together in two items of three."""
    path = tmp_path / "votes.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["label", "item", "worker", "remark"])
        for number in range(60):
            truth, other = ("ab", "ba")[number % 2]
            said = other if number // 2 % 3 else truth
            rows.writerows((truth, f"q{number:02}", name, "") for name in GOOD)
            rows.writerows((said, f"q{number:02}", name, "") for name in BAD)
    return path


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Stores ratings as the own log."""
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "data"))
    bootstrap.reset()

    def store(rows):
        run(lambda deps: append(deps.store, rows, "default"))
        bootstrap.reset()

    yield store
    bootstrap.reset()


def done(*arguments):
    return CliRunner().invoke(main, ["verdicts", *map(str, arguments)])


def test_true_labels_of_some_items_tell_who_is_believed_against_the_most(votes, tmp_path):
    known, out = tmp_path / "known.csv", tmp_path / "verdicts.csv"
    known.write_text("item,label\n" + "".join(f"q{n:02},{'ab'[n % 2]}\n" for n in range(20)))
    shown = done(votes, "--known", known, "--out", out)
    assert shown.exit_code == 0, shown.output
    assert "60 items, 300 votes of 5 voters; 40 verdicts are not what most" in shown.output
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["a", "b"] * 30
    assert {row["votes"] for row in rows} == {"5"}
    assert [int(row["against_the_most"]) for row in rows[:6]] == [0, 0, 1, 1, 1, 1]
    listed = shown.output.split("least reliable voters")[1].split()
    assert listed.index("cy") < listed.index("ada")


def test_without_a_file_the_own_ratings_vote(own):
    own(_rated())
    found = run(lambda deps: votes_on_answers(deps, "default", 1000))
    bootstrap.reset()
    assert {vote.item for vote in found} == {f"req_{n}" for n in range(12)}
    assert {(vote.worker, vote.label) for vote in found if vote.item == "req_0"} == {
        ("ada", "right"),
        ("bo", "wrong"),
    }
    shown = done()
    assert shown.exit_code == 0, shown.output
    assert "12 items, 24 votes of 2 voters" in shown.output
    assert "right 1, wrong 1" in shown.output


def _rated():
    """Returns twelve answers that two people rate, on the first of which one changes his mind.

    And one with one rating, one whose second was taken back, one whose second counts for nothing.
    """
    rows = [replace(one_of(n, 1), rater=name) for n in range(12) for name in ("ada", "bo")]
    taken = replace(one_of(21, 1), rater="bo")
    rows += [one_of(20, 1), one_of(21, 1), taken, replace(taken, sign=-1), one_of(22, 1)]
    rows.append(replace(one_of(22, 1), rater="bo", standing=0))
    changed = replace(one_of(0, 1), rater="bo")
    return [*rows, replace(changed, sign=-1), replace(changed, correct=0)]


def test_a_place_that_cannot_be_written_is_told_in_one_line(votes, tmp_path):
    shown = done(votes, "--out", tmp_path / "none" / "verdicts.csv")
    assert shown.exit_code == 1
    assert "verdicts.csv cannot be written: No such file or directory" in shown.output


def test_only_the_end_of_the_log_is_read(own):
    rows = [replace(one_of(n, 1), rater=name) for n in range(700) for name in ("ada", "bo")]
    own(rows)

    async def read(deps):
        return [len(await votes_on_answers(deps, "default", last)) for last in (1000, 10_000)]

    assert run(read) == [1000, 1400]


def test_where_nobody_rated_twice_one_line_says_so(own):
    own([one_of(1, 1)])
    shown = done()
    assert shown.exit_code == 1
    assert "no answer among the last 100,000 ratings was rated by two people" in shown.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("item,label\nq,a\n", "has no column worker; it needs item, worker, label"),
        ("item,worker,label\nq,ada,\n", "line 2: label is empty"),
        ("item,worker,label\nq\n", "line 2: worker is empty"),
        ("item,worker,label\n", "has no votes"),
        ("", "has no column item"),
        ("item,worker,label\nq,ada,\xff\n", "cannot be read as CSV"),
    ],
)
def test_a_bad_file_gets_one_line_that_says_where(tmp_path, text, told):
    path = tmp_path / "votes.csv"
    path.write_bytes(text.encode("latin-1"))
    shown = done(path)
    assert shown.exit_code == 1
    assert told in shown.output
    assert len(shown.output.splitlines()) == 1


def test_a_file_of_a_spreadsheet_is_read_with_the_mark_that_it_begins_with(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text("item,worker,label\na,ada,yes\na,bo,yes\n", encoding="utf-8-sig")
    shown = done(path)
    assert shown.exit_code == 0, shown.output
    assert "1 items, 2 votes of 2 voters" in shown.output


def test_more_labels_than_there_is_room_for_are_refused(tmp_path):
    path = tmp_path / "votes.csv"
    rows = "".join(f"i{one // 2},w{one % 8},free text {one}\n" for one in range(1000))
    path.write_text(f"item,worker,label\n{rows}")
    shown = done(path)
    assert shown.exit_code == 1
    assert "1,000 labels of 8 voters are too many" in shown.output
