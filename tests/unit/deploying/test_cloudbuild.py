"""cloudbuild.yaml: of Cloud Build's form, in a safe order, and its steps run with a stub cloud."""

import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from deploying.console import seconds
from shared.config import VERSION
from tests.fakes.cloud_commands import STATE, install, new_cloud, shares

ROOT = Path(__file__).resolve().parents[3]
BUILD = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text("utf-8"))
STEPS = {one["id"]: one for one in BUILD["steps"]}
BUILT_IN = {"PROJECT_ID"}
LONGEST_BUILD_S = 24 * 3600
DEFAULT_STEP = "600s"


def test_it_is_of_the_form_that_cloud_build_reads():
    schema = json.loads((Path(__file__).parent / "cloudbuild.schema.json").read_text())
    wrong = [one.message for one in jsonschema_rs.validator_for(schema).iter_errors(BUILD)]
    assert wrong == []


def test_every_step_waits_for_steps_before_it():
    known = {"-"}
    for one in BUILD["steps"]:
        assert set(one["waitFor"]) <= known
        known.add(one["id"])


def test_nothing_is_applied_before_the_tests_and_no_canary_before_the_apply():
    def before(step: str) -> set[str]:
        waits = set(STEPS[step]["waitFor"]) - {"-"}
        return waits.union(*map(before, waits))

    assert before("verify") == set(STEPS) - {"verify"}
    assert {"check", "test", "bundle", "plan"} <= before("apply")
    assert "apply" in before("canary")


def test_every_script_and_target_that_is_named_exists():
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8")))
    for one in BUILD["steps"]:
        for script in re.findall(r"scripts/[a-z-]+", one["script"]):
            assert os.access(ROOT / script, os.X_OK), script
        assert set(re.findall(r"(?m)^make ([a-z-]+)", one["script"])) <= targets


def test_every_substitution_is_declared_and_used_and_those_of_the_trigger_are_known():
    text = "\n".join([*(one["script"] for one in BUILD["steps"]), *BUILD["options"]["env"]])
    used = set(re.findall(r"\$\{?(_[A-Z_]+)", text))
    assert used == set(BUILD["substitutions"])
    assert set(re.findall(r"\$\{?([A-Z][A-Z_]+)", text)) <= BUILT_IN
    trigger = (ROOT / "terraform/build.tf").read_text("utf-8")
    assert set(re.findall(r"(?m)^\s+(_[A-Z_]+)\s+=", trigger)) <= used


def test_the_longest_canary_fits_its_step_and_the_steps_fit_the_build():
    substitutions = BUILD["substitutions"]
    longest = 2 * seconds(substitutions["_CANARY_TIME"]) + 2 * seconds("10m")
    assert longest <= seconds(STEPS["canary"]["timeout"])
    whole = sum(seconds(one.get("timeout", DEFAULT_STEP)) for one in BUILD["steps"])
    assert whole <= seconds(BUILD["timeout"]) <= LONGEST_BUILD_S


class Front:
    """The front door of a system that is well."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = re.fullmatch(r"/functions/([a-z]+)/ready", self.path)
                status = 200 if found else 401
                answer = {"status": "ok", "function": found and found[1], "version": VERSION}
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def front():
    found = Front()
    yield found
    found.close()


def run(step: str, folder: Path, cloud: Path) -> None:
    substitutions = {**BUILD["substitutions"], "_STATE_BUCKET": "state"}
    environment = {
        **substitutions,
        STATE: str(cloud),
        "PATH": f"{folder}:/usr/bin:/bin",
        "HOME": str(folder),
        "CLOUDSDK_CORE_PROJECT": "p",
        "CLOUDSDK_RUN_REGION": substitutions["_REGION"],
    }
    done = subprocess.run(
        ["bash", "-c", STEPS[step]["script"]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_steps_run_as_they_are_written(tmp_path, front):
    cloud = new_cloud(["serve"])
    public = {"serve": {"public": True}, "publish": {"public": False}}
    cloud["outputs"] = {"url": front.url, "functions": public}
    file = install(tmp_path, cloud)
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/made"\n')
    make.chmod(0o755)
    for step in ("environment", "check", "test", "bundle", "plan", "apply", "canary", "verify"):
        run(step, tmp_path, file)
    made = (tmp_path / "made").read_text().split("\n")
    assert made == ["env", "check", "test-fast", "bundle ARGS=", ""]
    after = json.loads(file.read_text())
    done = [" ".join(word for word in call if not word.startswith("-")) for call in after["calls"]]
    order = ["terraform init", "terraform plan", "gcloud run services update-traffic"]
    places = [next(i for i, one in enumerate(done) if one.startswith(word)) for word in order]
    applied = next(i for i, one in enumerate(done) if one.startswith("terraform apply"))
    assert [*places, applied] == sorted([*places, applied])
    assert shares(after["services"]["whetstone-serve"]) == {"whetstone-serve-00001-aaa": 100}
