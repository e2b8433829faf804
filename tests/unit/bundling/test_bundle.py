"""Bundles: equal for equal inputs, with what a function needs, named by what is in them."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundling.archive import PYTHON
from bundling.bundle import Bundler, write_bundle, write_manifest
from bundling.distributions import Target
from shared.config import choices as config_choices

ROOT = Path(__file__).resolve().parents[3]
GCP = {
    "store": "firestore",
    "blobs": "gcs",
    "bus": "pubsub",
    "analytics": "store",
    "embedder": "vertex",
    "secrets": "secret_manager",
    "schedule": "cloud_scheduler",
}
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))


@pytest.fixture(scope="module")
def bundler():
    return Bundler(ROOT, GCP, Target(PYTHON))


@pytest.fixture
def checkout(tmp_path):
    """Returns a copy of what bundles are made from, with other times and modes."""
    return copied(tmp_path / "elsewhere")


def copied(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "cli")
    for name in ("functions", "shared"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(stat.S_IRWXU if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR)
    return folder


def names(content: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_these_choices_are_the_backends_own():
    gcp = config_choices.resolved("gcp")
    assert {port: getattr(gcp, port) for port in GCP} == GCP


@pytest.mark.parametrize("function", ["monitor", "notify"])
def test_equal_inputs_give_equal_bytes_in_another_folder(bundler, checkout, function):
    os.umask(before := os.umask(0o077))
    try:
        os.umask(0o077)
        other = Bundler(checkout, GCP, Target(PYTHON)).bundle(function)
    finally:
        os.umask(before)
    assert other.content == bundler.bundle(function).content


def test_a_function_changes_only_with_what_it_needs(bundler, checkout):
    service = checkout / "shared/services/notifying.py"
    service.write_text(service.read_text("utf-8") + "\n# changed\n", "utf-8")
    changed = Bundler(checkout, GCP, Target(PYTHON))
    assert changed.bundle("notify").sha256 != bundler.bundle("notify").sha256
    assert changed.bundle("submit").sha256 == bundler.bundle("submit").sha256


def test_a_bundle_has_one_line_that_names_the_target(bundler):
    archive = zipfile.ZipFile(io.BytesIO(bundler.bundle("submit").content))
    line = "from functions.submit.main import submit  # noqa: F401\n"
    assert archive.read("main.py").decode() == line


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bundle_holds_its_own_function_and_no_other(bundler, function):
    inside = {
        name.split("/")[1]
        for name in names(bundler.bundle(function).content)
        if name.startswith("functions/") and name.count("/") > 1
    }
    assert inside - {"__pycache__"} == {function}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bundle_has_bytecode_for_every_module(bundler, function):
    inside = set(names(bundler.bundle(function).content))
    sources = {name for name in inside if name.endswith(".py")}
    assert len([name for name in inside if name.endswith(".pyc")]) == len(sources)


def test_a_bundle_for_another_python_has_no_bytecode(monkeypatch):
    monkeypatch.setattr("bundling.bundle.PYTHON", "3.10")
    inside = names(Bundler(ROOT, GCP, Target("3.11")).bundle("notify").content)
    assert not [name for name in inside if name.endswith(".pyc")]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_committed_requirements_are_what_the_imports_ask_for(bundler, function):
    committed = ROOT / "functions" / function / "requirements.txt"
    assert committed.read_text("utf-8") == bundler.requirements_text(function), "run `make lock`"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_asks_for_tools(bundler, function):
    needed = bundler.requirements(bundler.reached(function))
    assert {"functions-framework", "pydantic", "google-cloud-firestore"} <= needed
    assert needed & {"pytest", "mypy", "ruff", "duckdb", "hypothesis", "psycopg", "rich"} == set()


def test_only_functions_with_objects_ask_for_cloud_storage(bundler):
    asking = {
        name
        for name in FUNCTIONS
        if "google-cloud-storage" in bundler.requirements(bundler.reached(name))
    }
    assert {"retrain", "serve", "publish", "monitor"} <= asking
    assert "notify" not in asking


def test_on_postgres_no_function_asks_for_firestore():
    bundler = Bundler(ROOT, {**GCP, "store": "postgres"}, Target())
    needed = bundler.requirements(bundler.reached("submit"))
    assert "google-cloud-firestore" not in needed
    assert {"psycopg", "psycopg-binary"} <= needed


def test_what_is_installed_and_not_locked_stops_the_bundle(checkout):
    lock = checkout / "requirements.lock"
    lock.write_text(lock.read_text("utf-8").replace("\nfastapi==", "\nfastapi==9"), "utf-8")
    bundler = Bundler(checkout, GCP, Target())
    with pytest.raises(LookupError, match=r"fastapi .* is installed, and not what is locked"):
        bundler.bundle("submit")


def test_a_settings_file_goes_along_where_one_is_given(tmp_path):
    path = tmp_path / "of-this-place.yaml"
    path.write_text("log_level: debug\n", "utf-8")
    content = Bundler(ROOT, GCP, Target(), path).bundle("notify").content
    assert zipfile.ZipFile(io.BytesIO(content)).read("whetstone.yaml") == path.read_bytes()
    plain = Bundler(ROOT, GCP, Target()).bundle("notify").content
    assert "whetstone.yaml" not in names(plain)


def test_the_manifest_tells_name_hash_and_size(bundler, tmp_path):
    bundle = bundler.bundle("notify")
    row = json.loads(write_manifest([bundle], tmp_path, GCP, Target()).read_text("utf-8"))
    assert row["choices"] == GCP
    assert row["python"] == "3.11"
    assert row["bundles"] == [
        {
            "function": "notify",
            "file": "notify.zip",
            "object": f"notify-{bundle.sha256[:16]}.zip",
            "sha256": bundle.sha256,
            "size_bytes": len(bundle.content),
            "files": len(names(bundle.content)),
            "requirements": len(bundle.requirements),
        }
    ]


def test_a_bundle_that_is_there_already_is_left_alone(bundler, tmp_path):
    bundle = bundler.bundle("notify")
    path = write_bundle(bundle, tmp_path)
    os.utime(path, (1, 1))
    assert write_bundle(bundle, tmp_path).stat().st_mtime == 1


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bundling", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_stages_one_function(tmp_path):
    done = run("--function", "notify", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "notify.zip").exists()
    assert not (tmp_path / "bundles.json").exists(), "a manifest of one would hide the others"


def test_the_command_refuses_a_function_that_does_not_exist(tmp_path):
    done = run("--function", "notifi", "--output", str(tmp_path))
    assert done.returncode == 2
    assert "there is no function notifi; there are approve" in done.stderr
