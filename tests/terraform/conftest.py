"""One copy of the configuration for all tests of a worker."""

import pytest

from tests.support.terraform import State, Terraform


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """The configuration, initialised."""
    return Terraform(tmp_path_factory.mktemp("configuration"))


@pytest.fixture(scope="session")
def states(terraform: Terraform) -> dict[str, State]:
    """The whole of it, as it would be applied: with Firestore, and with everything else."""
    return terraform.states("tests/whole.tftest.hcl")


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
