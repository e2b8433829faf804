"""The local cloud for tests: every function in its own process, and what `Server` offers too."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar
from unittest.mock import patch

import httpx

from localcloud.cloud import Cloud, StoreName
from localcloud.plan import ACCOUNT, AUDIENCE, PROJECT
from localcloud.postgres import LocalPostgres
from localcloud.process import StartError
from shared.adapters.store_firestore import FirestoreStore
from shared.adapters.store_postgres import PostgresStore
from shared.ports import Store
from tests.support.backends import missing
from tests.support.postgres_fixture import pool_on
from tests.support.server import KEY

T = TypeVar("T")

_WHETSTONE = ("-c", "from shared.cli.main import main; main()")


class CloudServer:
    """A running local cloud, as the tests of a whole server see it.

    Args:
        folder: for its logs and data.
        store: what the functions keep records in.
        environment: further variables of the functions.
        schedule: whether something calls the jobs.
    """

    def __init__(
        self,
        folder: Path,
        store: StoreName,
        environment: Mapping[str, str],
        *,
        schedule: bool = False,
    ) -> None:
        given = {**environment, "WHETSTONE_BOOTSTRAP_API_KEY": KEY}
        self.cloud = Cloud(folder, store=store, environment=given, schedule=schedule)
        self.url = self.cloud.url
        self.headers = {"X-API-Key": KEY}

    def __enter__(self) -> Self:
        try:
            self.cloud.start()
        except StartError as error:
            if "did not start" in str(error):
                raise
            missing(str(error))
        return self

    def __exit__(self, *_: object) -> None:
        self.cloud.stop()
        if self.cloud.store == "postgres":
            shutil.rmtree(self.cloud.postgres_folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a command line needs to work on this cloud."""
        return {**os.environ, **self.cloud.environment()}

    def kill(self, name: str) -> None:
        """Kills a process where it is."""
        self.cloud.kill(name)

    def restart(self, name: str) -> None:
        """Starts a process that was killed, and waits until it is ready."""
        self.cloud.restart(name)

    def whetstone(self, *arguments: str) -> str:
        """Returns what the command line prints."""
        return self.cloud.run(*_WHETSTONE, *arguments)

    def read(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Returns what `work` finds in the store, beside the functions."""

        async def run() -> T:
            store = self._store()
            try:
                return await work(store)
            finally:
                await store.close()

        with patch.dict(os.environ, self.environment):
            return asyncio.run(run())

    def _store(self) -> Store:
        server = self.cloud.servers[self.cloud.store]
        if isinstance(server, LocalPostgres):
            return PostgresStore(pool_on(server.dsn))
        return FirestoreStore(PROJECT)

    def token(self, subject: str, role: str, workspace: str = "default") -> str:
        """Returns a person's token, minted by the command line."""
        whose = ("--subject", subject, "--role", role, "--workspace", workspace)
        return self.whetstone("token", *whose)

    def system_token(self, _name: str = "schedule") -> str:
        """Returns the token with which Cloud Scheduler calls."""
        asked = {"audience": AUDIENCE, "email": ACCOUNT}
        answer = httpx.get(f"{self.cloud.plan.issuer_url}/token", params=asked)
        return str(answer.json()["token"])

    def tenant(self, name: str) -> "Tenant":
        """Makes a workspace and returns the cloud as its admin key sees it."""
        made = self.whetstone("workspace", "create", name)
        return Tenant(self, name, made.split()[1])


class Tenant:
    """A cloud with the admin key of one workspace."""

    def __init__(self, server: CloudServer, workspace: str, key: str) -> None:
        self.server = server
        self.workspace = workspace
        self.url = server.url
        self.headers = {"X-API-Key": key}

    def read(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Returns what `work` finds in the store, beside the functions."""
        return self.server.read(work)

    def system_token(self, name: str = "schedule") -> str:
        """Returns the token with which Cloud Scheduler calls."""
        return self.server.system_token(name)

    def token(self, subject: str, role: str) -> str:
        """Returns a person's token for this workspace."""
        return self.server.token(subject, role, self.workspace)
