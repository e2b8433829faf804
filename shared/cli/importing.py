"""Importing what an older system has gathered."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
import yaml
from pydantic import ValidationError

from shared.cli.running import in_workspace, run
from shared.domain.older import OlderMapping
from shared.ports.older import OlderSource
from shared.services.deps import Deps
from shared.services.importing.older import Reject, Request, Tally, Told, import_older


@click.command("import")
@click.argument("source")
@click.option("--name", default="older", show_default=True, help="Of the older system; ids follow.")
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: names of tables and columns.",
)
@click.option(
    "--rejects",
    "rejects_file",
    default=Path("import-rejects.jsonl"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where rejected rows are listed.",
)
@click.option("--cache", is_flag=True, help="Submit cached answers for approval as well.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and write nothing.")
@in_workspace
def import_data(
    source: str,
    name: str,
    mapping_file: Path | None,
    rejects_file: Path,
    workspace: str,
    *,
    cache: bool,
    dry_run: bool,
) -> None:
    """Import the requests and the feedback of an older system from SOURCE.

    SOURCE is an SQLite file or postgresql://...; tables requests, routing_metrics,
    response_feedback and response_cache. Doing it again imports nothing twice.
    """
    request = Request(workspace, name, _mapping(mapping_file), cache, dry_run)

    async def work(deps: Deps) -> list[Tally]:
        older = _opened(source)
        try:
            with rejects_file.open("w", encoding="utf-8") as file, _progress() as told:

                def reject(one: Reject) -> None:
                    file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")

                return await import_older(deps, older, request, reject, told)
        finally:
            await older.close()

    tallies = run(work, workspace)
    _show(tallies)
    rejected = sum(one.rejected for one in tallies)
    if rejected:
        click.echo(f"{rejected} rows were rejected; each with its reason: {rejects_file}")
    if bad := [one.table for one in tallies if not one.equal]:
        raise click.ClickException(f"the figures of {', '.join(bad)} do not agree")


def _opened(source: str) -> OlderSource:
    if source.startswith(("postgresql://", "postgres://")):
        from shared.adapters.older_postgres import PostgresSource

        return PostgresSource(source)
    from shared.adapters.older_sqlite import SqliteSource

    if not Path(source).is_file():
        raise click.UsageError(f"there is no file {source}")
    return SqliteSource(Path(source))


def _mapping(path: Path | None) -> OlderMapping:
    if path is None:
        return OlderMapping()
    try:
        return OlderMapping.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (yaml.YAMLError, ValidationError) as error:
        raise click.UsageError(f"{path} is no mapping: {error}") from None


def _show(tallies: list[Tally]) -> None:
    head = ("table", "rows", "imported", "known", "superseded", "rejected")
    click.echo("{:20}{:>10}{:>10}{:>10}{:>12}{:>10}".format(*head))
    for one in tallies:
        counts = (one.rows, one.imported, one.known, one.superseded, one.rejected)
        click.echo("{:20}{:>10}{:>10}{:>10}{:>12}{:>10}".format(one.table, *counts))
    for one in tallies:
        for name, there in one.there_sums.items():
            here = one.here_sums.get(name, 0.0)
            said = "equal" if abs(here - there) <= 1e-9 * max(1.0, abs(there)) else "DIFFERS"
            click.echo(f"sum of {name} in {one.table}: {there:.6g} there, {here:.6g} here: {said}")
        if one.unused:
            click.echo(f"columns of {one.table} that were not read: {', '.join(one.unused)}")


@contextmanager
def _progress() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}: {task.completed} rows"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, object] = {}

        def told(table: str, rows: int) -> None:
            if table not in tasks:
                tasks[table] = bar.add_task(table, total=None)
            bar.update(tasks[table], advance=rows)  # type: ignore[arg-type]

        yield told
