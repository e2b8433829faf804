"""The local clouds of a test session: one for each store, started when it is first asked for."""

import itertools
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from localcloud.cloud import StoreName
from tests.fakes.openai_server import OpenAIServer
from tests.support.cloud_server import CloudServer, Tenant
from tests.support.world import settings_file


class Clouds:
    """Gives running clouds; a context manager that ends them.

    Args:
        folder: for their logs and data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[CloudServer, ExitStack]] = {}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in list(self._running):
            self.end(store)

    def on(self, store: StoreName) -> CloudServer:
        """Returns the cloud of a store."""
        if store not in self._running:
            folder = self._folder / store
            folder.mkdir(exist_ok=True)
            with ExitStack() as stack:
                provider = stack.enter_context(OpenAIServer())
                environment = settings_file(folder, provider.base_url)
                environment["WHETSTONE_LIMITS__BURST"] = "1000000"
                server = CloudServer(folder / "cloud", store, environment, schedule=True)
                self._running[store] = stack.enter_context(server), stack.pop_all()
        return self._running[store][0]

    def end(self, store: str) -> None:
        """Ends the cloud of a store, where it runs."""
        if store in self._running:
            self._running.pop(store)[1].close()

    def tenant(self, store: StoreName) -> Tenant:
        """Returns the cloud of a store as the admin key of a new workspace sees it."""
        return self.on(store).tenant(f"tenant-{next(self._numbers)}")
