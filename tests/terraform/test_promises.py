"""What must hold of everything that is made, whatever it is called."""

import json
import re

import pytest

from shared.config import Settings
from tests.support.terraform import CONFIGURATION, ROOT, State

pytestmark = pytest.mark.slow

EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
PRIMITIVE = {"roles/owner", "roles/editor", "roles/viewer"}
PUBLIC = {"submit", "approve", "feedback", "retrain", "serve", "monitor"}
"""Besides the console, unless Google signs people in before it."""


def grants(state: State):
    """Yields every grant of a right: where it is, the role, and who gets it."""
    for one in state.resources:
        if "_iam_" in one.type and "role" in one.values and "member" in one.values:
            yield one, one.values["role"], one.values["member"]


def test_everybody_may_call_the_public_functions_and_do_nothing_else(state: State) -> None:
    open_to_all = {
        (one.type, one.module_key, role)
        for one, role, member in grants(state)
        if member in EVERYBODY
    }
    signed_in = bool(state.of("google_iap_web_backend_service_iam_member"))
    assert open_to_all == {
        ("google_cloud_run_v2_service_iam_member", name, "roles/run.invoker")
        for name in PUBLIC | (set() if signed_in else {"console"})
    }


def test_nobody_has_a_basic_role(state: State) -> None:
    found = list(grants(state))
    assert len(found) > 60
    assert [one.address for one, role, _ in found if role in PRIMITIVE] == []
    text = "".join(path.read_text("utf-8") for path in CONFIGURATION.rglob("*.tf"))
    assert [role for role in PRIMITIVE if f'"{role}"' in text] == []


def test_rights_are_added_one_by_one_and_take_none_away(state: State) -> None:
    kinds = {one.type for one in state.resources if "_iam_" in one.type}
    assert {kind for kind in kinds if kind.endswith(("_policy", "_binding"))} == set()


def test_a_function_has_on_the_project_only_what_cannot_be_given_on_less(state: State) -> None:
    accounts = {
        one.values["member"]: str(one.key) for one in state.of("google_service_account", "function")
    }
    narrow = {"roles/datastore.user", "roles/cloudsql.client", "roles/cloudsql.instanceUser"}
    for one in state.of("google_project_iam_member"):
        if one.values["member"] not in accounts:
            continue
        role = one.values["role"]
        if role in narrow:
            assert one.values["condition"], one.address
        else:  # ours, of single permissions, or the right to ask BigQuery
            custom = {each.values["id"] for each in state.of("google_project_iam_custom_role")}
            assert role in custom | {"roles/bigquery.jobUser"}, one.address


def asking_for(distribution: str) -> set[str]:
    """Returns the functions whose bundles ask for a distribution."""
    return {
        path.parent.name
        for path in ROOT.glob("functions/*/requirements.txt")
        if re.search(rf"^{distribution}==", path.read_text("utf-8"), re.MULTILINE)
    }


def test_only_functions_that_bring_the_client_of_a_service_have_rights_on_it(
    firestore: State,
) -> None:
    readers = set(firestore.keyed("google_storage_bucket_iam_member", "reader"))
    assert readers == asking_for("google-cloud-storage")
    assert set(firestore.keyed("google_storage_bucket_iam_member", "writer")) < readers
    schedule = set(firestore.keyed("google_project_iam_member", "schedule_reader"))
    assert schedule == asking_for("google-cloud-scheduler")


def test_every_function_runs_as_itself_and_is_reached_from_inside_or_the_load_balancer(
    state: State,
) -> None:
    emails = {
        str(one.key): one.values["email"] for one in state.of("google_service_account", "function")
    }
    assert len(set(emails.values())) == len(emails)
    for one in state.of("google_cloudfunctions2_function"):
        service = one.values["service_config"][0]
        assert service["service_account_email"] == emails[str(one.module_key)]
        assert service["ingress_settings"] == "ALLOW_INTERNAL_AND_GCLB"
        assert service["min_instance_count"] <= service["max_instance_count"]
        assert one.values["build_config"][0]["service_account"] not in emails.values()


def test_every_subscription_has_pauses_never_expires_and_leads_on(state: State) -> None:
    dead = {
        one.values["id"]
        for one in state.of("google_pubsub_topic")
        if ".dead-letter." in one.values["name"]
    }
    subscriptions = state.of("google_pubsub_subscription")
    assert len(subscriptions) > 20
    for one in subscriptions:
        assert len(one.values["retry_policy"]) == 1, one.address
        assert one.values["expiration_policy"][0]["ttl"] == "", one.address
        if one.values["topic"] in dead:  # there is nothing behind the last place
            assert one.values["dead_letter_policy"] == []
        else:
            (policy,) = one.values["dead_letter_policy"]
            assert policy["dead_letter_topic"] in dead
    kept = {one.values["topic"] for one in subscriptions if one.values["name"].endswith(".kept")}
    assert kept == dead


