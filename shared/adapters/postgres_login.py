"""How a connection to PostgreSQL is made: by a DSN, or by IAM through the Cloud SQL connector.

The connector speaks TLS to the instance with a short-lived certificate and logs in as the service
account, so there is no password and no list of networks. Its driver for psycopg makes blocking
connections; what it hands over is the open libpq connection, which an asynchronous one takes on.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

import psycopg
from psycopg import AsyncConnection

from shared.adapters.postgres_errors import translated
from shared.errors import Unavailable

if TYPE_CHECKING:
    from google.cloud.sql.connector import Connector


class Login(Protocol):
    """Makes connections in the running loop, in autocommit mode."""

    async def __call__(self) -> AsyncConnection[Any]:
        """Returns a new connection.

        Raises:
            psycopg.Error, Unavailable: the database does not answer, or refuses the login.
        """

    async def close(self) -> None:
        """Lets go of what it needs to make further ones."""


CONNECT_TIMEOUT_S = 10
_LIMITS = {
    "statement_timeout": 30_000,
    "lock_timeout": 20_000,
    "idle_in_transaction_session_timeout": 10_000,
    "idle_session_timeout": 900_000,
}
"""Milliseconds. The last two free what an instance holds that was frozen or lost its network."""

OPTIONS = " ".join(f"-c {name}={value}" for name, value in _LIMITS.items())


class DsnLogin:
    """The login with a DSN.

    Args:
        dsn: `postgresql://…` or `host=… dbname=…`.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def __call__(self) -> AsyncConnection[Any]:
        """See Login."""
        return await AsyncConnection.connect(
            self._dsn,
            autocommit=True,
            options=OPTIONS,
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=30,
            tcp_user_timeout=30_000,
            application_name="whetstone",
        )

    async def close(self) -> None:
        """See Login."""


class CloudSqlLogin:
    """The login by IAM; call it for a connection.

    Args:
        instance: `project:region:instance`.
        user: the IAM database user: a service account's address without `.gserviceaccount.com`.
        database: its name.
        ip_type: the way to the instance; private is that of a VPC.
        connector: makes the connector of a loop; the default logs in with the credentials that the
            machine has.
    """

    def __init__(
        self,
        instance: str,
        user: str,
        database: str,
        *,
        ip_type: Literal["private", "public", "psc"] = "private",
        connector: "Callable[[], Connector] | None" = None,
    ) -> None:
        self._instance = instance
        self._asked = {"user": user, "db": database, "ip_type": ip_type}
        self._make = connector or _lazy_connector
        self._connector: Connector | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self) -> AsyncConnection[Any]:
        """See Login."""
        try:
            with translated():
                made: psycopg.Connection[Any] = await self._of_this_loop().connect_async(
                    self._instance,
                    "psycopg",
                    enable_iam_auth=True,
                    autocommit=True,
                    timeout=CONNECT_TIMEOUT_S,
                    options=OPTIONS,
                    application_name="whetstone",
                    **self._asked,
                )
        except Unavailable:
            raise
        except Exception as error:  # the connector's errors have no common base
            raise Unavailable("Cloud SQL cannot be reached by its connector now") from error
        return await taken_over(made)

    async def close(self) -> None:
        """See Login."""
        mine, self._connector = self._connector, None
        if mine is not None and self._loop is asyncio.get_running_loop():
            await mine.close_async()

    def _of_this_loop(self) -> "Connector":
        loop = asyncio.get_running_loop()
        if self._connector is None or self._loop is not loop:
            self._connector, self._loop = self._make(), loop
        return self._connector


class _TakenOver(AsyncConnection[Any]):
    """An asynchronous connection that keeps alive the blocking one whose socket it uses."""

    maker: psycopg.Connection[Any]


async def taken_over(made: psycopg.Connection[Any]) -> AsyncConnection[Any]:
    """Returns the asynchronous connection on the same, idle, libpq connection."""
    made.pgconn.nonblocking = 1
    taken = _TakenOver(made.pgconn)
    taken.maker = made
    await taken.set_autocommit(True)
    return taken


def _lazy_connector() -> "Connector":
    from google.cloud.sql.connector import Connector  # noqa: PLC0415 -- only where it logs in

    # A certificate is fetched when it is needed: where the CPU rests between requests, a refresh in
    # the background would come too late.
    return Connector(loop=asyncio.get_running_loop(), refresh_strategy="lazy")
