"""Deploy, canary, promote, revert and roll back, from end to end against a cloud that records."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from deploying import deployment as deploying
from deploying.__main__ import main
from deploying.canary import Plan, from_json
from deploying.console import DeployError, Times
from deploying.deployment import Deployment, Target
from deploying.judging import Limits, judge
from tests.fakes.cloud_commands import STATE, install, new_cloud, shares
from tests.fakes.monitoring_server import Behaviour, MonitoringServer

pytestmark = [pytest.mark.e2e, pytest.mark.embedded("talks to Google Cloud alone")]

NAMES = ["serve", "submit"]
OLD = {f"whetstone-{name}": {f"whetstone-{name}-00001-aaa": 100} for name in NAMES}
GOOD = Behaviour(requests=1.0, ratings=(0.0002, 0.0004, 0.0012, 0.0072, 0.0092))


class Hours:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 5, 9, tzinfo=UTC)
        self.hooks = []

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        for hook in self.hooks:
            hook()

    def times(self) -> Times:
        return Times(lambda: self.at, self.wait)


class Cloud:
    """The stub cloud, and a deployment to it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.file = install(folder, new_cloud(NAMES))
        self.clock = Hours()
        self.output = io.StringIO()
        target = Target("prod", "p", "europe-west1", "whetstone", "state", "", False, url)
        console = Console(file=self.output, width=200)
        self.deployment = Deployment(target, console, self.clock.times())

    def read(self) -> dict:
        return json.loads(self.file.read_text())

    def change(self, **values: object) -> None:
        self.file.write_text(json.dumps({**self.read(), **values}))

    def traffic(self) -> dict[str, dict[str, int]]:
        return {name: shares(one) for name, one in self.read()["services"].items()}

    def release(self, *names: str) -> None:
        self.change(deploys=list(names or ["serve"]))
        self.deployment.terraform.plan()
        self.deployment.apply()

    def changes(self) -> list[str]:
        return [
            next(word for word in call if word.startswith("--to-"))
            for call in self.read()["calls"]
            if "update-traffic" in call
        ]

    def run(self, limits: Limits | None = None) -> str:
        return self.deployment.canary(Plan(), limits or Limits())


@pytest.fixture
def monitoring():
    behaves = {
        "whetstone-serve-00001-aaa": Behaviour(),
        "whetstone-serve-00002-aaa": GOOD,
        "whetstone-submit-00001-aaa": Behaviour(),
        "whetstone-submit-00002-aaa": GOOD,
    }
    with MonitoringServer(behaves) as server:
        yield server


@pytest.fixture
def cloud(tmp_path, monkeypatch, monitoring):
    folder = tmp_path / "bin"
    folder.mkdir()
    found = Cloud(folder, monitoring.url)
    monkeypatch.setenv(STATE, str(found.file))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(deploying, "DIST", tmp_path)
    monkeypatch.setattr(deploying, "RECORD", tmp_path / "canary.jsonl")
    monkeypatch.setattr("deploying.terraform.DIST", tmp_path)
    monkeypatch.setattr("deploying.terraform.FOLDER", tmp_path)
    monkeypatch.setattr("deploying.terraform.PLAN", tmp_path / "plan.tfplan")
    return found


def test_a_deployment_pins_first_and_moves_no_request(cloud):
    cloud.release("serve", "submit")
    assert cloud.traffic() == OLD
    programs = [call[:4] for call in cloud.read()["calls"]]
    pinned = programs.index(["gcloud", "run", "services", "update-traffic"])
    applied = next(i for i, call in enumerate(programs) if "apply" in call)
    assert pinned < applied


def test_requests_that_a_deployment_moved_all_the_same_go_back_at_once(cloud):
    cloud.change(ignores_pins=True)
    cloud.release()
    assert cloud.traffic() == OLD
    assert "the deployment moved requests; back they go" in cloud.output.getvalue()


def test_a_good_release_is_promoted_after_its_time_and_what_served_before_is_remembered(cloud):
    cloud.release("serve", "submit")
    started = cloud.clock.at
    assert cloud.run() == "promoted", cloud.output.getvalue()
    assert cloud.clock.at - started == timedelta(seconds=300 + 7200)
    assert cloud.traffic() == {
        f"whetstone-{name}": {f"whetstone-{name}-00002-aaa": 100} for name in NAMES
    }
    assert "--to-revisions=whetstone-serve-00001-aaa=90,whetstone-serve-00002-aaa=10" in (
        cloud.changes()
    )
    assert cloud.read()["services"]["whetstone-serve"]["tags"] == {
        "previous": "whetstone-serve-00001-aaa"
    }


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(GOOD, errors=0.05), "whetstone-serve: errors"),
        (replace(GOOD, slow=0.05), "slow requests"),
        (replace(GOOD, ratings=(0.001, 0.002, 0.004, 0.006, 0.005)), "mean rating"),
    ],
    ids=["errors", "latency", "quality"],
)
def test_a_worse_release_is_taken_back_before_its_time_and_the_reason_is_said(
    cloud, monitoring, other, why
):
    monitoring.behaves["whetstone-serve-00002-aaa"] = other
    cloud.release("serve", "submit")
    started = cloud.clock.at
    assert cloud.run() == "reverted"
    assert cloud.traffic() == OLD
    assert cloud.clock.at - started < timedelta(hours=2)
    said = " ".join(cloud.output.getvalue().split())
    assert "reverted: worse:" in said
    assert why in said


