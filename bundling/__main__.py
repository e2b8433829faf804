"""`python -m bundling`: stages dist/<function>.zip for every function, or for those named."""

import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import click

from bundling.archive import PYTHON
from bundling.bundle import MANIFEST, REQUIREMENTS, Bundle, Bundler, write_bundle, write_manifest
from bundling.distributions import Target
from shared.config import choices

ROOT = Path(__file__).resolve().parent.parent

_KIB = 1024


def _port_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds an option for each port whose adapter can be chosen."""
    for port in reversed(fields(choices.Choices)):
        command = click.option(
            f"--{port.name}",
            type=click.Choice([str(one) for one in get_args(port.type)]),
            help=f"Adapter of the port {port.name}, where it is not the backend's.",
        )(command)
    return command


@click.command()
@click.option(
    "--function", "names", multiple=True, metavar="NAME", help="Only this one; may be repeated."
)
@click.option(
    "--output",
    default="dist",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the bundles and their manifest.",
)
@click.option(
    "--backend",
    default="gcp",
    show_default=True,
    type=click.Choice(list(choices.DEFAULTS)),
    help="What the functions run on; decides which adapters go along.",
)
@_port_options
@click.option(
    "--python", default="3.11", show_default=True, help="The runtime's Python, as 3.11 or 3.12."
)
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A settings file that goes along as whetstone.yaml.",
)
@click.option(
    "--requirements",
    "only_requirements",
    is_flag=True,
    help="Write functions/*/requirements.txt instead of bundles.",
)
def main(
    names: tuple[str, ...],
    output: Path,
    backend: choices.Backend,
    python: str,
    settings: Path | None,
    *,
    only_requirements: bool,
    **ports: Any,  # noqa: ANN401 -- one text or None for each port
) -> None:
    """Stage what is deployed: one archive for each function, and a manifest of all."""
    chosen, target = asdict(choices.resolved(backend, **ports)), Target(python)
    try:
        bundler = Bundler(ROOT, chosen, target, settings)
        known = bundler.functions()
        if unknown := sorted(set(names) - set(known)):
            there_are = f"there are {', '.join(known)}"
            raise click.BadParameter(f"there is no function {unknown[0]}; {there_are}")
        if only_requirements:
            _write_requirements(bundler, names or known)
            return
        bundles = [_staged(bundler.bundle(name), output) for name in sorted(names) or known]
    except (ImportError, LookupError) as error:
        raise click.ClickException(str(error.args[0])) from None
    if python != PYTHON:
        click.echo(f"without bytecode: this is Python {PYTHON}, the functions run on {python}")
    if names:
        click.echo(f"{output / MANIFEST} is written when all functions are bundled")
    else:
        click.echo(write_manifest(bundles, output, chosen, target))


def _staged(bundle: Bundle, output: Path) -> Bundle:
    path = write_bundle(bundle, output)
    click.echo(
        f"{path}  {len(bundle.content) / _KIB:7.0f} KiB  {bundle.files:4} files"
        f"  {len(bundle.requirements):3} requirements  {bundle.sha256[:12]}"
    )
    return bundle


def _write_requirements(bundler: Bundler, names: tuple[str, ...] | list[str]) -> None:
    for name in names:
        text = bundler.requirements_text(name)
        path = ROOT / "functions" / name / REQUIREMENTS
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            click.echo(f"{path.relative_to(ROOT)} written", file=sys.stderr)


if __name__ == "__main__":
    main(prog_name="python -m bundling")
