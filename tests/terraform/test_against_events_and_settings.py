"""Topics, subscriptions, jobs, settings and secrets are those that the code expects."""

import json
import os
from pathlib import Path

import pytest

from bundling.bundle import Bundle, write_manifest
from shared.adapters.pubsub_topology import (
    RECORDER,
    Subscription,
    Topic,
    Topology,
    topic_name,
    topology,
)
from shared.cli.serve import FUNCTIONS
from shared.config import PREFIX, Settings, load
from shared.config.choices import DEFAULTS
from shared.domain.secrets import is_reference, parse_reference
from shared.messages.events import FLOW, JOBS
from tests.support.terraform import CONFIGURATION, State

pytestmark = pytest.mark.slow

STAND_INS = (RECORDER, "console")
"""Who publishes any event: the sweeper, and the pages, which act in their own process."""


def environments(state: State) -> dict[str, dict[str, str]]:
    """Returns each function's environment variables."""
    return {
        str(one.module_key): one.values["service_config"][0]["environment_variables"]
        for one in state.of("google_cloudfunctions2_function")
    }


# --- events and jobs ------------------------------------------------------------------------------


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def made_topology(state: State) -> Topology:
    """Returns the topics and subscriptions of a state; without those that carry evidence."""
    uris = {str(key): one["uri"] for key, one in state.outputs["functions"].items()}
    topics = {one.values["id"]: one.values for one in state.of("google_pubsub_topic")}
    names = {id: one["name"] for id, one in topics.items() if "evidence" not in one["name"]}
    subscriptions = []
    for one in (each.values for each in state.of("google_pubsub_subscription")):
        if "evidence" in one["name"]:
            continue
        function = path = None
        if one["push_config"]:
            endpoint = one["push_config"][0]["push_endpoint"]
            ((function, path),) = (
                (name, endpoint.removeprefix(uri))
                for name, uri in uris.items()
                if endpoint.startswith(uri + "/")
            )
        dead = one["dead_letter_policy"]
        subscriptions.append(
            Subscription(
                name=one["name"],
                topic=names[one["topic"]],
                function=function,
                path=path,
                ack_deadline_s=one["ack_deadline_seconds"],
                retention_s=int(seconds(one["message_retention_duration"])),
                first_backoff_s=seconds(one["retry_policy"][0]["minimum_backoff"]),
                longest_backoff_s=seconds(one["retry_policy"][0]["maximum_backoff"]),
                dead_letter_topic=names[dead[0]["dead_letter_topic"]] if dead else None,
                attempts=dead[0]["max_delivery_attempts"] if dead else None,
            )
        )
    return Topology(
        tuple(
            Topic(one["name"], int(seconds(one["message_retention_duration"])))
            if one["name"].startswith("whetstone.dead-letter.")
            else Topic(one["name"])
            for id, one in topics.items()
            if id in names
        ),
        tuple(subscriptions),
    )


def test_topics_and_subscriptions_are_those_that_the_code_expects(state: State) -> None:
    made, wanted = made_topology(state), topology(prefix="whetstone", attempts=10)
    assert {one.name: one for one in made.topics} == {one.name: one for one in wanted.topics}
    assert {one.name: one for one in made.subscriptions} == {
        one.name: one for one in wanted.subscriptions
    }
    assert len(made.topics) == len(wanted.topics)
    assert len(made.subscriptions) == len(wanted.subscriptions)


def test_who_produces_an_event_may_publish_it_and_nobody_else_but_who_stands_in(
    state: State,
) -> None:
    whose = state.accounts()
    ids = {one.values["id"]: one.values["name"] for one in state.of("google_pubsub_topic")}
    may: dict[str, set[str]] = {}
    for one in state.of("google_pubsub_topic_iam_member", "publisher"):
        assert one.values["role"] == "roles/pubsub.publisher"
        name = ids[one.values["topic"]]
        may.setdefault(name, set()).add(whose[one.values["member"]])
    assert may == {
        topic_name("whetstone", type): {*route.producers, *STAND_INS}
        for type, route in FLOW.items()
    }


def test_jobs_are_called_when_and_where_the_code_says(state: State) -> None:
    uris = {key: one["uri"] for key, one in state.outputs["functions"].items()}
    made = {
        key: (one["name"], one["schedule"], one["time_zone"], one["http_target"][0]["uri"])
        for key, one in state.keyed("google_cloud_scheduler_job", "job").items()
    }
    assert made == {
        name: (f"whetstone-{name}", job.cron, "Etc/UTC", uris[job.function] + job.path)
        for name, job in JOBS.items()
    }
    assert len(state.of("google_cloud_scheduler_job")) == len(JOBS)