def test_a_release_that_nobody_rated_is_prolonged_then_held_with_all_requests_back(
    cloud, monitoring
):
    monitoring.behaves["whetstone-serve-00002-aaa"] = replace(GOOD, ratings=(0, 0, 0, 0, 0))
    cloud.release()
    started = cloud.clock.at
    assert cloud.run() == "held"
    assert cloud.clock.at - started == timedelta(seconds=300 + 14_400)
    assert cloud.traffic() == OLD


def test_quality_is_not_asked_of_a_release_without_a_new_serve(cloud):
    cloud.release("submit")
    assert cloud.run() == "promoted"
    assert cloud.traffic()["whetstone-serve"] == OLD["whetstone-serve"]


def test_a_canary_that_cannot_be_measured_is_held_and_taken_back(cloud, monitoring):
    cloud.release()
    cloud.clock.hooks.append(lambda: setattr(monitoring, "fails", True))
    assert cloud.run() == "held"
    assert cloud.traffic() == OLD
    assert "this look failed: Cloud Monitoring answered 503" in cloud.output.getvalue()


def test_a_canary_that_is_broken_off_leaves_nothing_split(cloud):
    cloud.release()

    def interrupt() -> None:
        raise KeyboardInterrupt

    cloud.clock.hooks.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        cloud.run()
    assert cloud.traffic() == OLD


def test_a_revision_that_does_not_start_gets_no_request(cloud):
    cloud.release()
    services = cloud.read()["services"]
    services["whetstone-serve"]["broken"] = True
    cloud.change(services=services)
    with pytest.raises(DeployError, match="whetstone-serve-00002-aaa did not become ready"):
        cloud.run()
    assert cloud.traffic() == OLD


def test_a_canary_under_way_keeps_the_next_deployment_from_starting(cloud):
    cloud.release()
    services = cloud.read()["services"]
    services["whetstone-serve"]["spec"] = [
        {"revisionName": "whetstone-serve-00001-aaa", "percent": 90},
        {"revisionName": "whetstone-serve-00002-aaa", "percent": 10},
    ]
    cloud.change(services=services)
    with pytest.raises(DeployError, match="a canary of whetstone-serve is under way"):
        cloud.deployment.apply()


def test_without_anything_new_there_is_no_canary(cloud):
    cloud.deployment.terraform.plan()
    cloud.deployment.apply()
    assert cloud.run() == "nothing new"
    assert len(cloud.changes()) == len(NAMES)
    cloud.deployment.apply()
    assert len(cloud.changes()) == len(NAMES)


def test_every_look_is_recorded_so_that_the_verdict_can_be_computed_again(cloud, tmp_path):
    cloud.release()
    cloud.run()
    looks = [json.loads(line) for line in (tmp_path / "canary.jsonl").read_text().splitlines()]
    assert len(looks) == 12
    for look in looks:
        again = judge(from_json(look["seen"]), Limits())
        assert (again.verdict, again.reason, again.harm) == (
            look["verdict"],
            look["reason"],
            pytest.approx(look["harm"]),
        )


def command(*words: str) -> object:
    where = ["--project=p", "--region=europe-west1"]
    return CliRunner().invoke(main, [*words, *where])


def test_code_is_rolled_back_to_what_served_before_and_again_changes_nothing(cloud):
    cloud.release()
    cloud.run()
    assert cloud.traffic() != OLD
    assert command("rollback", "code").exit_code == 0
    assert cloud.traffic() == OLD
    before = cloud.changes()
    assert command("rollback", "code").exit_code == 0
    assert cloud.changes() == before


def test_code_is_rolled_back_to_a_revision_that_is_named(cloud):
    cloud.release()
    cloud.deployment.promote("hotfix")
    revision = "whetstone-serve=whetstone-serve-00001-aaa"
    assert command("rollback", "code", "--to", revision).exit_code == 0
    assert cloud.traffic() == OLD
    found = command("rollback", "code", "--function", "nothing")
    assert found.exit_code == 1
    assert "there is no service whetstone-nothing" in found.output


def test_a_first_release_has_nothing_to_roll_back_to(cloud):
    found = command("rollback", "code", "--function", "serve")
    assert found.exit_code == 1
    assert "no earlier revision on record" in found.output


def test_a_dry_run_changes_nothing(cloud):
    cloud.release()
    cloud.run()
    before = cloud.traffic()
    assert command("rollback", "code", "--dry-run").exit_code == 0
    assert cloud.traffic() == before
    dry = replace(cloud.deployment, target=replace(cloud.deployment.target, dry_run=True))
    cloud.change(deploys=["submit"])
    dry.apply()
    dry.promote("no")
    dry.canary(Plan(), Limits())
    assert cloud.traffic() == before
    assert cloud.read()["deploys"] == ["submit"]


def test_what_is_missing_is_told_before_anything_is_changed(cloud, monkeypatch):
    cloud.change(apis=[], secrets={"whetstone-jwt-secret": []})
    monkeypatch.setattr("deploying.preflight._clean", lambda: "")
    found = command("deploy", "check", "--no-bundles")
    assert found.exit_code == 1
    said = " ".join(found.output.split())
    assert "gcloud services enable cloudresourcemanager.googleapis.com" in said
    assert "without a value: whetstone-jwt-secret" in said
    assert "not ready to deploy: the first APIs are on, secrets have values" in said
    assert cloud.changes() == []


def test_a_ready_project_passes_the_checks(cloud, monkeypatch):
    monkeypatch.setattr("deploying.preflight._clean", lambda: "")
    found = command("deploy", "check", "--no-bundles")
    assert found.exit_code == 0, found.output


def test_the_stub_refuses_flags_that_gcloud_does_not_have(cloud):
    with pytest.raises(DeployError, match="unrecognized arguments: --to-revision"):
        cloud.deployment.gcloud.change("run", "services", "update-traffic", "x", "--to-revision=1")