def test_pubsub_may_move_every_dead_letter(state: State) -> None:
    publishes = {
        one.values["topic"]
        for one in state.of("google_pubsub_topic_iam_member")
        if "gcp-sa" in one.values["member"] or one.name in {"dead", "evidence_dead"}
    }
    takes = {
        one.values["subscription"] for one in state.of("google_pubsub_subscription_iam_member")
    }
    for one in state.of("google_pubsub_subscription"):
        for policy in one.values["dead_letter_policy"]:
            assert policy["dead_letter_topic"] in publishes
            assert one.values["id"] in takes


def test_every_bucket_is_closed(state: State) -> None:
    buckets = state.of("google_storage_bucket")
    assert {one.key for one in buckets} == {"objects", "bundles", "backups", "audit"}
    for one in buckets:
        assert one.values["public_access_prevention"] == "enforced"
        assert one.values["uniform_bucket_level_access"] is True
        versions, retention = one.values["versioning"], one.values["retention_policy"]
        assert bool(retention) == (one.key == "audit")
        assert bool(versions) == (one.key != "audit")  # a bucket has one or the other
        assert one.values["lifecycle_rule"]


def test_no_secret_has_a_value_here(state: State) -> None:
    for one in state.resources:
        assert one.type != "google_secret_manager_secret_version"
        assert not one.type.startswith(("random_", "tls_"))
        assert not one.values.get("password"), one.address
        assert not one.values.get("root_password"), one.address
    secret = {
        f"WHETSTONE_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert "WHETSTONE_JWT_SECRET" in secret
    for one in state.of("google_cloudfunctions2_function"):
        for name, value in one.values["service_config"][0]["environment_variables"].items():
            if name in secret or re.search("PASSWORD|SECRET$|_KEY$|WEBHOOK_URL", name):
                assert value.startswith("secret://"), name


def test_everything_that_can_have_labels_says_what_it_belongs_to(everything: State) -> None:
    wanted = {"app": "whetstone", "environment": "prod"}
    labelled = 0
    for one in everything.resources:
        for name in ("labels", "user_labels"):
            labels = one.values.get(name)
            if one.type == "google_monitoring_notification_channel" and name == "labels":
                continue  # its labels are the channel's address
            if isinstance(labels, dict) and labels:
                labelled += 1
                assert labels.items() >= wanted.items(), one.address
    assert labelled > 60


def test_what_holds_data_cannot_be_destroyed_in_prod(everything: State) -> None:
    (instance,) = everything.of("google_sql_database_instance")
    assert instance.values["deletion_protection"] is True
    assert all(one.values["deletion_protection"] for one in everything.of("google_bigquery_table"))
    kept = ("google_storage_bucket", "google_sql_database", "google_kms_crypto_key")
    for type in kept:
        assert {one.values["deletion_policy"] for one in everything.of(type)} == {"PREVENT"}


def test_what_is_at_rest_is_encrypted_with_the_key_that_was_asked_for(
    everything: State, firestore: State
) -> None:
    (key,) = everything.of("google_kms_crypto_key")
    for one in everything.of("google_pubsub_topic"):
        assert one.values["kms_key_name"] == key.values["id"]
    for one in everything.of("google_storage_bucket"):
        assert one.values["encryption"][0]["default_kms_key_name"] == key.values["id"]
    (instance,) = everything.of("google_sql_database_instance")
    assert instance.values["encryption_key_name"] == key.values["id"]
    assert firestore.of("google_kms_crypto_key") == []


def test_a_dashboard_asks_only_for_metrics_that_there_are(state: State) -> None:
    page = json.loads(state.one("google_monitoring_dashboard", "overview")["dashboard_json"])
    asked = set(re.findall(r'logging\.googleapis\.com/user/([\w/-]+)\\?"', json.dumps(page)))
    made = {one.values["name"] for one in state.of("google_logging_metric")}
    assert asked
    assert asked <= made
    tiles = page["mosaicLayout"]["tiles"]
    places = {(one["xPos"], one["yPos"]) for one in tiles}
    assert len(places) == len(tiles)
