"""What pages say of scripts/deploy and scripts/rollback: the commands exist, and their options."""

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from deploying.__main__ import main
from tests.docs import pages

NAMED = [
    (pages.name(page), line)
    for page in pages.PAGES
    for line in pages.code(page)
    if re.match(r"scripts/(deploy|rollback) ", line)
]


@pytest.mark.parametrize(("page", "line"), NAMED)
def test_every_command_that_is_named_can_be_run(page, line):
    words = shlex.split(line.removeprefix("scripts/"))
    command: click.Command = main
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    given = [word.split("=")[0] for word in words if word.startswith("--")]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    assert set(given) <= known | {"--help"}, page


@pytest.mark.parametrize(("page", "line"), [one for one in NAMED if one[1].count(" --") > 1])
def test_a_command_that_is_written_out_has_all_that_it_needs(page, line):
    words = shlex.split(line.removeprefix("scripts/"))
    command = main.commands[words[0]].commands[words[1]]
    environment = {"WHETSTONE_API_KEY": "wsk_x"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert command.make_context(words[1], words[2:]).params, page


@pytest.mark.parametrize(
    "words",
    [
        (group, name, "--help")
        for group, commands in main.commands.items()
        for name in commands.commands
    ],
    ids=" ".join,
)
def test_every_command_tells_what_it_does_and_can_be_tried_without_changing_anything(words):
    told = CliRunner().invoke(main, list(words))
    assert told.exit_code == 0
    assert "--dry-run" in told.output


def test_the_deployment_guide_names_every_step():
    steps = {f"scripts/deploy {name}" for name in main.commands["deploy"].commands}
    steps |= {f"scripts/rollback {name}" for name in main.commands["rollback"].commands}
    said = pages.read(pages.ROOT / "docs/deployment.md")
    assert [one for one in sorted(steps) if one not in said] == []
