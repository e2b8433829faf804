"""What an operator looks at and repairs by hand."""

from pathlib import Path

import click

from shared.cli.running import call_job, in_workspace, run
from shared.cli.serve import apps
from shared.domain.access import Caller
from shared.messages.events import JOBS
from shared.messages.reviewing import KnowledgeRolledBack, RollBackKnowledge
from shared.ports import Schedule, ScheduledJob
from shared.services import auditing, publishing, rolling_back_knowledge
from shared.services import knowledge as knowing
from shared.services.dead_letters import replay_anywhere
from shared.services.deps import Deps
from shared.web import openapi as document

_EMBEDDED_AT_ONCE = 100
_LETTERS_AT_ONCE = 500


@click.group()
def audit() -> None:
    """The audit log."""


@audit.command("verify")
@in_workspace
def verify_audit(workspace: str) -> None:
    """Check the hash chain from the first record to the last; exit 1 where it is broken."""
    result = run(lambda deps: auditing.verify_audit(deps, workspace), workspace)
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
    found = run(lambda deps: deps.bus.dead_letters(workspace, limit), workspace)
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

    replayed = run(lambda deps: _replay(deps, None if every else frozenset(ids)))
    unknown = 0 if every else len(set(ids)) - replayed
    if unknown:
        raise click.ClickException(f"{replayed} replayed; {unknown} of these are no dead letters")
    click.echo(f"{replayed} replayed")


async def _replay(deps: Deps, wanted: frozenset[str] | None) -> int:
    """Replays in pages, all where `wanted` is None.

    What fails again meanwhile, and so is listed again, is left to the next time.
    """
    seen: set[str] = set()
    replayed, limit = 0, _LETTERS_AT_ONCE
    while True:
        listed = await deps.bus.dead_letters(None, limit)
        found = [
            one for one in listed if one.id not in seen and (wanted is None or one.id in wanted)
        ]
        seen.update(one.id for one in found)
        replayed += await replay_anywhere(deps, "system:cli", found)
        if len(listed) < limit or (wanted is not None and wanted <= seen):
            return replayed
        if not found:  # those that are wanted are behind these
            limit *= 2


@click.group()
def knowledge() -> None:
    """The published knowledge and its index."""


@knowledge.command("verify")
@in_workspace
def verify_knowledge(workspace: str) -> None:
    """Compare the live index with one rebuilt from the publications; exit 1 where they differ."""
    found = run(lambda deps: knowing.verify(deps, workspace), workspace)
    if not found.ok:
        raise click.ClickException(
            "the index differs from the publications; run: whetstone knowledge rebuild"
        )
    click.echo(f"the index equals the publications up to version {found.version}")


@knowledge.command("rebuild")
@in_workspace
def rebuild_knowledge(workspace: str) -> None:
    """Rebuild the index from the publications."""
    version = run(lambda deps: knowing.rebuild(deps, workspace), workspace)
    click.echo(f"rebuilt up to version {version}")


@knowledge.command("embed")
@in_workspace
def embed_knowledge(workspace: str) -> None:
    """Embed what is published without an embedding; after an outage, or for another model."""
    left = run(lambda deps: _embed(deps, workspace), workspace)
    if left:
        raise click.ClickException(
            f"{left} or more are without an embedding; does the embedder answer? See the log"
        )
    click.echo("all that is published has an embedding")


async def _embed(deps: Deps, workspace: str) -> int:
    """Embeds until nothing more comes of it; returns how many revisions are left, up to 100."""
    if deps.embedder is None:
        raise click.ClickException("there is no embedder: set WHETSTONE_EMBEDDER")
    await knowing.catch_up(deps, workspace)
    while await publishing.embed_missing(deps, workspace, _EMBEDDED_AT_ONCE):
        pass
    return len(await deps.index.unembedded(workspace, deps.embedder.model, _EMBEDDED_AT_ONCE))


@knowledge.command("rollback")
@in_workspace
@click.option("--to", "version", required=True, type=click.IntRange(0), help="Its version.")
@click.option("--reason", required=True, help="Why, for the record.")
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
def rollback_knowledge(workspace: str, version: int, reason: str, *, dry_run: bool) -> None:
    """Bring search back to what an earlier version of the knowledge showed, and publish that."""
    command = RollBackKnowledge(version=version, reason=reason, dry_run=dry_run)

    async def work(deps: Deps) -> KnowledgeRolledBack:
        caller = Caller(workspace, "system:cli", system=True)
        found = await rolling_back_knowledge.roll_back_knowledge(deps, caller, command, None)
        if dry_run:
            return found
        for one in found.changes:
            await publishing.publish_entry(deps, workspace, one.entry_id)
        again = command.model_copy(update={"dry_run": True})
        left = await rolling_back_knowledge.roll_back_knowledge(deps, caller, again, None)
        return found.model_copy(update={"waiting": left.waiting})

    found = run(work, workspace)
    for one in found.changes:
        click.echo(f"{one.entry_id}  {one.old_revision or '-'} -> {one.new_revision or '-'}")
    what = "would change" if dry_run else "changed"
    click.echo(f"{found.changes_total} entries {what}, {found.waiting} wait to be published")


_job = click.argument("name", type=click.Choice(list(JOBS)))


@click.group()
def schedule() -> None:
    """Jobs and when they run."""


@schedule.command("list")
def list_jobs() -> None:
    """List the jobs: when they run, whether they are held back, when they run next."""

    async def work(deps: Deps) -> list[ScheduledJob]:
        return await _schedule(deps).jobs()

    for one in run(work):
        job = JOBS[one.name]
        click.echo(
            f"{one.name:10} {one.cron:14} {one.state:8} next {one.next_run_at or 'never':27}"
            f" last {one.last_run_at or 'never':27} POST {job.path} ({job.function})"
            + (f"  failed: {one.last_error}" if one.last_error else "")
        )


@schedule.command("pause")
@_job
def pause_job(name: str) -> None:
    """Hold a job back until it is resumed; what it misses is not made up for."""
    run(lambda deps: _schedule(deps).pause(name))
    click.echo(f"{name} is paused")


@schedule.command("resume")
@_job
def resume_job(name: str) -> None:
    """Let a job run at its next tick again."""
    run(lambda deps: _schedule(deps).resume(name))
    click.echo(f"{name} goes on")


@schedule.command("trigger")
@_job
def trigger_job(name: str) -> None:
    """Have the schedule run a job now, also one that is paused."""
    run(lambda deps: _schedule(deps).trigger(name))
    click.echo(f"{name} was started")


def _schedule(deps: Deps) -> Schedule:
    if deps.schedule is None:
        raise click.ClickException("nothing calls jobs here; see the setting `schedule`")
    return deps.schedule


@schedule.command("run")
@_job
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Where the server, or the job's function, answers.",
)
def run_job(name: str, url: str) -> None:
    """Call a job's path and show what it did; past the schedule, with Whetstone's own token."""
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
