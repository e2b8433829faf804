"""Writes the tables of the documentation that follow from the code.

A page holds each table between two markers, `<!-- generated: NAME -->` and `<!-- end -->`;
everything else in the page is written by hand and left alone. A test holds the pages against the
code.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from shared.cli.docs_settings import first_paragraph, settings, table, workspace_settings
from shared.errors import InvalidInput, WhetstoneError
from shared.messages.events import FLOW, JOBS
from shared.messages.problems import code_of
from shared.web.aliases import ALIASES
from shared.web.guard import Needs
from shared.web.problems import STATUS

ROOT = Path(__file__).resolve().parents[2] / "docs"
"""Where the pages are in a checkout."""

_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


@click.command("docs")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a page is out of date.")
@click.option(
    "--root",
    default=ROOT,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the pages are; those of this checkout if left out.",
)
def docs(root: Path, *, check: bool) -> None:
    """Bring the generated tables of the documentation up to date."""
    stale = [(path, text) for path, text in pages(root) if path.read_text("utf-8") != text]
    for path, text in stale:
        click.echo(f"{path.name} {'is out of date' if check else 'written'}")
        if not check:
            path.write_text(text, "utf-8")
    if check and stale:
        raise click.ClickException("bring them up to date with: whetstone docs")


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """Yields each page below `root` that has generated tables, with its text as it should be.

    Raises:
        InvalidInput: a page asks for a table that there is not.
    """
    for path in sorted(root.rglob("*.md")):
        text = path.read_text("utf-8")
        if _BLOCK.search(text):
            yield path, _BLOCK.sub(_filled, text)


def _filled(found: re.Match[str]) -> str:
    make = TABLES.get(found[2])
    if make is None:
        known = ", ".join(TABLES)
        raise InvalidInput(f"there is no generated table {found[2]}; there are {known}")
    return f"{found[1]}\n{make()}\n\n{found[3]}"


def events() -> str:
    """Returns the table of FLOW."""
    rows = [
        [f"`{name}`", ", ".join(route.producers), ", ".join(route.consumers)]
        for name, route in FLOW.items()
    ]
    return table(["event", "produced by", "consumed by"], rows)


def jobs() -> str:
    """Returns the table of JOBS."""
    rows = [
        [name, f"`{job.cron}`", job.function, f"`POST {job.path}`", "yes" if job.catch_up else "no"]
        for name, job in JOBS.items()
    ]
    return table(["job", "when (UTC)", "function", "call", "a missed tick is made up for"], rows)


def access() -> str:
    """Returns the table of every route and what its caller must show."""
    from shared.cli.serve import apps

    rows: dict[tuple[str, str], list[str]] = {}
    for app in apps():
        for (method, path), endpoint in app.endpoints.items():
            function = "each" if (path, method) in rows else app.function
            rows[path, method] = [f"`{method} {path}`", function, *_need(endpoint.needs)]
    head = ["route", "function", "a key with the scope", "a person from the role"]
    return table(head, (rows[key] for key in sorted(rows)))


def _need(need: Needs) -> tuple[str, str]:
    if need.public:
        return "none needed", "none needed"
    if need.system:
        return "never", "never: only Whetstone's own token"
    return " or ".join(dict.fromkeys([*need.scopes, "admin"])), need.role or "never"


def aliases() -> str:
    """Returns the table of older paths."""
    rows = [
        [f"`{row.method} {row.path}`", f"`{row.our_method or row.method} {row.ours}`", row.function]
        for row in ALIASES
    ]
    return table(["older path", "is answered by", "function"], rows)


def errors() -> str:
    """Returns the table of problem documents, in order of status."""
    kinds = sorted(STATUS.items(), key=lambda row: row[1])
    rows = [
        [str(status), f"`{_problem_type(kind)}`", first_paragraph(kind)] for kind, status in kinds
    ]
    rows.append(
        ["405", "`urn:whetstone:problem:method_not_allowed`", "No such method on this path."]
    )
    return table(["status", "type", "meaning"], sorted(rows))


def _problem_type(kind: type[WhetstoneError]) -> str:
    nameless = kind.__new__(kind)  # only the class is looked at, so that no arguments are needed
    return f"urn:whetstone:problem:{code_of(nameless)}"


def commands() -> str:
    """Returns the table of the command line."""
    from shared.cli.main import main

    found = sorted(walk(main), key=lambda row: row[0])
    rows = [[f"`whetstone {name}`", (one.help or "").split("\n\n")[0]] for name, one in found]
    return table(["command", "what it does"], rows)


def walk(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yields every command below a group with its words, for example `audit verify`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield before + name, command
            yield from walk(command, f"{before}{name} ")
        else:
            yield before + name, command


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "workspace-settings": workspace_settings,
    "events": events,
    "jobs": jobs,
    "access": access,
    "aliases": aliases,
    "errors": errors,
    "commands": commands,
}
"""What a page may ask for, by the name in its marker."""
