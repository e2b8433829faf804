"""`scripts/backends`: quiet where all is there, and one line for each thing that is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tools(tmp_path):
    """Returns a folder of programs that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "bash").symlink_to(shutil.which("bash"))
    return folder


def program(folder, name, script="exit 0"):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def run(tools, **environment):
    given = {"PATH": str(tools), "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run(
        [tools / "bash", ROOT / "scripts/backends"],
        env=given,
        capture_output=True,
        text=True,
        check=True,
    )


def installation(tools, tmp_path):
    """Puts everything there that is looked for."""
    sdk = tmp_path / "sdk/platform"
    for jar in ("cloud-firestore-emulator/cloud-firestore-emulator.jar", "pubsub-emulator/lib/x"):
        (sdk / jar).parent.mkdir(parents=True)
    (sdk / "cloud-firestore-emulator/cloud-firestore-emulator.jar").touch()
    (sdk / "pubsub-emulator/lib/cloud-pubsub-emulator-0.8-all.jar").touch()
    program(tools, "gcloud", f"echo {sdk.parent}")
    program(tools, "java")
    program(tools, "initdb")
    program(tools, "chromium")
    return sdk


def test_it_says_nothing_where_all_is_there(tools, tmp_path):
    installation(tools, tmp_path)
    done = run(tools)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("there", "said"), [({}, "those tests are skipped"), ({"CI": "1"}, "on CI those tests fail")]
)
def test_what_is_missing_is_named_with_how_to_get_it(tools, there, said):
    lines = run(tools, **there).stderr.splitlines()
    assert any("Java" in line and "apt-get install" in line for line in lines)
    assert any("Google Cloud CLI" in line and "https://" in line for line in lines)
    assert lines[-1] == f"whetstone: {said}"


def test_root_has_debian_install_what_it_offers(tools, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root installs packages")
    sdk = installation(tools, tmp_path)
    (tools / "java").unlink()
    asked = tmp_path / "asked"
    program(tools, "apt-get", f'echo "$@" >> {asked}; exit 0')
    assert "installing default-jre-headless" in run(tools).stderr
    assert "install" in asked.read_text()
    assert "default-jre-headless" in asked.read_text()
    assert sdk.exists()


def test_gcloud_is_asked_for_its_emulators(tools, tmp_path):
    sdk = installation(tools, tmp_path)
    asked = tmp_path / "asked"
    program(tools, "gcloud", f'echo "$@" >> {asked}; echo {sdk.parent}')
    (sdk / "pubsub-emulator/lib/cloud-pubsub-emulator-0.8-all.jar").unlink()
    assert "emulators" in run(tools).stderr
    assert "components install" in asked.read_text()