def test_only_pubsub_and_the_scheduler_are_believed(state: State) -> None:
    emails = {
        one.values["email"]
        for one in state.of("google_service_account", "caller")
        if one.key in {"push", "scheduler"}
    }
    used = {
        token["service_account_email"]
        for one in state.of("google_pubsub_subscription")
        for push in one.values["push_config"]
        for token in push["oidc_token"]
    } | {
        one.values["http_target"][0]["oidc_token"][0]["service_account_email"]
        for one in state.of("google_cloud_scheduler_job")
    }
    assert used == emails
    for variables in environments(state).values():
        assert set(json.loads(variables["WHETSTONE_GCP__PUSH_SERVICE_ACCOUNTS"])) == emails


# --- settings -------------------------------------------------------------------------------------


def loaded(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path, name: str
) -> Settings:
    """Returns the settings as a function reads them from these variables alone."""
    for key in list(os.environ):
        if key.startswith(PREFIX):
            monkeypatch.delenv(key)
    for key, value in {**variables, "K_SERVICE": f"whetstone-{name}"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.chdir(folder)
    return load()


def test_every_function_starts_with_what_it_is_told(
    state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = environments(state)
    assert set(told) == set(FUNCTIONS)
    for name, variables in told.items():
        settings = loaded(variables, monkeypatch, tmp_path, name)
        assert settings.backend == "gcp"
        assert settings.chosen.bus == "pubsub"
        assert settings.gcp.push_audience == state.outputs["functions"][name]["audience"]
        keys = {one.api_key_env for one in settings.providers if one.api_key_env}
        others = {key for key in variables if not key.startswith(PREFIX)}
        assert others == (keys if name == "serve" else set()), name


def test_search_indexes_have_room_in_half_of_the_least_memory_that_holds_them(
    state: State,
) -> None:
    rooms = {one["WHETSTONE_GCP__INDEX_ROOM_MIB"] for one in environments(state).values()}
    sizes = {
        str(one.module_key): one.values["service_config"][0]["available_memory"]
        for one in state.of("google_cloudfunctions2_function")
    }
    assert {sizes["serve"], sizes["publish"]} == {"1Gi"}
    assert rooms == {"512"}


def test_an_unknown_or_wrong_variable_would_be_noticed(
    firestore: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables = environments(firestore)["submit"]
    for wrong in ({"WHETSTONE_GCP__BUKET": "x"}, {"WHETSTONE_STORE": "sqlite"}):
        with pytest.raises(Exception, match=r"gcp\.buket|store"):
            loaded({**variables, **wrong}, monkeypatch, tmp_path, "submit")


def test_secrets_are_named_exist_and_are_readable_by_who_is_told(state: State) -> None:
    whose = state.accounts()
    names = {
        one.values["id"]: one.values["secret_id"]
        for one in state.of("google_secret_manager_secret")
    }
    may: dict[str, set[str]] = {}
    for one in state.of("google_secret_manager_secret_iam_member"):
        assert one.values["role"] == "roles/secretmanager.secretAccessor"
        secret = names[one.values["secret_id"]]
        may.setdefault(whose[one.values["member"]], set()).add(secret)
    told = {
        name: {parse_reference(one).name for one in variables.values() if is_reference(one)}
        for name, variables in environments(state).items()
    }
    assert may == told
    assert set().union(*told.values()) == set(names.values())
    assert state.of("google_secret_manager_secret_version") == []


def test_the_choices_of_the_bundles_are_the_settings_of_the_functions(
    tmp_path: Path,
) -> None:
    ports = set(DEFAULTS["gcp"].__dataclass_fields__)
    written = json.loads(
        write_manifest(
            [Bundle("submit", b"bytes", 1, ("one",))],
            tmp_path,
            dict.fromkeys(ports, "x"),
            type("Target", (), {"python": "3.11"})(),
        ).read_text("utf-8")
    )
    for path in CONFIGURATION.glob("tests/fixtures/*/bundles.json"):
        fixture = json.loads(path.read_text("utf-8"))
        assert fixture.keys() == written.keys(), path
        assert fixture["choices"].keys() == ports, path
        assert {tuple(one) for one in fixture["bundles"]} == {tuple(written["bundles"][0])}, path
        for one in fixture["bundles"]:
            assert one["object"] == f"{one['function']}-{one['sha256'][:16]}.zip"
