"""Backups: taken, verified, listed and restored by hand."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from shared.bootstrap.copies import place
from shared.cli.running import run
from shared.config import VERSION
from shared.domain.backup import Manifest
from shared.ports import Blobs
from shared.services.access import list_workspaces
from shared.services.backup import pruning, restoring, taking, verifying
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import Told, Wish
from shared.services.deps import Deps

T = TypeVar("T")

_MB = 1_000_000
_FROM_SETTINGS = "the setting backup.place if left out"

_to = click.option("--to", "where", help=f"A folder or gs://bucket/prefix; {_FROM_SETTINGS}.")
_id = click.option("--backup", "backup_id", help="Which one; the newest if left out.")


@click.group(invoke_without_command=True)
@_to
@click.option("--workspace", "workspaces", multiple=True, help="Only this tenant. Repeatable.")
@click.option("--quiesce", is_flag=True, help="Hold changes while a workspace's moment is chosen.")
@click.option("--keep-days", type=click.IntRange(1), help="Remove older ones after it.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_context
def backup(
    ctx: click.Context,
    *,
    where: str | None,
    workspaces: tuple[str, ...],
    quiesce: bool,
    keep_days: int | None,
    dry_run: bool,
) -> None:
    """Copy everything to a place, while the system runs; go on with a copy that was cut off.

    It holds secrets (the hashes of API keys) and all content: keep the place as safe as the store.
    """
    if ctx.invoked_subcommand is not None:
        return
    wish = Wish(workspaces=workspaces, quiesce=quiesce, software=VERSION)

    async def work(deps: Deps) -> None:
        shelf = Shelf(_place(deps, where))
        if dry_run:
            await _would_take(deps, shelf, wish, keep_days)
            return
        began = time.monotonic()
        with _progress("taking") as told:
            manifest = await taking.take(deps, shelf.place, wish, told)
        _summary(manifest, time.monotonic() - began)
        if keep_days is not None:
            gone = await pruning.prune(deps, shelf.place, keep_days)
            click.echo(f"{len(gone.backups)} older backups removed, {gone.chunks} chunks")
        if missing := [key for one in manifest.workspaces for key in one.missing]:
            named = "\n  ".join(missing[:20])
            raise click.ClickException(
                f"{len(missing)} objects that records name could not be read:\n  {named}"
            )

    run(work)


@backup.command("list")
@click.argument("where", required=False)
def list_backups(where: str | None) -> None:
    """List the backups at PLACE, oldest first."""

    async def work(deps: Deps) -> None:
        shelf = Shelf(_place(deps, where))
        for backup_id in await shelf.complete():
            one = await shelf.read(backup_id)
            size = one.size_bytes / _MB
            click.echo(f"{one.id}  {len(one.names)} workspaces  {one.rows} rows  {size:.1f} MB")
        for backup_id in await shelf.begun():
            click.echo(f"{backup_id}  not complete")

    run(work)


@backup.command("verify")
@click.argument("where", required=False)
@_id
def verify_backup(where: str | None, backup_id: str | None) -> None:
    """Read every chunk of the backup at PLACE and check it; exit 1 where it is damaged."""

    async def work(deps: Deps) -> None:
        there = _place(deps, where)
        manifest = await restoring.choose(there, backup_id)
        with _progress("verifying", manifest.rows) as told:
            await verifying.verify_backup(there, manifest, told)
        click.echo(f"{manifest.id} is whole: {manifest.rows} rows, {len(manifest.chunks)} chunks")

    run(work)


@click.command()
@click.option("--from", "where", help=f"Where the backup is; {_FROM_SETTINGS}.")
@_id
@click.option("--dry-run", is_flag=True, help="Check the backup and that nothing is here; no more.")
def restore(where: str | None, backup_id: str | None, *, dry_run: bool) -> None:
    """Bring a backup back into a system that has nothing yet, and verify it against the backup.

    Start no server and no job before it has ended well. Where it was cut off, run it again.
    """

    async def work(deps: Deps) -> None:
        there = _place(deps, where)
        manifest = await restoring.choose(there, backup_id)
        if dry_run:
            await restoring.check_empty(deps, manifest)
            await verifying.verify_backup(there, manifest)
            click.echo(f"{manifest.id} is whole and would be restored: {manifest.rows} rows")
            return
        began = time.monotonic()
        with _progress("restoring", manifest.rows) as told:
            done = await restoring.restore(deps, there, manifest, told)
        for one in done.findings:
            click.echo(f"  {one.what}: {one.detail}")
        if done.published:
            click.echo(f"  {done.published} approved entries were published that waited for it")
        click.echo(f"{manifest.id} restored and verified in {time.monotonic() - began:.1f} s")

    run(work)


async def _would_take(deps: Deps, shelf: Shelf, wish: Wish, keep_days: int | None) -> None:
    there = await list_workspaces(deps)
    unknown = set(wish.workspaces) - set(there)
    if unknown:
        raise click.ClickException(f"there is no workspace {', '.join(sorted(unknown))}")
    click.echo(f"would take: {', '.join(wish.workspaces or there)}")
    for backup_id in await shelf.begun():
        click.echo(f"would go on with {backup_id}, where it was begun with the same options")
    if keep_days is not None:
        gone = await pruning.prune(deps, shelf.place, keep_days, dry_run=True)
        click.echo(f"would remove: {', '.join(gone.backups) or 'nothing'}")


def _place(deps: Deps, where: str | None) -> Blobs:
    if where:
        return place(where)
    if deps.backups is None:
        raise click.UsageError("name a place, or set WHETSTONE_BACKUP__PLACE")
    return deps.backups


def _summary(manifest: Manifest, seconds: float) -> None:
    click.echo(
        f"{manifest.id} is complete: {len(manifest.names)} workspaces, {manifest.rows} rows,"
        f" {manifest.size_bytes / _MB:.1f} MB in {seconds:.1f} s"
    )


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Told]:
    """Shows rows as they go by, on the error stream; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def told(workspace: str, part: str, rows: int) -> None:
            bar.update(task, advance=rows, description=f"{what} {workspace}/{part}")

        yield told
