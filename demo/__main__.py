"""`python -m demo`: plays real data through a server over HTTP and prints what was learned."""

import json
from pathlib import Path

import click
import httpx
import uvloop
from rich.console import Console

from demo.client import Refused
from demo.server import default_url
from demo.story import Wishes, play


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    default=default_url,
    show_default="WHETSTONE_URL, else port PORT or 8080 of this machine",
)
@click.option("--own", is_flag=True, help="Start a server of its own, whatever runs.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where its own server keeps data.",
)
@click.option("--keep", is_flag=True, help="Keep the data of its own server.")
@click.option("--seed", default=1, show_default=True, help="Of every random number.")
@click.option(
    "--quick", is_flag=True, help="A sixth of the prompts; for tests, as it learns little."
)
@click.option(
    "--json",
    "facts_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures here.",
)
def main(
    *,
    url: str,
    own: bool,
    data_dir: Path | None,
    keep: bool,
    seed: int,
    quick: bool,
    facts_file: Path | None,
) -> None:
    """Play real data through the running server, or one of its own where none runs.

    Entries are submitted, reviewed and searched; models' real outcomes on exam questions are rated,
    a dry run and a run learn from them, and routing is measured on questions not learned from;
    agents earn trust; all of it is rolled back and made current again, and readers compare routing
    before and after in an experiment. Takes less than two minutes.
    """
    wishes = Wishes(url.rstrip("/"), own, data_dir, keep, seed, quick)
    try:
        facts = uvloop.run(play(wishes, Console()))
    except* (Refused, httpx.TransportError) as group:
        raise click.ClickException(_said(group)) from None
    except* click.ClickException as group:
        raise click.ClickException(_said(group)) from None
    if facts_file is not None:
        facts_file.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _said(group: BaseExceptionGroup[BaseException]) -> str:
    """Returns the first error of a group in words."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    said = first.format_message() if isinstance(first, click.ClickException) else f"{first}"
    return said or type(first).__name__


if __name__ == "__main__":
    main()
