"""The documentation holds against the repository: links, commands, files, tables, alerts."""

import re

import click
import pytest
from click.testing import CliRunner

from shared.cli.docs import pages as generated_pages
from shared.cli.main import main
from shared.cli.welcome import welcome
from shared.domain.alerts import RULES
from tests.docs import pages

ALL = pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)


@ALL
def test_every_relative_link_leads_somewhere(page):
    broken = []
    for target in pages.links(page):
        file, _, fragment = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (fragment and fragment not in pages.anchors(there)):
            broken.append(target)
    assert broken == []


@ALL
def test_every_make_target_that_is_named_exists(page):
    text = (pages.ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", text))
    named = {
        found[1]
        for line in pages.code(page)
        if (found := re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*make ([a-z-]+)", line))
    }
    assert named <= targets


@ALL
def test_every_whetstone_command_that_is_named_exists(page):
    unknown = []
    for line in pages.code(page):
        for found in re.finditer(r"(?:^|[ (/])whetstone ((?:[a-z-]+ ?)+)(--[a-z-]+)?", line):
            words, option = found[1].split(), found[2]
            if not _exists(words, option):
                unknown.append(found[0].strip())
    assert unknown == []


def _exists(words: list[str], option: str | None) -> bool:
    """Tells whether the words begin with a command, and whether it knows the option after them."""
    command: click.Command = main
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        if word not in command.commands:
            return False
        command = command.commands[word]
    known = {name for one in command.params for name in one.opts} | {"--help", "--version"}
    return command is not main and (option is None or option in known)


@ALL
def test_every_file_of_the_repository_that_is_named_exists(page):
    places = r"(?:functions|shared|tests|docs|bench|demo|scripts)/[\w./-]+\.(?:py|md|sql|json|yaml)"
    named = {one for line in pages.code(page) for one in re.findall(rf"\b{places}", line)}
    roots = [pages.ROOT, pages.ROOT / "shared"]
    assert {one for one in named if not any((root / one).exists() for root in roots)} == set()


def test_the_readme_shows_what_the_first_start_prints():
    (shown,) = [
        one.text.strip()
        for one in pages.blocks(pages.ROOT / "README.md")
        if one.text.startswith("Whetstone is ready")
    ]
    printed = welcome("http://127.0.0.1:8080", pages.ROOT / "data", "wsk_…", code="…").strip()
    assert shown == printed.replace(str(pages.ROOT / "data"), "…/data")


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [pages.ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [
            (page.parent / target.partition("#")[0]).resolve()
            for target in pages.links(page)
            if not target.startswith("#")
        ]
    assert [pages.name(page) for page in pages.PAGES if page not in reached] == []


def test_generated_tables_are_up_to_date():
    root = pages.ROOT / "docs"
    stale = [page.name for page, text in generated_pages(root) if page.read_text("utf-8") != text]
    assert stale == [], "run: whetstone docs"


def test_the_tables_that_the_pages_promise_are_there():
    found = {page.name for page, _ in generated_pages(pages.ROOT / "docs")}
    assert found >= {
        "configuration.md",
        "events.md",
        "security.md",
        "integration-guide.md",
        "commands.md",
    }


@pytest.mark.parametrize("rule", RULES)
def test_every_alert_has_its_section_in_the_runbook(rule):
    assert rule in pages.anchors(pages.ROOT / "docs/operations-runbook.md")


def test_decisions_are_dated_numbered_in_order_and_listed():
    folder = pages.ROOT / "docs/decisions"
    records = sorted(folder.glob("0*.md"))
    assert [int(one.name[:4]) for one in records] == list(range(1, len(records) + 1))
    for one in records:
        text = pages.read(one)
        assert re.match(rf"# {one.name[:4]}\. .+\n\n\d{{4}}-\d\d-\d\d\n", text), one.name
        headings = re.findall(r"(?m)^## (.+)$", text)
        assert headings == ["Context", "Decision", "Consequences"], one.name
    assert set(pages.links(folder / "README.md")) == {one.name for one in records}


def test_the_webhook_check_in_the_guide_accepts_what_we_sign_and_nothing_else():
    from shared.adapters.notifier_webhook import sign

    (block,) = [
        one
        for one in pages.blocks(pages.ROOT / "docs/integration-guide.md")
        if one.info == "python verify"
    ]
    scope: dict = {}
    exec(block.text, scope)
    verify, body = scope["verify"], b'{"title":"x"}'
    header = sign("secret", body, 1_000)
    assert verify("secret", header, body, 1_300)
    assert verify("secret", f"v1={'0' * 64},{header}", body, 1_000)
    assert not verify("secret", header, body, 1_301)
    assert not verify("secret", header, body, 699)
    assert not verify("other", header, body, 1_000)
    assert not verify("secret", header, body + b" ", 1_000)
    assert not verify("secret", header.replace("t=1000", "t=1001"), body, 1_000)
    assert not verify("secret", "", body, 1_000)


def test_the_check_of_the_tables_tells_what_is_stale_and_writing_repairs_it(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Jobs\n\n<!-- generated: jobs -->\n<!-- end -->\n\nThe end.\n")
    run = CliRunner().invoke
    found = run(main, ["docs", "--check", "--root", str(tmp_path)])
    assert found.exit_code == 1
    assert "page.md is out of date" in found.output
    assert run(main, ["docs", "--root", str(tmp_path)]).exit_code == 0
    assert "| retrain | `0 2 * * *` |" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\n\nThe end.\n")
    assert run(main, ["docs", "--check", "--root", str(tmp_path)]).exit_code == 0


def test_a_page_that_asks_for_an_unknown_table_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("<!-- generated: nothing -->\n<!-- end -->\n")
    found = CliRunner().invoke(main, ["docs", "--root", str(tmp_path)])
    assert found.exit_code == 1
    assert "there is no generated table nothing" in found.output
