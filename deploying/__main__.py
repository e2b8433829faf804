"""`python -m deploying deploy|rollback …`; scripts/deploy and scripts/rollback call it."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console

from deploying.canary import Plan
from deploying.console import DeployError, Times, printer, seconds
from deploying.deployment import Deployment, Target
from deploying.judging import KINDS, Limits
from deploying.measuring import API
from deploying.system import System
from deploying.traffic import roll_back, services

F = TypeVar("F", bound=Callable[..., Any])

HELD = 3
"""The exit code of a canary that was taken back, or held for want of evidence."""


class Duration(click.ParamType[float]):
    """A time such as 90s, 10m or 2h, in seconds."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: ANN401
        """Returns the seconds."""
        try:
            return value if isinstance(value, float) else seconds(str(value))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


class _Commands(click.Group):
    """Tells what could not be done in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except DeployError as error:
            raise click.ClickException(str(error)) from None


def _where(command: F) -> F:
    """Adds the options that say where."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Tell what would be changed, change nothing."),
        click.option("--name", default="whetstone", show_default=True, help="Of all resources."),
        click.option(
            "--region", required=True, envvar="CLOUDSDK_RUN_REGION", help="Of the functions."
        ),
        click.option("--project", required=True, envvar="CLOUDSDK_CORE_PROJECT", help="Its id."),
    ):
        command = option(command)
    return command


def _canary(command: F) -> F:
    """Adds the options of the canary."""
    for option in (
        click.option(
            "--require",
            multiple=True,
            type=click.Choice(KINDS),
            default=KINDS,
            show_default=True,
            help="What must be shown safe before all traffic goes over; may be repeated.",
        ),
        click.option(
            "--false-revert", default=0.05, show_default=True, type=click.FloatRange(0.001, 0.5)
        ),
        click.option(
            "--step", default="10m", show_default=True, type=Duration(), help="Between two looks."
        ),
        click.option(
            "--settle", default="5m", show_default=True, type=Duration(), help="Not judged."
        ),
        click.option(
            "--longest", type=Duration(), help="Held after this; twice --time unless given."
        ),
        click.option(
            "--time", "time_s", default="2h", show_default=True, type=Duration(), help="Judged for."
        ),
        click.option("--percent", default=10, show_default=True, type=click.IntRange(1, 50)),
        click.option("--monitoring", default=API, hidden=True, help="Cloud Monitoring's address."),
    ):
        command = option(command)
    return command


def _plan(name: str, options: dict[str, Any]) -> tuple[Plan, Limits]:
    longest = options["longest"] or 2 * options["time_s"]
    plan = Plan(
        options["percent"], options["settle"], options["time_s"], longest, options["step"], name
    )
    return plan, Limits(false_revert=options["false_revert"], required=tuple(options["require"]))


def _deployment(options: dict[str, Any]) -> Deployment:
    target = Target(
        environment=options.get("environment", ""),
        project=options["project"],
        region=options["region"],
        name=options["name"],
        state_bucket=options.get("state_bucket", ""),
        key=options.get("key") or "",
        dry_run=options["dry_run"],
        monitoring=options.get("monitoring", API),
        bundle_options=tuple((options.get("bundles") or "").split()),
    )
    return Deployment(target, Console(stderr=True))


_environment = click.option(
    "--environment", required=True, type=click.Choice(["dev", "prod"]), help="Which tfvars."
)
_state = click.option("--state-bucket", required=True, help="The bucket of Terraform's state.")
_bundles = click.option("--bundles", default="", help="Options of scripts/bundle, in quotes.")
_url = click.option("--url", help="Where the system answers; Terraform is asked unless given.")
_key = click.option("--key", envvar="WHETSTONE_API_KEY", help="An API key; WHETSTONE_API_KEY.")


@click.group(cls=_Commands)
def main() -> None:
    """Deploy Whetstone to Google Cloud, and take it back."""


@main.group(cls=_Commands, invoke_without_command=False)
def deploy() -> None:
    """Deploy: all of it with `deploy all`, or step by step. Each step may be run again."""


@deploy.command("all")
@_where
@_environment
@_state
@_bundles
@_url
@_key
@_canary
def deploy_all(**options: Any) -> None:  # noqa: ANN401
    """Check, bundle, plan, apply, canary, promote or take back, verify."""
    one = _deployment(options)
    one.preflight(bundles=False)
    one.bundle()
    one.preflight(bundles=True)
    one.terraform.plan()
    one.apply()
    outcome = one.canary(*_plan(options["name"], options))
    one.verify(options["url"])
    sys.exit(HELD if outcome in ("reverted", "held") else 0)


