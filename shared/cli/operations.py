"""What an operator looks at and repairs by hand."""

from pathlib import Path

import click

from shared.cli.running import call_job, in_workspace, run
from shared.cli.serve import apps
from shared.messages.events import JOBS
from shared.services import auditing
from shared.services import knowledge as knowing
from shared.services.deps import Deps
from shared.web import openapi as document


@click.group()
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@in_workspace
def verify_audit(workspace: str) -> None:
    """Check the hash chain from the first record to the last; exit 1 where it is broken."""
    result = run(lambda deps: auditing.verify_audit(deps, workspace))
    if result.ok:
        click.echo(f"the chain holds: {result.checked} records")
        return
    problem = f"the chain is broken at record {result.first_broken}; those before it hold"
    raise click.ClickException(problem)


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that a consumer could not handle in all its tries."""


@dead_letters.command("list")
@click.option("--workspace", help="Only this tenant's.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 500))
def list_dead_letters(workspace: str | None, limit: int) -> None:
    """List dead letters, oldest first."""
    found = run(lambda deps: deps.bus.dead_letters(workspace, limit))
    for one in found:
        click.echo(
            f"{one.id}  {one.event.type}  {one.attempts} tries  since {one.since}  {one.last_error}"
        )
    if not found:
        click.echo("there are no dead letters")


@dead_letters.command("replay")
@click.argument("ids", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Replay all of them.")
def replay_dead_letters(ids: tuple[str, ...], *, every: bool) -> None:
    """Give dead letters their tries back; the running server delivers them."""
    if not ids and not every:
        raise click.UsageError("name dead letters, or say --all")

    async def work(deps: Deps) -> int:
        chosen = list(ids)
        if every:
            chosen = [one.id for one in await deps.bus.dead_letters(None, 500)]
        return await deps.bus.replay(chosen)

    click.echo(f"{run(work)} replayed")


@click.group()
def knowledge() -> None:
    """The published knowledge and its index."""


@knowledge.command("verify")
@in_workspace
def verify_knowledge(workspace: str) -> None:
    """Compare the live index with one rebuilt from the publications; exit 1 where they differ."""
    found = run(lambda deps: knowing.verify(deps, workspace))
    if not found.ok:
        raise click.ClickException(
            "the index differs from the publications; run: whetstone knowledge rebuild"
        )
    click.echo(f"the index equals the publications up to version {found.version}")


@knowledge.command("rebuild")
@in_workspace
def rebuild_knowledge(workspace: str) -> None:
    """Rebuild the index from the publications."""
    version = run(lambda deps: knowing.rebuild(deps, workspace))
    click.echo(f"rebuilt up to version {version}")


@click.group()
def schedule() -> None:
    """Jobs and when they run."""


@schedule.command("list")
def list_jobs() -> None:
    """List the jobs."""
    for name, job in JOBS.items():
        click.echo(f"{name:10} {job.cron:14} POST {job.path} ({job.function})")


@schedule.command("run")
@click.argument("name", type=click.Choice(list(JOBS)))
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the server, or the job's function, answers.",
)
def run_job(name: str, url: str) -> None:
    """Run a job now, as the schedule does at its ticks; for all workspaces."""
    answer = call_job(url, JOBS[name])
    click.echo("  ".join(f"{what}: {count}" for what, count in answer.items()))


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it."
)
def openapi(output: Path | None) -> None:
    """Write the OpenAPI document of the whole API from the code."""
    path = output or document.DOCUMENT
    document.write(apps(), path)
    click.echo(f"wrote {path}")
