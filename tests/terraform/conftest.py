"""One copy of the configuration for all tests of a worker, and one set of plans for all workers."""

import fcntl
import json
import os

import pytest

from tests.support.terraform import State, Terraform

PLANNED = ("tests/as_it_ships.tftest.hcl", "tests/everything.tftest.hcl")
"""Whose runs the tests read; they take all of them, so their assertions are tried as well."""


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """The configuration, initialised."""
    return Terraform(tmp_path_factory.mktemp("configuration"))


@pytest.fixture(scope="session")
def states(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """The whole of it, as it would be applied: with Firestore, and with everything else.

    The first worker that asks makes the plans, the others wait for them.
    """
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with (shared / "plans.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read()
        plans = json.loads(text) if text else terraform.plans(*PLANNED)
        if not text:
            json.dump(plans, file)
    return {name: State(plan) for name, plan in plans.items()}


@pytest.fixture(scope="session")
def firestore(states: dict[str, State]) -> State:
    """With Firestore and nothing that has to be asked for."""
    return states["firestore"]


@pytest.fixture(scope="session")
def everything(states: dict[str, State]) -> State:
    """With PostgreSQL, BigQuery, a key of our own, channels, providers, a repository, a budget."""
    return states["everything_with_postgres"]


@pytest.fixture(params=["firestore", "everything_with_postgres"])
def state(request: pytest.FixtureRequest, states: dict[str, State]) -> State:
    """Either of them."""
    return states[request.param]
