"""All logs as one: whole lines, each once, behind the name of its process."""

import io
import json

import pytest
from rich.console import Console

from localcloud import logs


def shown(name, line):
    output = io.StringIO()
    logs.show(Console(file=output, width=200), name, line)
    return output.getvalue().rstrip()


def test_what_is_new_is_told_once_and_only_in_whole_lines(tmp_path):
    (tmp_path / "submit.log").write_text("one\ntw")
    tails = logs.Tails(tmp_path, ["submit", "edge"])
    assert list(tails.lines()) == [("submit", "one")]
    assert list(tails.lines()) == []
    with (tmp_path / "submit.log").open("a") as log:
        log.write("o\nthree\n")
    (tmp_path / "edge.log").write_text("late\n")
    assert list(tails.lines()) == [("submit", "two"), ("submit", "three"), ("edge", "late")]


def test_the_names_are_those_of_the_logs(tmp_path):
    for name in ("submit.log", "approve.log", "submit.pid"):
        (tmp_path / name).touch()
    assert logs.names(tmp_path) == ["approve", "submit"]


def test_our_own_json_is_told_as_its_event_and_fields():
    line = json.dumps(
        {"severity": "ERROR", "time": "now", "message": "request.failed", "route": "GET /"}
    )
    assert shown("submit", line) == "submit    request.failed route=GET /"


@pytest.mark.parametrize("line", ["plain words", "[1, 2]", '{"other": 1}', "{", "[red]not markup"])
def test_other_lines_are_told_as_they_are(line):
    assert shown("pubsub", line) == f"pubsub    {line}"
