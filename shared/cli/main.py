"""The `whetstone` command: starts everything on one port, and what an operator does by hand."""

import click
from pydantic import ValidationError

from shared.cli.access import key, token, workspace
from shared.cli.backup import backup, restore
from shared.cli.docs import docs
from shared.cli.firestore import firestore_indexes
from shared.cli.importing import import_data
from shared.cli.operations import audit, dead_letters, knowledge, openapi, schedule
from shared.cli.serve import serve
from shared.cli.simulate import simulate
from shared.cli.verdicts import verdicts
from shared.errors import WhetstoneError
from shared.messages.problems import field_problems


class _Commands(click.Group):
    """Tells our own errors in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except WhetstoneError as error:
            raise click.ClickException(error.detail) from None
        except ValidationError as error:
            first = field_problems(error)[0]
            name = first.pointer.strip("/") or "the command"
            raise click.ClickException(f"{name}: {first.detail}") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="whetstone")
def main() -> None:
    """Models submit knowledge, people approve it, evidence makes routing and trust better."""


for command in (
    serve,
    token,
    key,
    workspace,
    audit,
    dead_letters,
    knowledge,
    schedule,
    backup,
    restore,
    import_data,
    simulate,
    verdicts,
    openapi,
    docs,
    firestore_indexes,
):
    main.add_command(command)
