"""What the commands of scripts/deploy and scripts/rollback have in common: options, and errors."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console

from deploying.console import DeployError, seconds
from deploying.deployment import Deployment, Target
from deploying.measuring import API

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A time such as 90s, 10m or 2h, in seconds."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: ANN401
        """Returns the seconds."""
        try:
            return value if isinstance(value, float) else seconds(str(value))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


class Commands(click.Group):
    """Tells what could not be done in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """See click.Group."""
        try:
            return super().invoke(ctx)
        except DeployError as error:
            raise click.ClickException(str(error)) from None


def where(command: F) -> F:
    """Adds the options that say where."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Tell what would be changed, change nothing."),
        click.option(
            "--name",
            default="whetstone",
            show_default=True,
            envvar="DEPLOY_NAME",
            help="Of all resources.",
        ),
        click.option(
            "--region", required=True, envvar="CLOUDSDK_RUN_REGION", help="Of the functions."
        ),
        click.option("--project", required=True, envvar="CLOUDSDK_CORE_PROJECT", help="Its id."),
    ):
        command = option(command)
    return command


def deployment(options: dict[str, Any]) -> Deployment:
    """Returns the deployment that a command's options speak of."""
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
