"""How the tests are spread over processes."""

import pytest
from xdist.scheduler import LoadFileScheduling

CLOUD = "tests/e2e/test_cloud"


class ByCloud(LoadFileScheduling):
    """A file's tests run in one process, and so do all that share the local cloud."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return CLOUD if file.startswith(CLOUD) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    return ByCloud(config, log) if config.getvalue("dist") == "loadfile" else None
