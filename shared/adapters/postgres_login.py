"""How a connection to PostgreSQL is made: by a DSN, or by IAM through the Cloud SQL connector.

The connector speaks TLS to the instance with a short-lived certificate and logs in as the service
account, so there is no password and no list of networks. Its driver for psycopg makes blocking
connections; what it hands over is the open libpq connection, which an asynchronous one takes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import AsyncConnection

from shared.adapters.postgres_errors import translated
from shared.errors import Unavailable

if TYPE_CHECKING:
    from google.cloud.sql.connector import Connector

Login = Callable[[], Awaitable[AsyncConnection[Any]]]
"""Makes one connection, in autocommit mode, in the running loop.

Raises `psycopg.Error` or `Unavailable` where the database does not answer.
"""

CONNECT_TIMEOUT_S = 10
_LIMITS = {
    "statement_timeout": 30_000,
    "lock_timeout": 20_000,
    "idle_in_transaction_session_timeout": 10_000,
    "idle_session_timeout": 900_000,
}
"""Milliseconds. The last two free what an instance holds that was frozen or lost its network."""

OPTIONS = " ".join(f"-c {name}={value}" for name, value in _LIMITS.items())


def dsn_login(dsn: str) -> Login:
    """Returns the login with a DSN (`postgresql://…` or `host=… dbname=…`)."""

    async def login() -> AsyncConnection[Any]:
        return await AsyncConnection.connect(
            dsn,
            autocommit=True,
            options=OPTIONS,
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=30,
            tcp_user_timeout=30_000,
            application_name="whetstone",
        )

    return login


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
        """Returns a new connection.

        Raises:
            Unavailable: Google's API or the instance does not answer, or refuses the login.
        """
        loop = asyncio.get_running_loop()
        if self._connector is None or self._loop is not loop:
            self._connector, self._loop = self._make(), loop
        try:
            with translated():
                made: psycopg.Connection[Any] = await self._connector.connect_async(
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
        except Exception as error:  # the connector has no common base of its errors
            raise Unavailable("Cloud SQL cannot be reached by its connector now") from error
        return await taken_over(made)


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
