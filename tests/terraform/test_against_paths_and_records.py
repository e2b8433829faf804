"""Paths, indexes, tables, alerts and metrics are those that the code has."""

import asyncio
import json
import re

import pytest

from shared.adapters.feed_pubsub import feed_topic
from shared.adapters.firestore_indexes import index_file
from shared.adapters.notifier_log import LogNotifier
from shared.cli.serve import apps
from shared.domain.alerts import RULES
from shared.messages.events import JOBS, Event
from shared.services.exporting import EXPORTED
from shared.services.notifying import compose
from shared.web.aliases import ALIASES
from shared.web.gateway import FRONT
from tests.docs.pages import anchors
from tests.support.terraform import ROOT, State

pytestmark = pytest.mark.slow

RUNBOOK = ROOT / "docs/operations-runbook.md"
SEVERITIES = {"critical": "CRITICAL", "warning": "WARNING", "info": "WARNING"}


# --- the load balancer ----------------------------------------------------------------------------


def served_by(state: State, path: str) -> tuple[str, str]:
    """Returns which function the URL map sends a path to, and the path that it gets."""
    backends = {
        one.values["id"]: str(one.key)
        for one in state.of("google_compute_backend_service", "function")
    }
    (matcher,) = state.one("google_compute_url_map", "https")["path_matcher"]
    for rule in sorted(matcher["route_rules"], key=lambda rule: rule["priority"]):
        (match,) = rule["match_rules"]
        prefix, template = match["prefix_match"], match["path_template_match"]
        if match["full_path_match"]:
            fits = path == match["full_path_match"]
        elif template:
            pattern = re.escape(template).replace(r"\*", "[^/]+")
            fits = re.fullmatch(pattern, path) is not None
        else:
            fits = path.startswith(prefix)
        if fits:
            for action in rule["route_action"]:
                (rewrite,) = action["url_rewrite"]
                path = rewrite["path_prefix_rewrite"] + path.removeprefix(prefix)
            return backends[rule["service"]], path
    return backends[matcher["default_service"]], path


def armored(state: State, path: str) -> bool:
    """Tells whether Cloud Armor keeps a path from the functions."""
    (rule,) = (
        one
        for one in state.one("google_compute_security_policy", "this")["rule"]
        if one["priority"] == 100
    )
    assert rule["action"].startswith("deny")
    expression = rule["match"][0]["expr"][0]["expression"]
    pattern = re.fullmatch(
        r"request\.path\.lower\(\)\.urlDecode\(\)\.matches\('(.+)'\)", expression
    )
    assert pattern is not None
    return re.search(pattern[1], path.lower()) is not None


def paths() -> list[tuple[str, str]]:
    """Returns every path of the code with its function, parameters filled in."""
    found = {}
    for app in sorted(apps(), key=lambda app: app.function == FRONT):
        found |= {path: app.function for _, path in (*app.endpoints, *app.pages)}
    found |= {row.path: row.function for row in ALIASES}
    return [(re.sub(r"\{\w+\}", "some-id", path), function) for path, function in found.items()]


@pytest.mark.parametrize(("path", "function"), paths())
def test_every_path_reaches_its_function(firestore: State, path: str, function: str) -> None:
    if path.startswith(("/jobs/", "/events/")):
        assert armored(firestore, path)
        return
    assert not armored(firestore, path)
    assert served_by(firestore, path) == (function, path)


def test_a_function_can_be_asked_how_it_is(firestore: State) -> None:
    for name, one in firestore.outputs["functions"].items():
        if one["public"]:
            assert served_by(firestore, f"/functions/{name}/ready") == (name, "/ready")


def test_jobs_and_events_stay_out_however_they_are_written(firestore: State) -> None:
    for path in ("/jobs", "//jobs/sweep", "/JOBS/sweep", "/functions/monitor/jobs/check"):
        assert armored(firestore, path), path
    assert not armored(firestore, "/v1/jobs-of-others")


# --- records --------------------------------------------------------------------------------------


def mode(field: dict) -> str:
    """Returns how a field is kept in an index, as Terraform and as the index file write it."""
    return field.get("order") or field.get("array_config") or field["arrayConfig"]


