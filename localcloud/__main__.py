"""`python -m localcloud`: the whole system on this machine as it runs on Google Cloud."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from localcloud import logs, pids
from localcloud.cloud import Cloud, StoreName
from localcloud.process import StartError
from shared.cli.welcome import welcome

DEFAULT_FOLDER = Path("data-cloud")
OWN_PID = "localcloud"
LOOK_S = 0.5

_folder = click.option(
    "--data-dir",
    "folder",
    envvar="WHETSTONE_DATA_DIR",
    default=DEFAULT_FOLDER,
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Logs, process ids, and the servers' own data.",
)
_PORTS = click.IntRange(1, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run every function in a process of its own, on Google Cloud's emulators."""


@main.command()
@_folder
@click.option("--port", default=8080, show_default=True, type=_PORTS, envvar="PORT")
@click.option(
    "--store",
    type=click.Choice(["firestore", "postgres"]),
    default="firestore",
    show_default=True,
    envvar="STORE",
    help="What the functions keep records in.",
)
@click.option("--schedule/--no-schedule", default=True, help="Call jobs as Cloud Scheduler does.")
@click.option("--logs", "shown", is_flag=True, help="Show every process's log from then on.")
def run(folder: Path, port: int, store: StoreName, *, schedule: bool, shown: bool) -> None:
    """Start everything, and end it with Ctrl-C.

    The emulators keep records and events in memory: with firestore each start is a fresh one; with
    postgres records are kept, and events wait in their outbox.
    """
    console = Console(highlight=False)
    _refuse_second(folder)
    with _interrupted_by_sigterm():
        try:
            _run(Cloud(folder, port=port, store=store, schedule=schedule), console, shown=shown)
        except StartError as error:
            raise click.ClickException(str(error)) from None


@main.command()
@_folder
def stop(folder: Path) -> None:
    """End what another shell has started."""
    own = folder / f"{OWN_PID}{pids.SUFFIX}"
    if pids.end([own], within_s=60):  # it ends the others, in order
        click.echo("Stopped.")
    left = pids.end(folder.glob(f"*{pids.SUFFIX}"))
    if left:
        click.echo(f"Stopped what was left running: {', '.join(left)}.")


@main.command("logs")
@_folder
@click.argument("names", nargs=-1)
@click.option("--follow/--no-follow", "-f", default=True, help="Wait for further lines.")
def show_logs(folder: Path, names: tuple[str, ...], *, follow: bool) -> None:
    """Show logs, each line with its process; of the named processes, or of all."""
    known = logs.names(folder)
    unknown = sorted(set(names) - set(known))
    if unknown or not known:
        there = ", ".join(known) or "none"
        raise click.ClickException(
            f"no log of {', '.join(unknown) or 'any process'}; there is {there}"
        )
    console = Console(highlight=False)
    tails = logs.Tails(folder, names or known)
    try:
        while True:
            for name, line in tails.lines():
                logs.show(console, name, line)
            if not follow:
                return
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return


def _run(cloud: Cloud, console: Console, *, shown: bool) -> None:
    started = time.monotonic()
    own = cloud.folder / f"{OWN_PID}{pids.SUFFIX}"
    console.print("Starting Google Cloud's parts and every function, each in its own process:")
    with console.status("starting …") as status:

        def said(what: str) -> None:
            console.print(f"  [green]✓[/] {what:32} {time.monotonic() - started:5.1f} s")
            status.update("starting …")

        cloud.said = said
        try:
            cloud.start()
        except BaseException:
            cloud.stop()
            raise
    pids.write(own, os.getpid())
    try:
        given = "WHETSTONE_BOOTSTRAP_API_KEY" in os.environ
        click.echo(welcome(cloud.url, cloud.folder, cloud.first_key, given=given))
        click.echo(
            f"Logs are in {cloud.folder}; all at once: .venv/bin/python -m localcloud logs\n"
            "Ctrl-C ends everything; from another shell: make stop-cloud\n"
        )
        _watch(cloud, console, shown=shown)
    except KeyboardInterrupt:
        console.print("Stopping …")
    finally:
        cloud.stop()
        own.unlink(missing_ok=True)
    console.print("Stopped; no process is left.")


def _watch(cloud: Cloud, console: Console, *, shown: bool) -> None:
    """Starts functions again that end, until it is interrupted.

    Raises:
        StartError: a server ended that cannot start again without what it held.
    """
    tails = logs.Tails(cloud.folder, cloud.names if shown else ())
    while True:
        for name in cloud.revive():
            console.print(f"[yellow]{name} ended and is started again[/]; its log says why")
        if lost := cloud.lost():
            raise StartError(f"{', '.join(lost)} ended; see the logs in {cloud.folder}")
        for name, line in tails.lines():
            logs.show(console, name, line)
        time.sleep(LOOK_S)


def _refuse_second(folder: Path) -> None:
    running = pids.ours(folder / f"{OWN_PID}{pids.SUFFIX}")
    if running is not None:
        raise click.ClickException(
            f"a local cloud runs in {folder} already (process {running}); make stop-cloud ends it"
        )


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    main()
