"""Writes the list of Firestore's indexes, which follows from the declared queries."""

import json
from pathlib import Path

import click

from shared.adapters.firestore_indexes import index_file

FILE = Path(__file__).resolve().parents[2] / "firestore.indexes.json"
"""Where it is in a checkout."""


@click.command("firestore-indexes")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where it is out of date.")
@click.option(
    "--file",
    default=FILE,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where it is; that of this checkout if left out.",
)
def firestore_indexes(file: Path, *, check: bool) -> None:
    """Bring firestore.indexes.json up to date with the declared queries."""
    text = json.dumps(index_file(), indent=2) + "\n"
    if file.exists() and file.read_text("utf-8") == text:
        return
    if check:
        raise click.ClickException("out of date; bring it up with: whetstone firestore-indexes")
    file.write_text(text, "utf-8")
    click.echo(f"{file.name} written")
