"""What the page of costs says that Terraform sets is what a plan has."""

import re

import pytest

from bench.cost import CALLS, ENVIRONMENTS
from tests.support.terraform import CONFIGURATION, State

pytestmark = pytest.mark.slow


def conditions(state: State) -> int:
    policies = state.of("google_monitoring_alert_policy")
    return sum(len(one.values["conditions"]) for one in policies)


def test_standing_resources_are_as_many_as_the_page_bills(firestore: State) -> None:
    billed = ENVIRONMENTS["dev"]
    rules = firestore.one("google_compute_security_policy", "this")["rule"]
    jobs = firestore.of("google_cloud_scheduler_job")
    assert len(rules) == billed.armor_rules
    assert {one.key for one in jobs} == set(CALLS)
    assert len(jobs) == billed.jobs
    assert len(firestore.of("google_secret_manager_secret")) == billed.secrets
    assert billed.conditions - 8 <= conditions(firestore) <= billed.conditions
    assert len(firestore.of("google_compute_global_forwarding_rule")) <= 5  # one price for all


def test_the_warm_instances_are_those_of_prod() -> None:
    sizes = dict(
        re.findall(
            r"(\w+)\s+= \{ min_instances = (\d+) \}",
            (CONFIGURATION / "environments/prod.tfvars").read_text("utf-8"),
        )
    )
    defaults = (CONFIGURATION / "functions.tf").read_text("utf-8")
    mib = {
        name: int(number) * (1024 if unit == "Gi" else 1)
        for name, number, unit in re.findall(r'(\w+)\s+= \{.* memory = "(\d+)(Gi|Mi)"', defaults)
    }
    billed = ENVIRONMENTS["prod"]
    assert sum(map(int, sizes.values())) == billed.warm_vcpus
    assert sum(int(n) * mib[name] for name, n in sizes.items()) / 1024 == billed.warm_gib
    assert "min_instances" not in (CONFIGURATION / "environments/dev.tfvars").read_text("utf-8")


def test_the_database_is_as_large_as_the_page_bills(everything: State) -> None:
    instance = everything.one("google_sql_database_instance", "this")
    (settings,) = instance["settings"]
    assert settings["tier"] == "db-custom-2-7680"
    assert settings["availability_type"] == "REGIONAL"
    assert settings["disk_size"] == 20
