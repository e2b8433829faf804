"""The files of the project keep its promises: help, lock, sizes, vendored files, the map."""

import hashlib
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from shared.messages.events import FLOW, JOBS

ROOT = Path(__file__).resolve().parent.parent
SWAGGER_UI = ROOT / "shared/web/assets/swagger-ui"

MAX_LINES = 500
# A file may be longer only for a reason given here.
LONGER: dict[str, str] = {
    "shared/adapters/postgres_migrations/0001_initial.sql": "one migration is one transaction",
    "shared/adapters/sqlite_migrations/0001_initial.sql": "one migration is one transaction",
}

# Written in parts, so that this file does not name them itself.
REGISTRY_HOST = re.compile(
    r"\bpypi\.(?:org|io)\b|pythonhosted\.|\bnpm"
    r"js\.(?:org|com)\b|registry\.yarn"
    r"pkg|--?(?:extra-)?index-"
    r"url\b"
)
MACHINE_PATH = re.compile(r"(?<![\w.~$}/-])/(?:root|home|Users|work)/[\w.+-]")
# Recorded prompts and answers may say anything.
RECORDED = {".csv", ".gz", ".jsonl", ".parquet"}


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = [name for name in listing.stdout.split("\0") if name]
    if listing.returncode != 0 or not names:
        reason = f"not a git checkout: {listing.stderr.strip()}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct_requirements() -> list[str]:
    extras = project()["optional-dependencies"].values()
    return [*project()["dependencies"], *(line for extra in extras for line in extra)]


def canonical(requirement: str) -> str:
    """Returns `name==version` as the lock spells it: without extras, lower case, dashes."""
    name, version = re.sub(r"\[.*\]", "", requirement).split("==")
    return re.sub(r"[-_.]+", "-", name).lower() + "==" + version


def locked() -> dict[str, str]:
    """Returns the block of the lock for each `name==version`."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    return {re.split(r"[ ;\\]", block, maxsplit=1)[0]: block for block in blocks}


def makefile_targets() -> dict[str, str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return {
        found[1]: found[2] or ""
        for found in re.finditer(r"(?m)^([a-z][\w-]*):(?!=)[^#\n]*(?:## (.+))?$", text)
    }


def test_every_makefile_target_has_help_text() -> None:
    targets = makefile_targets()
    assert {"run", "demo", "test", "check", "bench", "lock", "openapi", "clean"} <= targets.keys()
    assert [name for name, text in targets.items() if not text.strip()] == []


def test_make_alone_lists_every_target() -> None:
    answer = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in answer.stdout.splitlines()[1:]}
    assert listed == makefile_targets().keys()


def test_no_makefile_target_is_mistaken_for_a_file() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"(?m)^\.PHONY: (.+)$", text)
    assert phony is not None
    assert set(phony[1].split()) == makefile_targets().keys()


def test_tracked_files_name_no_package_registry_and_no_machine() -> None:
    found = []
    for path in tracked_files():
        if path.suffix in RECORDED or path.is_relative_to(SWAGGER_UI):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {hit[0]}"
            for number, line in enumerate(text.splitlines(), start=1)
            for hit in [REGISTRY_HOST.search(line) or MACHINE_PATH.search(line)]
            if hit
        ]
    assert found == []


@pytest.mark.parametrize("requirement", direct_requirements())
def test_direct_dependency_is_pinned_and_locked(requirement: str) -> None:
    assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.]+", requirement), "pin it exactly"
    assert canonical(requirement) in locked(), "run `make lock`"


def test_every_locked_package_has_a_hash() -> None:
    assert [name for name, block in locked().items() if "--hash=sha256:" not in block] == []


def test_files_are_short_enough_to_read() -> None:
    kinds = {".py", ".sh", ".sql", ".toml", ".js", ".html", ".tf", ""}
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked_files()
        if path.suffix in kinds and not path.is_relative_to(SWAGGER_UI)
    }
    too_long = {name: length for name, length in lengths.items() if length > MAX_LINES}
    assert {name: n for name, n in too_long.items() if name not in LONGER} == {}
    assert LONGER.keys() <= too_long.keys(), "no longer too long: take it off the list"


def test_every_function_on_the_map_of_the_loop_exists() -> None:
    on_the_map = {
        name for route in FLOW.values() for name in (*route.producers, *route.consumers)
    } | {job.function for job in JOBS.values()}
    existing = {path.parent.name for path in (ROOT / "functions").glob("*/main.py")}
    assert on_the_map - existing == set()


def test_every_function_is_a_package_that_the_import_contracts_see() -> None:
    folders = {path.parent for path in (ROOT / "functions").glob("*/main.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_vendored_swagger_ui_is_the_one_that_its_readme_names() -> None:
    readme = (SWAGGER_UI / "README.md").read_text(encoding="utf-8")
    sums = dict(re.findall(r"\| `([\w.-]+)` \| `([0-9a-f]{64})` \|", readme))
    assert sums.keys() == {"swagger-ui-bundle.js", "swagger-ui.css"}
    for name, expected in sums.items():
        assert hashlib.sha256((SWAGGER_UI / name).read_bytes()).hexdigest() == expected


def test_the_scripts_that_others_wrote_are_those_that_the_readmes_name() -> None:
    for folder in (ROOT / "functions/console/static", ROOT / "tests/browser/vendor/axe-core"):
        readme = (folder / "README.md").read_text(encoding="utf-8")
        sums = dict(re.findall(r"\| `([\w.-]+)` \|.*\| `([0-9a-f]{64})` \|", readme))
        assert sums.keys() == {one.name for one in folder.glob("*.min.js")}
        for name, expected in sums.items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
