"""`whetstone verdicts`: which answers are right where several people judged them and disagree."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from shared.cli.running import in_workspace, run
from shared.domain.learning.crowd import Crowd, Vote, aggregate
from shared.errors import InvalidInput
from shared.services.verdicts import votes_on_answers

SHOWN = 10
"""Items and voters that are printed; `--out` has all."""

MOST_FIGURES = 5_000_000
"""Voters times labels times labels: each voter has a table of mistakes, some 100 bytes a figure."""

_VOTE_COLUMNS = ("item", "worker", "label")
_KNOWN_COLUMNS = ("item", "label")
_A_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("votes", required=False, type=_A_FILE)
@in_workspace
@click.option(
    "--last",
    default=100_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Ratings at the end of the log that are read, without VOTES.",
)
@click.option(
    "--known", type=_A_FILE, help="CSV with item,label: true labels of some items, to learn from."
)
@click.option("--out", type=click.Path(path_type=Path), help="CSV to write every verdict to.")
def verdicts(
    votes: Path | None, workspace: str, last: int, known: Path | None, out: Path | None
) -> None:
    """Tell which label is right where several people gave one: VOTES is a CSV item,worker,label.

    Votes are weighed by what each voter gets right elsewhere, which is learned from the votes
    alone; true labels of some items make that surer.

    Without VOTES the workspace's own ratings are the votes: answers that two people or more have
    rated, by request id, `right` or `wrong`.
    """
    given = _read_votes(votes) if votes else _own_votes(workspace, last)
    told = {row[0]: row[1] for row in _rows(known, _KNOWN_COLUMNS)} if known else {}
    _check_room(given, told)
    crowd = aggregate(given, told)
    usual = _majorities(given)
    _show_items(crowd, usual)
    _show_voters(crowd)
    if out is not None:
        _write(out, crowd, usual)


def _read_votes(path: Path) -> list[Vote]:
    found = [Vote(*row) for row in _rows(path, _VOTE_COLUMNS)]
    if not found:
        raise InvalidInput(f"{path} has no votes")
    return found


def _check_room(votes: Sequence[Vote], known: Mapping[str, str]) -> None:
    voters, labels = {one.worker for one in votes}, {one.label for one in votes}
    labels |= set(known.values())
    if len(voters) * len(labels) ** 2 > MOST_FIGURES:
        raise InvalidInput(
            f"{len(labels):,} labels of {len(voters):,} voters are too many to weigh: votes are on "
            "a few labels that come again and again"
        )


def _own_votes(workspace: str, last: int) -> list[Vote]:
    found = run(lambda deps: votes_on_answers(deps, workspace, last), workspace)
    if not found:
        raise InvalidInput(f"no answer among the last {last:,} ratings was rated by two people")
    return found


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Returns these columns of a CSV.

    Raises:
        InvalidInput: it lacks one, or a row lacks a value; says which and where.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write a mark
            lines = csv.DictReader(file)
            missing = [name for name in columns if name not in (lines.fieldnames or ())]
            if missing:
                raise InvalidInput(
                    f"{path} has no column {missing[0]}; it needs {', '.join(columns)}"
                )
            return [_values(path, lines.line_num, row, columns) for row in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read as CSV: {error}") from error


def _values(
    path: Path, line: int, row: Mapping[str, str | None], columns: Sequence[str]
) -> tuple[str, ...]:
    found = tuple((row[name] or "").strip() for name in columns)
    if "" in found:
        raise InvalidInput(f"{path}, line {line}: {columns[found.index('')]} is empty")
    return found


def _majorities(votes: Sequence[Vote]) -> dict[str, Counter[str]]:
    """Returns how often each label was given, by item."""
    found: dict[str, Counter[str]] = {}
    for item, _, label in votes:
        found.setdefault(item, Counter())[label] += 1
    return found


def _overruled(crowd: Crowd, usual: Mapping[str, Counter[str]]) -> list[str]:
    """Returns the items whose verdict is not what most of their voters said."""
    return [
        item
        for item, judged in crowd.items.items()
        if usual[item][judged.label] < max(usual[item].values())
    ]


def _show_items(crowd: Crowd, usual: Mapping[str, Counter[str]]) -> None:
    click.echo(
        f"{len(crowd.items):,} items, {sum(one.n for one in crowd.workers.values()):,} votes of "
        f"{len(crowd.workers):,} voters; {len(_overruled(crowd, usual)):,} verdicts are not what "
        "most voters of the item said"
    )
    click.echo(f"\nleast sure {'verdict':>24}{'sure':>8}  votes")
    doubtful = sorted(crowd.items, key=lambda item: (crowd.items[item].probability, item))
    for item in doubtful[:SHOWN]:
        judged = crowd.items[item]
        counts = ", ".join(f"{label} {n}" for label, n in usual[item].most_common())
        click.echo(f"{item:<20} {judged.label:>14}{judged.probability:8.0%}  {counts}")


def _show_voters(crowd: Crowd) -> None:
    click.echo(f"\nleast reliable voters {'votes':>12}{'knows':>8}")
    voters = crowd.workers.items()
    for name, one in sorted(voters, key=lambda pair: (pair[1].known, pair[0]))[:SHOWN]:
        click.echo(f"{name:<22}{one.n:>12,}{one.known:8.0%}")


def _write(out: Path, crowd: Crowd, usual: Mapping[str, Counter[str]]) -> None:
    overruled = set(_overruled(crowd, usual))
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["item", "label", "probability", "votes", "against_the_most"])
            for item, judged in crowd.items.items():
                total, against = usual[item].total(), int(item in overruled)
                rows.writerow([item, judged.label, f"{judged.probability:.4f}", total, against])
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"\nwrote {out}")
