"""The runbook: a section for each alert rule, and only commands, paths and settings that exist."""

import json
import re
from pathlib import Path

import click
import pytest

from shared.cli.main import main
from shared.config import Settings
from shared.domain.alerts import RULES, runbook
from shared.messages.access import SettingsView
from shared.web.openapi import DOCUMENT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/operations-runbook.md").read_text("utf-8")
ALERTS = "".join(path.read_text("utf-8") for path in (ROOT / "terraform").glob("alerts*.tf"))
CLOUD = sorted({*re.findall(r'runbook = "(\w+)"', ALERTS)} - {*RULES})
"""Alerts of Cloud Monitoring that are no rule of ours."""

GENERAL = ("Any alert", "Backup", "Restore", "Routine tasks", "Incident template")

BLOCK = re.compile(r"^```markdown\n.*?^```$", re.DOTALL | re.MULTILINE)
"""What is to be copied has headings of its own."""

PLAIN = BLOCK.sub(lambda found: found[0].replace("\n#", "\n\0#"), TEXT)
SECTIONS = {
    name: text.replace("\0", "")
    for name, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PLAIN, re.DOTALL | re.MULTILINE)
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_section_that_its_alerts_point_to(rule):
    file, anchor = runbook(rule).split("#")
    assert (ROOT / file).is_file()
    section = SECTIONS[anchor]
    for part in ("Meaning", "First look", "Fix", "Verify"):
        assert f"**{part}.**" in section, part


@pytest.mark.parametrize("alert", CLOUD)
def test_every_alert_of_the_cloud_has_a_section(alert):
    for part in ("Meaning", "First look", "Fix", "Verify"):
        assert f"**{part}.**" in SECTIONS[alert], part


def test_there_is_no_section_of_a_rule_that_is_gone():
    assert CLOUD
    assert set(SECTIONS) == {*GENERAL, *RULES, *CLOUD}


def test_there_are_tasks_for_every_week_month_and_quarter():
    tasks = re.split(r"\*\*Every (week|month|quarter)\*\*", SECTIONS["Routine tasks"])
    assert tasks[1::2] == ["week", "month", "quarter"]
    for table in tasks[2::2]:
        rows = [line.split("|")[1:-1] for line in table.strip().splitlines()[2:]]
        assert len(rows) >= 5
        assert all(len(row) == 3 and all(map(str.strip, row)) for row in rows)


def test_the_incident_template_asks_for_what_a_review_needs():
    template = SECTIONS["Incident template"].partition("```markdown\n")[2]
    for part in ("Effect", "Timeline", "What stopped it", "Cause", "What changes", "Evidence"):
        assert f"## {part}" in template, part
    for fact in ("Severity", "Began, noticed, mitigated, over", "Noticed by"):
        assert fact in template, fact


def test_every_command_exists():
    named = {one.split(" -")[0] for one in re.findall(r"whetstone ((?:[a-z-]+ ?){1,2})", TEXT)}
    assert named
    for words in named:
        command = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            command = command.commands[word]
        runs = not isinstance(command, click.Group) or command.invoke_without_command
        assert runs, words


def test_every_path_is_served_as_written():
    paths = json.loads(DOCUMENT.read_text("utf-8"))["paths"]
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paths]
    named = set(re.findall(r"\$WHETSTONE_URL(/[\w/-]+)", TEXT))
    assert {path for path in named if not any(one.fullmatch(path) for one in patterns)} == set()


def test_every_setting_exists():
    named = set(re.findall(r"WHETSTONE_(?!URL|API_KEY)([A-Z_]+)", TEXT))
    assert named
    for name in named:
        section = Settings
        for part in name.lower().split("__"):
            assert part in section.model_fields, name
            section = section.model_fields[part].annotation
    switches = set(re.findall(r"settings --data '\{\"(\w+)\"", TEXT))
    assert switches <= set(SettingsView.model_fields)
