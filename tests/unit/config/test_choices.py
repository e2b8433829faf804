"""One switch chooses every adapter, overrides win, and what cannot work is refused by name."""

import pytest

from shared import config
from shared.adapters import pubsub_topology
from shared.config import choices
from shared.config.choices import DEFAULTS, refusals
from shared.errors import InvalidInput

CLOUD = {
    "backend": "gcp",
    "jwt_secret": "x" * 32,
    "gcp": {
        "project": "p",
        "region": "r",
        "bucket": "b",
        "push_audience": "whetstone",
        "push_service_accounts": ["push@p.test"],
    },
}


def cloud(gcp=None, **changes):
    return config.Settings(**{**CLOUD, **changes, "gcp": {**CLOUD["gcp"], **(gcp or {})}})


def refused(settings, *, alone=False):
    found = refusals(settings, alone=alone)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("backend", DEFAULTS)
def test_one_switch_chooses_every_adapter(backend):
    assert config.Settings(backend=backend).chosen == DEFAULTS[backend]


def test_an_override_wins_and_leaves_the_others():
    chosen = config.Settings(backend="gcp", store="postgres", embedder="none").chosen
    assert (chosen.store, chosen.embedder) == ("postgres", "none")
    assert (chosen.blobs, chosen.bus, chosen.secrets) == ("gcs", "pubsub", "secret_manager")


@pytest.mark.parametrize("alone", [True, False])
def test_a_whole_cloud_is_not_refused(alone):
    assert refusals(cloud(), alone=alone) == []


def test_the_embedded_backend_needs_nothing():
    assert refusals(config.Settings(), alone=False) == []


@pytest.mark.parametrize(
    ("gcp", "changes", "setting", "advice"),
    [
        ({"project": None}, {}, "gcp.project", "WHETSTONE_GCP__PROJECT"),
        ({"bucket": None}, {}, "gcp.bucket", "WHETSTONE_GCP__BUCKET"),
        ({"region": None}, {"embedder": "none"}, "gcp.region", "cloud_scheduler"),
        ({"region": None}, {"schedule": "inprocess"}, "gcp.region", "vertex"),
        ({"push_audience": None}, {}, "gcp.push_audience", "WHETSTONE_GCP__PUSH_AUDIENCE"),
        ({"push_service_accounts": []}, {}, "gcp.push_service_accounts", "SERVICE_ACCOUNTS"),
        ({}, {"jwt_secret": None}, "jwt_secret", "WHETSTONE_JWT_SECRET"),
        ({}, {"store": "sqlite"}, "store", "firestore or postgres"),
        ({}, {"blobs": "folder"}, "blobs", "set blobs to gcs"),
        ({}, {"store": "postgres"}, "postgres.dsn", "WHETSTONE_POSTGRES__INSTANCE"),
        (
            {},
            {"store": "postgres", "postgres": {"dsn": "postgresql://h/d", "instance": "p:r:i"}},
            "postgres.dsn",
            "keep one",
        ),
        (
            {},
            {"store": "postgres", "postgres": {"instance": "p:r:i"}},
            "postgres.user",
            "WHETSTONE_POSTGRES__USER",
        ),
        ({}, {"bus": "inprocess", "analytics": "bigquery"}, "analytics", "set bus to pubsub"),
        ({}, {"events": {"attempts": 4}}, "events.attempts", "5 to 100"),
    ],
)
def test_what_cannot_work_is_refused_with_the_setting_and_what_to_do(gcp, changes, setting, advice):
    settings = cloud(gcp, **changes)
    if changes.get("postgres", {}).get("dsn"):
        settings = cloud(gcp, **{**changes, "postgres": {**changes["postgres"], "user": "u"}})
    said = refused(settings)
    assert said.startswith(f"{setting}: ")
    assert advice in said


@pytest.mark.parametrize("attempts", [5, 100])
def test_as_many_tries_as_pubsub_makes_are_not_refused(attempts):
    assert refusals(cloud(events={"attempts": attempts}), alone=True) == []


def test_fewer_tries_are_right_where_events_stay_in_the_process():
    assert refusals(config.Settings(events={"attempts": 1}), alone=False) == []


def test_pubsub_takes_as_many_tries_as_the_settings_may_ask_for():
    assert choices.FEWEST_ATTEMPTS == pubsub_topology.FEWEST_ATTEMPTS
    assert choices.MOST_ATTEMPTS == pubsub_topology.MOST_ATTEMPTS


def test_one_project_is_asked_for_by_everything_that_needs_it_at_once():
    said = refused(cloud({"project": None}))
    assert "store=firestore, blobs=gcs, bus=pubsub" in said


def test_functions_in_processes_of_their_own_share_no_files_and_no_bus():
    found = refusals(config.Settings(), alone=True)
    assert [one.partition(":")[0] for one in found] == ["store", "blobs", "bus"]


def test_an_instance_on_google_cloud_does_not_start_on_files(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K_SERVICE", "submit")
    with pytest.raises(InvalidInput, match="set bus to pubsub"):
        config.load()


def test_all_that_is_wrong_is_said_at_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHETSTONE_BACKEND", "gcp")
    with pytest.raises(InvalidInput) as stopped:
        config.load()
    said = str(stopped.value)
    for setting in ("gcp.project", "gcp.bucket", "gcp.region", "gcp.push_audience", "jwt_secret"):
        assert f"\n  {setting}: " in said


def test_an_unknown_adapter_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHETSTONE_STORE", "oracle")
    with pytest.raises(InvalidInput, match="WHETSTONE_STORE"):
        config.load()
