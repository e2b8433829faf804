"""`python -m deploying deploy|rollback …`; scripts/deploy and scripts/rollback call it."""

import sys
from typing import Any

import click

from deploying.canary import Plan
from deploying.handing_over import HandedOver, hand_over, take_over
from deploying.judging import KINDS, Limits
from deploying.measuring import API
from deploying.options import Commands, Duration, F, deployment, where
from deploying.rollback import rollback

HELD = 3
"""The exit code of a canary that was taken back, or held for want of evidence."""


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


_environment = click.option(
    "--environment", required=True, type=click.Choice(["dev", "prod"]), help="Which tfvars."
)
_state = click.option("--state-bucket", required=True, help="The bucket of Terraform's state.")
_bundles = click.option("--bundles", default="", help="Options of scripts/bundle, in quotes.")
_commit = click.option("--commit", required=True, help="The commit's full hash.")
_url = click.option("--url", help="Where the system answers; Terraform is asked unless given.")
_key = click.option("--key", envvar="WHETSTONE_API_KEY", help="An API key; WHETSTONE_API_KEY.")


@click.group(cls=Commands)
def main() -> None:
    """Deploy Whetstone to Google Cloud, and take it back."""


@main.group(cls=Commands, invoke_without_command=False)
def deploy() -> None:
    """Deploy: all of it with `deploy all`, or step by step. Each step may be run again."""


@deploy.command("all")
@where
@_environment
@_state
@_bundles
@_url
@_key
@_canary
def deploy_all(**options: Any) -> None:  # noqa: ANN401
    """Check, bundle, plan, apply, canary, promote or take back, verify."""
    one = deployment(options)
    one.preflight(bundles=False)
    one.bundle()
    one.preflight(bundles=True)
    one.terraform.plan()
    one.apply()
    outcome = one.canary(*_plan(options["name"], options))
    one.verify(options["url"])
    sys.exit(HELD if outcome in ("reverted", "held") else 0)


@deploy.command()
@where
@click.option("--bundles/--no-bundles", default=True, help="Make the bundles again and compare.")
def check(*, bundles: bool, **options: Any) -> None:  # noqa: ANN401
    """Check whatever a deployment needs; changes nothing."""
    deployment(options).preflight(bundles=bundles)


@deploy.command("plan")
@where
@_environment
@_state
def plan_(**options: Any) -> None:  # noqa: ANN401
    """Have Terraform say what would change, and keep that as a plan."""
    deployment(options).terraform.plan()


@deploy.command("hand-over")
@where
@_environment
@_state
@_commit
@click.option("--build", required=True, help="A name of its own for this plan: the build's id.")
def hand_over_(commit: str, build: str, **options: Any) -> None:  # noqa: ANN401
    """Keep the plan, and ask for the build that applies it, which may wait for an approval."""
    one = deployment(options)
    place = f"gs://{options['state_bucket']}/plans/{build}"
    hand_over(one.gcloud, one.terraform, place, commit, f"{options['name']}-release")


@deploy.command("take-over")
@where
@_environment
@_state
@_commit
@click.option("--plan", "address", required=True, help="Where the other build has put it.")
@click.option("--digest", required=True, help="Its hash.")
def take_over_(commit: str, address: str, digest: str, **options: Any) -> None:  # noqa: ANN401
    """Fetch a plan that was handed over, exactly as it was made, ready to apply."""
    one = deployment(options)
    take_over(one.gcloud, one.terraform, HandedOver(address, digest, commit))


@deploy.command("apply")
@where
@_environment
@_state
def apply_(**options: Any) -> None:  # noqa: ANN401
    """Name the serving revisions, then apply the plan; no request moves."""
    deployment(options).apply()


@deploy.command()
@where
@_canary
def canary(**options: Any) -> None:  # noqa: ANN401
    """Send a share of the requests to what is new, judge, promote or take back (exit 3)."""
    plan, limits = _plan(options["name"], options)
    outcome = deployment(options).canary(plan, limits)
    sys.exit(HELD if outcome in ("reverted", "held") else 0)


@deploy.command()
@where
@click.option("--reason", required=True, help="Why no judge is needed.")
def promote(reason: str, **options: Any) -> None:  # noqa: ANN401
    """Give what is new all requests, without a judge: after a look at why it was held."""
    deployment(options).promote(reason)


@deploy.command()
@where
@_environment
@_state
@_url
@_key
def verify(url: str | None, **options: Any) -> None:  # noqa: ANN401
    """Ask every function through the load balancer whether it is well, and search."""
    deployment(options).verify(url)


main.add_command(rollback)


if __name__ == "__main__":
    main(prog_name="python -m deploying")
