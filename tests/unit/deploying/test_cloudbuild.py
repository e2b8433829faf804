"""Both builds: of Cloud Build's form, in a safe order, and their steps run with a stub cloud."""

import json
import os
import re
import shutil
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
FILES = ("cloudbuild.yaml", "cloudbuild-release.yaml")
PLANS, RELEASES = BUILDS = [yaml.safe_load((ROOT / name).read_text("utf-8")) for name in FILES]
STEPS = {one["id"]: one for one in [*RELEASES["steps"], *PLANS["steps"]]}
BUILT_IN = {"PROJECT_ID", "COMMIT_SHA", "BUILD_ID"}
LONGEST_BUILD_S = 24 * 3600
DEFAULT_STEP = "600s"
COMMIT, BUILD = "c0ffee" * 6 + "c0de", "b1"

both = pytest.mark.parametrize("build", BUILDS, ids=FILES)


@both
def test_it_is_of_the_form_that_cloud_build_reads(build):
    schema = json.loads((Path(__file__).parent / "cloudbuild.schema.json").read_text())
    wrong = [one.message for one in jsonschema_rs.validator_for(schema).iter_errors(build)]
    assert wrong == []


@both
def test_every_step_waits_for_steps_before_it_and_the_last_for_all(build):
    known, waits = {"-"}, {}
    for one in build["steps"]:
        assert set(one["waitFor"]) <= known
        known.add(one["id"])
        before = set(one["waitFor"]) - {"-"}
        waits[one["id"]] = before.union(*(waits[step] for step in before))
    assert waits[build["steps"][-1]["id"]] | {build["steps"][-1]["id"], "-"} == known


def test_nothing_is_planned_before_the_tests_and_applied_but_in_the_build_that_is_approved():
    planned, released = ([one["id"] for one in build["steps"]] for build in BUILDS)
    assert planned[-5:] == ["check", "test", "bundle", "plan", "hand-over"]
    assert released[-4:] == ["take-over", "apply", "canary", "verify"]
    trigger = (ROOT / "terraform/build.tf").read_text("utf-8")
    first, _, second = trigger.partition('resource "google_cloudbuild_trigger" "release"')
    assert '"cloudbuild.yaml"' in first
    assert "approval_config" not in first
    assert '"cloudbuild-release.yaml"' in second
    assert "approval_config" in second


@both
def test_every_script_and_target_that_is_named_exists(build):
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8")))
    for one in build["steps"]:
        for script in re.findall(r"scripts/[a-z-]+", one["script"]):
            assert os.access(ROOT / script, os.X_OK), script
        assert set(re.findall(r"(?m)^make ([a-z-]+)", one["script"])) <= targets


@both
def test_every_substitution_is_declared_and_used(build):
    text = "\n".join([*(one["script"] for one in build["steps"]), *build["options"]["env"]])
    assert set(re.findall(r"\$\{?(_[A-Z_]+)", text)) == set(build["substitutions"])
    assert set(re.findall(r"\$\{?([A-Z][A-Z_]+)", text)) <= BUILT_IN


def test_what_the_triggers_and_the_first_build_give_is_declared():
    trigger = (ROOT / "terraform/build.tf").read_text("utf-8")
    given = set(re.findall(r"(?m)^\s+(_[A-Z_]+)\s+=", trigger))
    assert given - {"_BUNDLES"} <= PLANS["substitutions"].keys() & RELEASES["substitutions"].keys()
    assert "_BUNDLES" in given & PLANS["substitutions"].keys()


@both
def test_the_steps_fit_the_build(build):
    whole = sum(seconds(one.get("timeout", DEFAULT_STEP)) for one in build["steps"])
    assert whole <= seconds(build["timeout"]) <= LONGEST_BUILD_S


def test_the_longest_canary_fits_its_step():
    longest = 2 * seconds(RELEASES["substitutions"]["_CANARY_TIME"]) + 2 * seconds("10m")
    assert longest <= seconds(STEPS["canary"]["timeout"])


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


