"""The quick start is run as it is written, block by block, against a real server.

A block marked `sh run` is sent to one bash, as a reader would paste it, and what it prints must fit
the block marked `json answer` or `text answer` that follows: `…` in a text stands for anything, and
members that the page leaves out of an object may be there. `sh run until` is pasted again until the
answer fits, for what takes a moment.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import pages
from tests.support.server import KEY, Server

PAGE = pages.ROOT / "docs/quickstart.md"
PATIENCE_S = 20.0


class Bash:
    """One bash that is sent blocks, and returns what each printed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=pages.ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def paste(self, text: str) -> str:
        self.process.stdin.write(f"{text}\nprintf '\\n<done %d>\\n' $?\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if found := re.fullmatch(r"<done (\d+)>\n", line):
                assert found[1] == "0", f"{text}\nfailed:\n{''.join(lines)}"
                return "".join(lines).strip()
            lines.append(line)
        raise AssertionError(f"bash ended in:\n{text}\n{''.join(lines)}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def fits(wanted: object, found: object) -> bool:
    """Tells whether an answer is what the page shows of it."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(name in found and fits(one, found[name]) for name, one in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        if wanted and wanted[-1] == "…":
            return len(found) >= len(wanted) and all(map(fits, wanted[:-1], found))
        return len(found) == len(wanted) and all(map(fits, wanted, found))
    if wanted == "…":
        return True
    if isinstance(wanted, str) and isinstance(found, str):
        return re.fullmatch(".*".join(map(re.escape, wanted.split("…"))), found) is not None
    return wanted == found and type(wanted) is type(found)


def answered(answer: pages.Block, printed: str) -> bool:
    if answer.info == "json answer":
        return fits(json.loads(answer.text), json.loads(printed.splitlines()[-1]))
    wanted, found = answer.text.strip().splitlines(), printed.splitlines()
    return len(wanted) == len(found) and all(
        fits(one.rstrip(), other.rstrip()) for one, other in zip(wanted, found, strict=True)
    )


def steps() -> Iterator[tuple[pages.Block, pages.Block | None]]:
    """Yields the blocks to be run, each with the answer that follows it."""
    found = pages.blocks(PAGE)
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.info.startswith("sh run"):
            has_answer = after is not None and after.info.endswith(" answer")
            yield block, after if has_answer else None


def play(bash: Bash, block: pages.Block, answer: pages.Block | None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        printed = bash.paste(block.text)
        if answer is None or answered(answer, printed):
            return
        if block.info != "sh run until" or time.monotonic() > deadline:
            pytest.fail(f"{block.text}\nprinted:\n{printed}\nthe page says:\n{answer.text}")


@pytest.mark.e2e
def test_the_quick_start_works_as_it_is_written(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        environment = {
            "WHETSTONE_URL": server.url,
            "WHETSTONE_API_KEY": KEY,
            "WHETSTONE_DATA_DIR": str(tmp_path / "data"),
            "TMPDIR": str(tmp_path),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        bash = Bash(environment)
        try:
            for block, answer in steps():
                play(bash, block, answer)
        finally:
            bash.close()


def test_every_answer_of_the_quick_start_is_checked() -> None:
    found = pages.blocks(PAGE)
    answers = [one for one in found if one.info.endswith(" answer")]
    assert len([answer for _, answer in steps() if answer]) == len(answers) >= 10


@pytest.mark.parametrize(
    ("wanted", "found", "fit"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": True}, {"a": 1}, False),
        ({"id": "ent_…"}, {"id": "ent_1"}, True),
        ({"id": "ent_…"}, {"id": "req_1"}, False),
        ([1, 2], [1, 2], True),
        ([1], [1, 2], False),
        ([1, "…"], [1, 2, 3], True),
        ([1, "…"], [2, 2, 3], False),
        (["…"], [], False),
        ("…", None, True),
        (None, 0, False),
    ],
)
def test_a_shortened_answer_fits_what_it_was_shortened_from_only(wanted, found, fit) -> None:
    assert fits(wanted, found) is fit
