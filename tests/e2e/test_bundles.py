"""Each bundle serves alone: unzipped into an empty folder, with only its own requirements."""

import subprocess
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from bundling.archive import PYTHON
from bundling.bundle import Bundler
from bundling.distributions import Target
from shared.config import choices
from shared.web.health import NEEDED
from tests.support.bundles import BUILD, Unpacked

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.embedded("starts bundles, no server")]

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))
PORTS = {
    "analytics",
    "blobs",
    "bus",
    "catalogue",
    "clock",
    "embedder",
    "ids",
    "index",
    "notifiers",
    "options",
    "providers",
    "store",
}
GUARDED = {
    "submit": "/v1/entries/ent_1",
    "approve": "/v1/approvals",
    "feedback": "/v1/feedback/summary",
    "retrain": "/v1/learning/status",
    "serve": "/v1/routing/policy",
    "publish": "/metrics",
    "notify": "/metrics",
    "monitor": "/v1/alerts",
}


@pytest.fixture(scope="module")
def bundler() -> Bundler:
    return Bundler(ROOT, asdict(choices.resolved("gcp")), Target(PYTHON))


@pytest.fixture
def unpack(bundler, tmp_path):
    return lambda function: Unpacked(bundler.bundle(function), bundler.installed, tmp_path)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bundle_serves_alone(function, unpack, tmp_path):
    with unpack(function).served(tmp_path) as served, httpx.Client(base_url=served.url) as client:
        health = client.get("/health", timeout=10).json()
        assert health["function"] == function
        assert health["checks"].keys() == NEEDED[function]
        assert client.get(GUARDED.get(function, "/metrics")).status_code == 401
        assert client.get("/v1/of-another-function").status_code == 404


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_bundle_can_build_every_port_that_its_code_names(function, bundler, unpack):
    ports = sorted(bundler.reached(function).ports & PORTS)
    unpacked = unpack(function)
    done = run(unpacked, *ports)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "shared.adapters.store_firestore" in loaded
    assert "sqlite3" not in loaded or "index" in ports


def test_importing_a_function_loads_no_library_of_a_backend(unpack):
    loaded = set(run(unpack("submit")).stdout.split())
    assert "functions.submit" in loaded
    assert not {name for name in loaded if name.startswith(("google.cloud", "grpc", "sqlite3"))}


def test_a_port_that_a_function_does_not_name_is_not_in_its_bundle(unpack):
    done = run(unpack("notify"), "blobs")
    assert done.returncode != 0
    assert "No module named 'shared.adapters.blobs_gcs'" in done.stderr


def test_a_requirement_that_is_missing_shows(unpack):
    unpacked = unpack("notify")
    (unpacked.site / "prometheus_client").unlink()  # the link, not what it leads to
    done = run(unpacked)
    assert done.returncode != 0
    assert "prometheus_client" in done.stderr


def run(unpacked: Unpacked, *ports: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        unpacked.command(BUILD, *ports),
        cwd=unpacked.code,
        env=unpacked.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
