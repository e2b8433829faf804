"""`scripts/environment`: one clear sentence where it cannot go on, no work where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Returns a checkout with what the script reads, and no environment."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/environment", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts/environment"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_an_interpreter_that_is_too_old_is_refused_in_one_sentence(checkout: Path) -> None:
    old = executable(checkout / "python3.9", "exit 1")
    answer = run(checkout, PYTHON=str(old))
    assert answer.returncode == 1
    assert answer.stderr == f"whetstone: PYTHON={old} does not run, or is older than Python 3.11.\n"


def test_a_machine_without_a_new_python_is_told_what_it_has(checkout: Path) -> None:
    tools = checkout / "bin"
    for tool in ("bash", "cat", "cksum", "dirname", "env"):
        found = shutil.which(tool)
        assert found
        tools.mkdir(exist_ok=True)
        (tools / tool).symlink_to(found)
    executable(
        tools / "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi'
    )
    answer = run(checkout, PATH=str(tools), PYTHON="")
    assert answer.returncode == 1
    assert "needs Python 3.11 or newer, and found Python 3.9.2" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_an_environment_whose_python_moved_is_made_again(checkout: Path) -> None:
    dangling = checkout / ".venv/bin/python"
    dangling.parent.mkdir(parents=True)
    dangling.symlink_to(checkout / "gone/python3")
    no_venv = executable(checkout / "python3.11", 'case "$1" in -m) exit 1;; esac')
    answer = run(checkout, PYTHON=str(no_venv))
    assert "making .venv again: its Python has moved or gone" in answer.stderr
    assert "cannot make a virtual environment" in answer.stderr
    assert answer.returncode == 1
    assert not (checkout / ".venv").exists()


def test_a_stale_environment_stays_where_no_python_could_make_it_again(checkout: Path) -> None:
    executable(checkout / ".venv/bin/python", "exit 1")
    answer = run(checkout, PYTHON=str(checkout / "none"))
    assert answer.returncode == 1
    assert (checkout / ".venv/bin/python").exists()


def test_an_environment_made_in_another_folder_is_made_again(checkout: Path) -> None:
    executable(checkout / ".venv/bin/python", f'exec {sys.executable} "$@"')
    executable(checkout / ".venv/bin/pip", "# made for another folder")
    answer = run(checkout, PYTHON=str(executable(checkout / "python3.11", '[ "$1" = -c ]')))
    assert "making .venv again: it was made in another folder" in answer.stderr


def test_an_environment_that_fits_is_left_alone(checkout: Path) -> None:
    executable(checkout / ".venv/bin/python", 'echo "3.11.0"')
    sources = b"".join(
        (checkout / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")
    )
    sums = subprocess.run(["cksum"], input=sources, capture_output=True, check=True).stdout
    stamp = checkout / ".venv/.installed"
    stamp.write_text(f"{checkout} 3.11.0 {sums.decode().strip()}\n", encoding="utf-8")
    answer = run(checkout)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_an_interrupted_installation_is_not_taken_for_a_finished_one(checkout: Path) -> None:
    python = executable(
        checkout / ".venv/bin/python",
        '[ "$2" != pip ] || { echo no network >&2; exit 3; }; echo 3.11.0',
    )
    executable(checkout / ".venv/bin/pip", f"# {python}")
    stamp = checkout / ".venv/.installed"
    stamp.write_text("made from an older lock\n", encoding="utf-8")
    answer = run(checkout)
    assert answer.returncode == 3
    assert "no network" in answer.stderr
    assert not stamp.exists()
