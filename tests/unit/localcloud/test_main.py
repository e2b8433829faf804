"""`python -m localcloud`: one clear message where it cannot start, nothing left where it ends."""

import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from localcloud import pids
from localcloud.__main__ import main
from localcloud.cloud import Cloud
from localcloud.process import StartError, free_port


def said(*arguments, **environment):
    done = CliRunner(env=environment).invoke(main, list(arguments))
    return done.exit_code, done.output


def test_help_tells_every_command():
    code, text = said("--help")
    assert code == 0
    assert all(name in text for name in ("run", "stop", "logs"))


def test_a_port_in_use_is_told_with_what_to_do(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = said("run", "--data-dir", str(tmp_path), "--port", str(port))
    assert code == 1
    assert f"port {port} is in use; choose another PORT" in text


def test_a_second_cloud_on_one_folder_is_refused(tmp_path):
    pids.write(tmp_path / "localcloud.pid", os.getpid())
    code, text = said("run", "--data-dir", str(tmp_path))
    assert code == 1
    assert "make stop-cloud" in text


@pytest.mark.parametrize("store", ["firestore", "postgres"])
def test_a_missing_emulator_is_told_and_nothing_is_left(tmp_path, store):
    program = "from localcloud.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "--data-dir", str(tmp_path / "cloud")],
        env={"PATH": str(tmp_path), "STORE": store, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "gcloud" in done.stderr
    assert list((tmp_path / "cloud").glob("*.pid")) == []


def test_stopping_ends_what_a_killed_cloud_has_left(tmp_path):
    left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, start_new_session=True)
    try:
        pids.write(tmp_path / "submit.pid", left.pid)
        code, text = said("stop", "--data-dir", str(tmp_path))
        assert (code, text) == (0, "Stopped what was left running: submit.\n")
        assert left.wait(10) != 0
    finally:
        left.kill()
        left.stdin.close()
    assert said("stop", "--data-dir", str(tmp_path)) == (0, "")


def test_logs_are_shown_by_process_and_an_unknown_one_is_refused(tmp_path):
    (tmp_path / "submit.log").write_text("hello\n")
    code, text = said("logs", "--no-follow", "--data-dir", str(tmp_path))
    assert (code, text) == (0, "submit    hello\n")
    code, text = said("logs", "--no-follow", "--data-dir", str(tmp_path), "sbumit")
    assert code == 1
    assert "there is submit" in text


def test_a_command_that_fails_in_the_cloud_says_why(tmp_path):
    cloud = Cloud(tmp_path, environment={"WHETSTONE_JWT_SECRET": "x" * 32})
    with pytest.raises(StartError, match="boom"):
        cloud.run("-c", "raise SystemExit('boom')")


def test_the_functions_are_told_where_everything_is(tmp_path):
    found = Cloud(tmp_path, store="postgres").environment()
    assert found["WHETSTONE_BACKEND"] == "gcp"
    assert found["WHETSTONE_STORE"] == "postgres"
    assert found["WHETSTONE_GCP__PUSH_JWKS_URL"].startswith(found["WHETSTONE_GCP__PUSH_ISSUER"])
    assert len(found["WHETSTONE_JWT_SECRET"]) >= 32
