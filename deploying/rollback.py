"""scripts/rollback: code, learning and knowledge taken back, each by itself or together."""

from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.console import Console

from deploying.console import DeployError, Say, Times, printer
from deploying.deployment import PUBLIC
from deploying.options import Commands, F, deployment, where
from deploying.system import System
from deploying.traffic import roll_back_all

PARTS = ("code", "learning", "knowledge")


def _system_options(command: F) -> F:
    """Adds the options that say which running system, and why."""
    for option in (
        click.option("--reason", required=True, help="Why, for the record."),
        click.option("--key", required=True, envvar="WHETSTONE_API_KEY", help="With scope admin."),
        click.option("--url", required=True, help="Where the system answers."),
    ):
        command = option(command)
    return command


_dry_run = click.option("--dry-run", is_flag=True, help="Only tell.")


@click.group(cls=Commands)
def rollback() -> None:
    """Take back code, learning or knowledge, each by itself or together, and verify it."""


@rollback.command("all")
@where
@_system_options
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    default=PARTS,
    show_default=True,
    help="What to take back; may be repeated.",
)
@click.option("--snapshot", help="Of learning; the one before the current unless given.")
@click.option("--version", type=click.IntRange(0), help="Of the knowledge; needed to take it back.")
def all_(
    parts: tuple[str, ...],
    url: str,
    key: str,
    reason: str,
    snapshot: str | None,
    version: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Take back several parts, code first, then ask whether all is well.

    A part that fails does not keep the next from being taken back; all failures are told at the
    end.
    """
    if "knowledge" in parts and version is None:
        raise click.UsageError("the knowledge is taken back to a --version; see --part for less")
    gcloud = deployment(options).gcloud
    system = _system(url, key, dry_run=options["dry_run"])
    work: Mapping[str, Callable[[], object]] = {
        "code": lambda: roll_back_all(gcloud, options["name"], {}, ()),
        "learning": lambda: system.roll_back_learning(snapshot, reason),
        "knowledge": lambda: system.roll_back_knowledge(version or 0, reason),
        "verification": lambda: system.verify(list(PUBLIC), None),
    }
    _each(system.say, {name: work[name] for name in work if name in (*parts, "verification")})


def _each(say: Say, work: Mapping[str, Callable[[], object]]) -> None:
    """Does one after the other, and raises for all that failed together."""
    failed = []
    for name, do in work.items():
        try:
            do()
        except DeployError as error:
            say(f"{name}: failed: {error}")
            failed.append(f"{name}: {error}")
    if failed:
        raise DeployError("not taken back, or not well: " + "; ".join(failed))


@rollback.command()
@where
@click.option("--to", "wanted", multiple=True, metavar="SERVICE=REVISION", help="Which revision.")
@click.option("--function", "names", multiple=True, help="Only this one; may be repeated.")
def code(wanted: tuple[str, ...], names: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401
    """Give each function's requests to the revision before."""
    chosen = dict(one.split("=", 1) for one in wanted)
    roll_back_all(deployment(options).gcloud, options["name"], chosen, names)


@rollback.command()
@_system_options
@click.option("--snapshot", help="Which one; the one before the current unless given.")
@_dry_run
def learning(url: str, key: str, snapshot: str | None, reason: str, *, dry_run: bool) -> None:
    """Make an earlier snapshot of what was learned current."""
    _system(url, key, dry_run=dry_run).roll_back_learning(snapshot, reason)


@rollback.command()
@_system_options
@click.option("--to", "version", required=True, type=click.IntRange(0), help="Its version.")
@_dry_run
def knowledge(url: str, key: str, version: int, reason: str, *, dry_run: bool) -> None:
    """Bring search back to what an earlier version of the knowledge showed."""
    _system(url, key, dry_run=dry_run).roll_back_knowledge(version, reason)


def _system(url: str, key: str, *, dry_run: bool) -> System:
    say = printer(Console(stderr=True))
    return System(url.rstrip("/"), key, say, Times(), dry_run)
