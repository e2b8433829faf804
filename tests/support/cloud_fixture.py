"""A local cloud on Firestore for a file of tests, a workspace for each of them; as fixtures."""

import itertools

import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.support.cloud_server import CloudServer
from tests.support.world import World, settings_file

_tenants = itertools.count(1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    with OpenAIServer() as provider:
        environment = settings_file(folder, provider.base_url)
        environment["WHETSTONE_LIMITS__BURST"] = "1000000"
        with CloudServer(folder / "cloud", "firestore", environment, schedule=True) as server:
            yield server


@pytest.fixture
def place(cloud):
    """Gives the name of a new workspace, and a world in it."""
    name = f"faults-{next(_tenants)}"
    world = World(cloud.tenant(name))
    yield name, world
    world.close()
