"""What must be right before anything is changed. Each check says what to do where it is not."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploying.console import DeployError
from deploying.gcloud import Gcloud

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"

APIS = (
    "artifactregistry cloudbuild cloudfunctions cloudresourcemanager cloudscheduler compute iam"
    " logging monitoring pubsub run secretmanager storage"
).split()
"""What every deployment uses; Terraform turns on what is missing, and needs these two itself."""

NEEDED_FIRST = ("cloudresourcemanager", "serviceusage")


@dataclass(frozen=True, slots=True)
class Check:
    """A check: what it is about, and what finds a problem (empty where there is none)."""

    name: str
    problem: Callable[[], str]


def checks(gcloud: Gcloud, prefix: str, *, bundles: bool) -> list[Check]:
    """Returns the checks, in the order in which they make sense.

    Args:
        gcloud: of the project.
        prefix: what the names of all resources begin with.
        bundles: whether to make the bundles a second time and compare; takes a minute.
    """
    found = [
        Check("gcloud is logged in", lambda: _account(gcloud)),
        Check("the project is there", lambda: _project(gcloud)),
        Check("the first APIs are on", lambda: _apis(gcloud)),
        Check("terraform fits", _terraform),
        Check("the checkout is clean", _clean),
        Check("secrets have values", lambda: _secrets(gcloud, prefix)),
    ]
    return [*found, Check("bundles are reproducible", _reproducible)] if bundles else found


def _account(gcloud: Gcloud) -> str:
    active = gcloud.read("auth", "list", "--filter=status:ACTIVE")
    return "" if active else "nobody is logged in; run: gcloud auth login"


def _project(gcloud: Gcloud) -> str:
    try:
        state = gcloud.read("projects", "describe", gcloud.project)["lifecycleState"]
    except DeployError as error:
        return f"{error}; is {gcloud.project} the project's id, and may this account see it?"
    return "" if state == "ACTIVE" else f"the project {gcloud.project} is {state}"


def _apis(gcloud: Gcloud) -> str:
    on = {one["config"]["name"] for one in gcloud.read("services", "list", "--enabled")}
    missing = [f"{one}.googleapis.com" for one in NEEDED_FIRST if f"{one}.googleapis.com" not in on]
    return f"run: gcloud services enable {' '.join(missing)}" if missing else ""


def _terraform() -> str:
    program = shutil.which("terraform")
    if program is None:
        return "terraform is not installed: https://developer.hashicorp.com/terraform/install"
    said = _run([program, "version", "-json"])
    have = json.loads(said)["terraform_version"]
    wanted = re.search(r'required_version = "([^"]+)"', _terraform_settings())
    least, below = re.findall(r"\d+\.\d+", wanted[1] if wanted else ">= 1.11, < 2.0")
    if _number(least) <= _number(have) < _number(below):
        return ""
    return f"terraform is {have}, and {least} or newer below {below} is needed"


def _clean() -> str:
    changed = _run(["git", "status", "--porcelain", "--untracked-files=no"]).strip()
    return f"commit these first:\n{changed[:500]}" if changed else ""


def _secrets(gcloud: Gcloud, prefix: str) -> str:
    names = [
        one["name"].rpartition("/")[2]
        for one in gcloud.read("secrets", "list")
        if one["name"].rpartition("/")[2].startswith(f"{prefix}-")
    ]
    empty = [name for name in names if not _has_value(gcloud, name)]
    command = "gcloud secrets versions add NAME --data-file=-"
    return f"without a value: {', '.join(empty)}; run: {command}" if empty else ""


def _has_value(gcloud: Gcloud, secret: str) -> bool:
    found = gcloud.read("secrets", "versions", "list", secret, "--filter=state:ENABLED")
    return bool(found)


def _reproducible() -> str:
    manifest = DIST / "bundles.json"
    if not manifest.exists():
        return "there are no bundles; run: make bundle"
    known = json.loads(manifest.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--{port}={one}" for port, one in known["choices"].items() if one is not None]
        _run([str(ROOT / "scripts/bundle"), f"--output={folder}", *options])
        again = json.loads((Path(folder) / "bundles.json").read_text("utf-8"))
    before, after = (_hashes(one) for one in (known, again))
    other = sorted(name for name in before | after if before.get(name) != after.get(name))
    return f"another build gives other bytes: {', '.join(other)}; run: make bundle" if other else ""


def _hashes(manifest: Mapping[str, list[Mapping[str, str]]]) -> dict[str, str]:
    return {one["function"]: one["sha256"] for one in manifest["bundles"]}


def _terraform_settings() -> str:
    return (ROOT / "terraform/versions.tf").read_text("utf-8")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(f"{' '.join(command)} failed: {done.stderr.strip()[-800:]}")
    return done.stdout