def test_indexes_and_expiries_are_those_of_the_declared_queries(firestore: State) -> None:
    wanted = index_file()
    made = {
        (one["collection"], one["query_scope"], *((each["field_path"], mode(each)) for each in of))
        for one in (resource.values for resource in firestore.of("google_firestore_index"))
        for of in [one["fields"]]
    }
    assert made == {
        (
            one["collectionGroup"],
            one["queryScope"],
            *((each["fieldPath"], mode(each)) for each in of),
        )
        for one in wanted["indexes"]
        for of in [one["fields"]]
    }
    assert len(made) == len(wanted["indexes"]) == len(firestore.of("google_firestore_index"))
    rules = {
        (one["collection"], one["field"]): (
            {(index["query_scope"], mode(index)) for index in one["index_config"][0]["indexes"]},
            len(one["ttl_config"]) == 1,
        )
        for one in (each.values for each in firestore.of("google_firestore_field"))
    }
    assert rules == {
        (one["collectionGroup"], one["fieldPath"]): (
            {(index["queryScope"], mode(index)) for index in one["indexes"]},
            one.get("ttl", False),
        )
        for one in wanted["fieldOverrides"]
    }


def test_the_tables_of_evidence_are_those_that_the_code_fills_and_asks(everything: State) -> None:
    folder = ROOT / "shared/adapters/bigquery_tables"
    made = {
        one.values["table_id"]: json.loads(one.values["schema"])
        for one in everything.of("google_bigquery_table")
    }
    assert made == {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    topics = {one.values["name"] for one in everything.of("google_pubsub_topic", "evidence")}
    assert topics == {feed_topic("whetstone", kind) for kind in EXPORTED}
    whose = everything.accounts()
    feeding = {
        whose[one.values["member"]]
        for one in everything.of("google_pubsub_topic_iam_member", "evidence")
    }
    assert feeding == {JOBS["sweep"].function}


# --- watching -------------------------------------------------------------------------------------


def test_every_alert_leads_to_its_section_of_the_runbook(state: State) -> None:
    known = anchors(RUNBOOK)
    policies = state.of("google_monitoring_alert_policy")
    assert len(policies) >= len(RULES) + 10
    for one in policies:
        (documentation,) = one.values["documentation"]
        (link,) = documentation["links"]
        address, _, anchor = link["url"].partition("#")
        assert address.endswith(".md")
        assert anchor in known, one.address
        assert one.values["user_labels"]["runbook"] == anchor


def test_every_rule_of_the_check_is_an_alert_of_its_severity(state: State) -> None:
    made = {
        key: one["severity"]
        for key, one in state.keyed("google_monitoring_alert_policy", "rule").items()
    }
    assert made == {name: SEVERITIES[rule.severity] for name, rule in RULES.items()}


def test_what_metrics_look_for_is_what_is_logged(firestore: State) -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "shared").rglob("*.py"))
    named = {
        message
        for one in firestore.of("google_logging_metric")
        for message in re.findall(r'jsonPayload\.message="([\w.]+)"', one.values["filter"])
    }
    assert named == {"notification", "request.crashed", "event.failed", "feedback.rated"}
    assert all(f'"{message}"' in code for message in named)


def test_an_alert_is_logged_with_the_fields_that_its_metric_reads(
    firestore: State, caplog: pytest.LogCaptureFixture
) -> None:
    event = Event(
        event_id="evt_1",
        type="alert.raised",
        workspace="default",
        occurred_at="2026-01-01T00:00:00Z",
        subject="alr_1",
        data={"rule": "dead_letters", "severity": "critical", "summary": "x"},
    )
    with caplog.at_level("INFO", logger="whetstone.notify"):
        asyncio.run(LogNotifier().notify(compose(event, "https://example.com")))
    (record,) = caplog.records
    metric = firestore.keyed("google_logging_metric", "this")["alerts_raised"]
    kind = re.search(r'jsonPayload\.kind="([\w.]+)"', metric["filter"])
    field = re.fullmatch(
        r"EXTRACT\(jsonPayload\.facts\.(\w+)\)", metric["label_extractors"]["rule"]
    )
    assert kind is not None
    assert field is not None
    assert vars(record)["kind"] == kind[1]
    assert vars(record)["facts"][field[1]] == "dead_letters"
