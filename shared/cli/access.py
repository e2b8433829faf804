"""Tokens for people, keys for machines, and workspaces."""

import time
from datetime import timedelta

import click

from shared import bootstrap
from shared.cli.running import in_workspace, run
from shared.domain.access import DEFAULT_WORKSPACE, ROLES, SCOPES, Caller, Role, Scope
from shared.domain.times import to_text
from shared.messages.access import CreateKey, KeyCreated, KeyView
from shared.messages.base import PageParams
from shared.services import access, signing_in
from shared.services.deps import Deps
from shared.web import guard

_OPERATOR = "system:cli"

MAX_SUBJECT = 256
"""Characters of a person's name, at most; as of any id."""

_HOURS = click.FloatRange(0, 24 * 366, min_open=True)
_SCOPES = click.Choice(SCOPES)
_RATE = click.IntRange(0)
_DAYS = click.FloatRange(0, 3660, min_open=True)


def _person(_context: click.Context, _option: click.Parameter, given: str) -> str:
    name = given.strip()
    if not name or len(name) > MAX_SUBJECT:
        raise click.BadParameter(f"must have 1 to {MAX_SUBJECT} characters")
    return name


@click.command()
@click.option(
    "--subject",
    required=True,
    callback=_person,
    help="Who: the name that decisions are recorded under.",
)
@click.option("--role", type=click.Choice(ROLES), default="reviewer", show_default=True)
@click.option("--hours", default=12.0, show_default=True, type=_HOURS, help="How long.")
@click.option(
    "--link", is_flag=True, help="Print a link instead, that signs in to the console once."
)
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, envvar="WHETSTONE_URL")
@in_workspace
def token(subject: str, role: Role, hours: float, workspace: str, url: str, *, link: bool) -> None:
    """Mint a person's token for `Authorization: Bearer`, or a link into the console."""
    if link:
        code = run(
            lambda deps: signing_in.make_code(deps, subject, role, workspace, actor=_OPERATOR),
            workspace,
        )
        click.echo(f"{url.rstrip('/')}/sign-in?code={code}")
        return
    if workspace != DEFAULT_WORKSPACE:
        run(lambda deps: access.check_workspace(deps, workspace))
    expires_at = time.time() + hours * 3600
    click.echo(guard.mint(bootstrap.jwt_secret(), subject, workspace, role, expires_at))


@click.group()
def key() -> None:
    """API keys of machines."""


@key.command("create")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, required=True, type=_SCOPES, help="Repeatable.")
@click.option("--rate", default=60, show_default=True, type=_RATE, help="A minute; 0: no limit.")
@click.option("--days", type=_DAYS, help="How long it works; without end where left out.")
@in_workspace
def create_key(
    name: str, scopes: tuple[Scope, ...], rate: int, days: float | None, workspace: str
) -> None:
    """Make a key. Its secret is shown once."""

    async def work(deps: Deps) -> KeyCreated:
        ends = None if days is None else to_text(deps.clock.now() + timedelta(days=days))
        command = CreateKey(
            name=name, scopes=list(scopes), rate_per_minute=rate or None, expires_at=ends
        )
        return await access.create_key(deps, Caller(workspace, _OPERATOR), command, None)

    created = run(work, workspace)
    click.echo(f"{created.key_id}  {created.secret}")


@key.command("first")
def first_key() -> None:
    """Make the workspace `default` and its first admin key, shown once, where there is none.

    With WHETSTONE_BOOTSTRAP_API_KEY it is that one. `whetstone serve` does this by itself; on
    Google Cloud it is done once, after the first deployment.
    """
    given = bootstrap.bootstrap_key()
    made = run(lambda deps: access.bootstrap_access(deps, given))
    click.echo(
        made or ("the key is the one that is set" if given else "there is a first key already")
    )


@key.command("list")
@in_workspace
def list_keys(workspace: str) -> None:
    """List keys, without their secrets."""

    async def work(deps: Deps) -> None:
        params = PageParams(limit=500)
        while True:
            page = await access.list_keys(deps, Caller(workspace, _OPERATOR), params)
            for one in page.items:
                click.echo(_listed(one, deps.clock.now_text()))
            if page.next_cursor is None:
                return
            params = PageParams(limit=500, cursor=page.next_cursor)

    run(work, workspace)


def _listed(one: KeyView, now: str) -> str:
    ended = one.expires_at is not None and one.expires_at <= now
    state = "revoked" if one.revoked_at else "expired" if ended else "active"
    until = f" until {one.expires_at}" if one.expires_at else ""
    return f"{one.key_id}  {state:8} {','.join(one.scopes):24} {one.name}{until}"


@key.command("revoke")
@click.argument("key_id")
@in_workspace
def revoke_key(key_id: str, workspace: str) -> None:
    """Revoke a key; it stops working everywhere within seconds."""
    caller = Caller(workspace, _OPERATOR)
    run(lambda deps: access.revoke_key(deps, caller, key_id, None), workspace)
    click.echo(f"{key_id} is revoked")


@click.group()
def workspace() -> None:
    """Workspaces: tenants that see nothing of each other."""


@workspace.command("create")
@click.argument("name")
def create_workspace(name: str) -> None:
    """Make a workspace and its first admin key, shown once."""

    async def work(deps: Deps) -> str:
        await access.create_workspace(deps, name)
        command = CreateKey(name="first admin key", scopes=["admin"], rate_per_minute=None)
        created = await access.create_key(deps, Caller(name, _OPERATOR), command, None)
        return created.secret or ""

    click.echo(f"{name}  {run(work)}")


@workspace.command("list")
def list_workspaces() -> None:
    """List workspaces."""
    for name in run(access.list_workspaces):
        click.echo(name)
