"""A static scanner's rules for Google Cloud, and a reason beside each resource that breaks one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.backends import missing
from tests.support.terraform import CONFIGURATION, ROOT

pytestmark = pytest.mark.slow

WANTED = CONFIGURATION / "checkov.txt"
PLACE = ROOT / "build/checkov"
OPTIONS = ("--framework", "terraform", "-o", "json", "--skip-download", "--compact")
SKIP = re.compile(r"#checkov:skip=(CKV2?_GCP_\d+):(.+)")


@pytest.fixture(scope="module")
def scanner() -> Path:
    """The scanner, in an environment of its own that is made where it is missing."""
    program, made_of = PLACE / "bin/checkov", PLACE / "made-of"
    if program.exists() and made_of.exists() and made_of.read_text() == WANTED.read_text():
        return program
    uv, python = str(Path(sys.executable).parent / "uv"), str(PLACE / "bin/python")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(PLACE)],
        [uv, "pip", "install", "--quiet", "--python", python, "-r", str(WANTED)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            missing(f"checkov cannot be installed: {done.stderr.strip()[-400:]}")
    made_of.write_text(WANTED.read_text())
    return program


def scan(scanner: Path, folder: Path) -> dict:
    done = subprocess.run(
        [str(scanner), "-d", str(folder), *OPTIONS],
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(scanner: Path) -> dict:
    """What the scanner says of the configuration."""
    return scan(scanner, CONFIGURATION)


def test_no_rule_is_broken_without_a_reason_beside_the_resource(found: dict) -> None:
    failed = [
        f"{one['check_id']} {one['resource']}: {one['check_name']}"
        for one in found["results"]["failed_checks"]
    ]
    assert failed == []
    assert found["summary"]["passed"] > 100
    assert found["summary"]["parsing_errors"] == 0


def test_every_reason_is_one_and_is_still_needed(found: dict) -> None:
    written = {
        one[1]: one[2]
        for path in CONFIGURATION.rglob("*.tf")
        for one in SKIP.finditer(path.read_text("utf-8"))
    }
    assert all(len(reason.split()) >= 8 for reason in written.values())
    skipped = found["results"]["skipped_checks"]
    assert {one["check_id"] for one in skipped} == set(written)


def test_the_scanner_finds_what_is_wrong(scanner: Path, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "google_storage_bucket" "open" {\n  name     = "open"\n  location = "EU"\n}\n'
    )
    failed = scan(scanner, tmp_path)["results"]["failed_checks"]
    assert "CKV_GCP_114" in {one["check_id"] for one in failed}  # public access prevention