class Checkout:
    """A checkout of its own in which steps run, so that they write into no other's folders."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.root = folder, folder / "workspace"
        cloud = new_cloud(["serve"])
        public = {"serve": {"public": True}, "publish": {"public": False}}
        cloud["outputs"] = {"url": url, "functions": public}
        self.file = install(folder, cloud)
        make = folder / "make"
        make.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/made"\n')
        make.chmod(0o755)
        self.fresh()

    def fresh(self) -> None:
        """Checks out anew, as each build does."""
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("deploying", "scripts"):
            shutil.copytree(ROOT / name, self.root / name)
        (self.root / "terraform").mkdir()
        for name in (".venv", "shared"):
            (self.root / name).symlink_to(ROOT / name)

    def bundles(self, content: str) -> None:
        dist = self.root / "dist"
        dist.mkdir(exist_ok=True)
        (dist / "serve.zip").write_text(content)
        (dist / "bundles.json").write_text("{}")

    def cloud(self) -> dict:
        return json.loads(self.file.read_text())

    def asked(self) -> dict:
        (build,) = self.cloud()["builds"]
        return build

    def step(self, name: str, more: str = "", **given: str) -> subprocess.CompletedProcess[str]:
        substitutions = {**RELEASES["substitutions"], **PLANS["substitutions"], **given}
        environment = {
            **substitutions,
            "_STATE_BUCKET": "state",
            STATE: str(self.file),
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "CLOUDSDK_CORE_PROJECT": "p",
            "CLOUDSDK_RUN_REGION": substitutions["_REGION"],
            "DEPLOY_NAME": substitutions["_NAME"],
            "COMMIT_SHA": COMMIT,
            "BUILD_ID": BUILD,
            **given,
        }
        return subprocess.run(
            ["bash", "-c", STEPS[name]["script"].rstrip() + more],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def steps(self, *names: str, **given: str) -> None:
        for name in names:
            done = self.step(name, **given)
            assert done.returncode == 0, done.stderr


@pytest.fixture
def checkout(tmp_path, front):
    return Checkout(tmp_path, front.url)


def test_the_steps_of_both_builds_run_as_they_are_written(checkout):
    checkout.steps("environment", "check", "test", "bundle")
    checkout.bundles("code")
    checkout.steps("plan", "hand-over")
    asked = checkout.asked()
    assert (asked["status"], asked["trigger"]) == ("PENDING", "whetstone-release")
    assert asked["sha"] == COMMIT
    objects = checkout.folder / "objects/state/plans/b1"
    assert (objects / "plan.txt").read_text() == "what plan would do\n"
    checkout.fresh()
    checkout.steps(
        "environment", "take-over", "apply", "canary", "verify", **asked["substitutions"]
    )
    assert (checkout.root / "dist/serve.zip").read_text() == "code"
    assert (checkout.root / "terraform/.terraform.lock.hcl").read_text() == "checksums"
    made = (checkout.folder / "made").read_text().split("\n")
    assert made == ["env", "check", "test-fast", "bundle ARGS=", "env", ""]
    after = checkout.cloud()
    done = [" ".join(word for word in call if not word.startswith("-")) for call in after["calls"]]
    order = [
        "terraform init",
        "terraform plan",
        "gcloud builds triggers run",
        "gcloud run services update-traffic",
        "terraform apply",
    ]
    places = [next(i for i, one in enumerate(done) if one.startswith(word)) for word in order]
    assert places == sorted(places)
    assert any("-lockfile=readonly" in call for call in after["calls"])
    assert shares(after["services"]["whetstone-serve"]) == {"whetstone-serve-00001-aaa": 100}


@pytest.mark.parametrize("what", ["plan", "commit"])
def test_a_plan_that_is_not_the_approved_one_is_not_applied(checkout, what):
    checkout.bundles("code")
    checkout.steps("plan", "hand-over")
    asked = dict(checkout.asked()["substitutions"])
    checkout.fresh()
    if what == "plan":
        archive = checkout.folder / "objects/state/plans/b1/plan.tar"
        archive.write_bytes(archive.read_bytes().replace(b"code", b"evil"))
        said = "is not what was planned: its hash is another one"
    else:
        asked["COMMIT_SHA"] = "dead" * 10
        said = f"was not planned of {'dead' * 10}"
    done = checkout.step("take-over", **asked)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (checkout.root / "dist/plan.tfplan").exists()
    assert checkout.step("apply").returncode == 1


def test_a_dry_run_hands_nothing_over_and_applies_nothing(checkout):
    checkout.bundles("code")
    checkout.steps("plan")
    for step in ("hand-over", "apply", "canary", "verify"):
        done = checkout.step(step, " --dry-run")
        assert done.returncode == 0, done.stderr
    after = checkout.cloud()
    assert after["builds"] == []
    assert not (checkout.folder / "objects").exists()
    assert not any("apply" in call for call in after["calls"])
    assert not any("update-traffic" in call for call in after["calls"])


def test_without_a_plan_nothing_is_handed_over(checkout):
    done = checkout.step("hand-over")
    assert done.returncode == 1
    assert "there is no plan; run: scripts/deploy plan" in done.stderr
    assert checkout.cloud()["builds"] == []