@deploy.command()
@_where
@click.option("--bundles/--no-bundles", default=True, help="Make the bundles again and compare.")
def check(*, bundles: bool, **options: Any) -> None:  # noqa: ANN401
    """Check whatever a deployment needs; changes nothing."""
    _deployment(options).preflight(bundles=bundles)


@deploy.command("plan")
@_where
@_environment
@_state
def plan_(**options: Any) -> None:  # noqa: ANN401
    """Have Terraform say what would change, and keep that as a plan."""
    _deployment(options).terraform.plan()


@deploy.command("apply")
@_where
@_environment
@_state
def apply_(**options: Any) -> None:  # noqa: ANN401
    """Name the serving revisions, then apply the plan; no request moves."""
    _deployment(options).apply()


@deploy.command()
@_where
@_canary
def canary(**options: Any) -> None:  # noqa: ANN401
    """Send a share of the requests to what is new, judge, promote or take back (exit 3)."""
    plan, limits = _plan(options["name"], options)
    outcome = _deployment(options).canary(plan, limits)
    sys.exit(HELD if outcome in ("reverted", "held") else 0)


@deploy.command()
@_where
@click.option("--reason", required=True, help="Why no judge is needed.")
def promote(reason: str, **options: Any) -> None:  # noqa: ANN401
    """Give what is new all requests, without a judge: after a look at why it was held."""
    _deployment(options).promote(reason)


@deploy.command()
@_where
@_environment
@_state
@_url
@_key
def verify(url: str | None, **options: Any) -> None:  # noqa: ANN401
    """Ask every function through the load balancer whether it is well, and search."""
    _deployment(options).verify(url)


@main.group(cls=_Commands)
def rollback() -> None:
    """Take back code, learning or knowledge; each by itself, and verified."""


@rollback.command()
@_where
@click.option("--to", "wanted", multiple=True, metavar="SERVICE=REVISION", help="Which revision.")
@click.option("--function", "names", multiple=True, help="Only this one; may be repeated.")
def code(wanted: tuple[str, ...], names: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401
    """Give each function's requests to the revision before."""
    gcloud = _deployment(options).gcloud
    chosen = dict(one.split("=", 1) for one in wanted)
    prefix = options["name"]
    kept = {f"{prefix}-{name}" for name in names} | set(chosen)
    found = services(gcloud, prefix)
    if unknown := sorted(kept - set(found)):
        raise DeployError(f"there is no service {', '.join(unknown)}; there are {', '.join(found)}")
    for name, one in found.items():
        if (kept and name not in kept) or not (kept or one.is_split or one.previous):
            continue
        moved = roll_back(gcloud, one, chosen.get(name))
        gcloud.say(f"{name}: {moved or 'has all requests where they should be'}")
        now = services(gcloud, prefix)[name]
        if moved and not gcloud.dry_run and dict(now.shares) != {moved: 100}:
            raise DeployError(f"{name} has {dict(now.shares)} after the rollback")


@rollback.command()
@click.option("--url", required=True, help="Where the system answers.")
@click.option("--key", required=True, envvar="WHETSTONE_API_KEY", help="With scope admin.")
@click.option("--snapshot", help="Which one; the one before the current unless given.")
@click.option("--reason", required=True, help="Why, for the record.")
@click.option("--dry-run", is_flag=True, help="Only tell.")
def learning(url: str, key: str, snapshot: str | None, reason: str, *, dry_run: bool) -> None:
    """Make an earlier snapshot of what was learned current."""
    _system(url, key, dry_run=dry_run).roll_back_learning(snapshot, reason)


@rollback.command()
@click.option("--url", required=True, help="Where the system answers.")
@click.option("--key", required=True, envvar="WHETSTONE_API_KEY", help="With scope admin.")
@click.option("--to", "version", required=True, type=click.IntRange(0), help="Its version.")
@click.option("--reason", required=True, help="Why, for the record.")
@click.option("--dry-run", is_flag=True, help="Only tell.")
def knowledge(url: str, key: str, version: int, reason: str, *, dry_run: bool) -> None:
    """Bring search back to what an earlier version of the knowledge showed."""
    _system(url, key, dry_run=dry_run).roll_back_knowledge(version, reason)


def _system(url: str, key: str, *, dry_run: bool) -> System:
    say = printer(Console(stderr=True))
    return System(url.rstrip("/"), key, say, Times(), dry_run)


if __name__ == "__main__":
    main(prog_name="python -m deploying")
