"""The two modes of these tests: the embedded server, or with `--cloud=STORE` the local cloud.

On the cloud whoever asks `serve` for a server gets a new workspace of it, and each System is built
on its store. What only makes sense on the embedded server is marked so, with the reason.
"""

from contextlib import contextmanager

import pytest

from tests.support.cloud_fixture import Clouds
from tests.support.firestore_fixture import firestore_server
from tests.support.other_stores import STORES
from tests.support.postgres_fixture import postgres
from tests.support.server import Server
from tests.support.world import World

__all__ = ["firestore_server", "postgres"]


def pytest_addoption(parser):
    parser.addoption("--cloud", choices=list(STORES), help="run on the local cloud, on this store")


def pytest_collection_modifyitems(config, items):
    store = config.getoption("--cloud")
    if store is None:
        return
    config.hook.pytest_deselected(items=[item for item in items if _names(item, store) != store])
    items[:] = [item for item in items if _names(item, store) == store]
    for item in items:
        for mark in item.iter_markers("embedded"):
            item.add_marker(pytest.mark.skip(reason=f"not on the cloud: {mark.args[0]}"))


def _names(item, store):
    """Returns the store that a test goes through by itself, else the one that was asked for."""
    return item.callspec.params.get("cloud", store) if hasattr(item, "callspec") else store


@pytest.fixture(scope="session")
def clouds(tmp_path_factory):
    """Gives the local cloud of a store."""
    with Clouds(tmp_path_factory.mktemp("clouds")) as clouds:
        yield clouds


@pytest.fixture
def cloud(request, clouds):
    """A local cloud, on Firestore where no other store is asked for."""
    return clouds.on(request.config.getoption("--cloud") or "firestore")


@pytest.fixture
def place(cloud, clouds):
    """Gives the name of a new workspace on that cloud, and a world in it."""
    tenant = clouds.tenant(cloud.cloud.store)
    world = World(tenant)
    yield tenant.workspace, world
    world.close()


@pytest.fixture(scope="session")
def serve(request, clouds):
    """Gives servers: over a folder, with further variables; or a workspace of the cloud for it."""
    store = request.config.getoption("--cloud")

    @contextmanager
    def embedded(folder, environment=None):
        with Server(folder, environment) as server:
            yield server

    tenants = {}

    @contextmanager
    def on_cloud(folder, _environment=None):
        if folder not in tenants:
            tenants[folder] = clouds.tenant(store)
        yield tenants[folder]

    return embedded if store is None else on_cloud


@pytest.fixture(scope="session", autouse=True)
def systems_store(request):
    """Lets a System of these tests stand on the cloud's store, where that is asked for."""
    store = request.config.getoption("--cloud")
    if store is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        STORES[store](request, patch)
        yield
