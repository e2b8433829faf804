"""The roles that Terraform's output makes in PostgreSQL, on a real server."""

import asyncio
import re

import pytest

from shared.adapters.store_postgres import PostgresStore
from shared.errors import Unavailable
from tests.support.postgres_fixture import Databases, pool_on, postgres
from tests.support.terraform import CONFIGURATION

__all__ = ["postgres"]  # the fixture

pytestmark = pytest.mark.slow

SUPERUSER = "postgres"
ADMINISTRATOR = "administrator"
"""As Cloud SQL's user `postgres`: it owns the database and makes roles, and is no superuser."""

USERS = ("whetstone-submit@example.iam", "whetstone-approve@example.iam")


def rendered(database: str) -> str:
    """Returns the statements, as `templatefile` renders them."""
    text = (CONFIGURATION / "postgres_roles.sql.tftpl").read_text("utf-8")
    loop = re.search(r"%\{ for user in users ~\}\n(.*?)%\{ endfor ~\}\n", text, re.DOTALL)
    assert loop is not None
    each = "".join(loop[1].replace("${user}", user) for user in USERS)
    done = (text[: loop.start()] + each + text[loop.end() :]).replace("${database}", database)
    assert "${" not in done
    assert "%{" not in done
    return done


@pytest.fixture
def database(postgres: Databases) -> str:
    """An empty database with a login for each function, as Cloud SQL makes them; its name."""
    name = postgres.fresh("template1").rpartition("/")[2]
    known = postgres.server.execute("SELECT rolname FROM pg_roles").split()
    for role in {ADMINISTRATOR, *USERS} - set(known):
        options = "LOGIN CREATEROLE" if role == ADMINISTRATOR else "LOGIN"
        postgres.server.execute(f'CREATE ROLE "{role}" {options}', role=SUPERUSER)
    owned = f'ALTER DATABASE "{name}" OWNER TO {ADMINISTRATOR}'
    postgres.server.execute(owned, role=SUPERUSER)
    return name


def dsn(postgres: Databases, database: str, user: str) -> str:
    own = postgres.server.dsn_of(database)
    return re.sub(r"//[^@]+@", f"//{user.replace('@', '%40')}@", own)


async def pinged(address: str) -> None:
    store = PostgresStore(pool_on(address))
    try:
        await store.ping()
    finally:
        await store.close()


def test_what_one_function_migrates_serves_the_others(postgres: Databases, database: str) -> None:
    for _ in range(2):  # it may be run again
        postgres.server.execute(rendered(database), role=ADMINISTRATOR, database=database)
    for user in USERS:
        asyncio.run(pinged(dsn(postgres, database, user)))
    owners = postgres.server.execute(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
        database=database,
    )
    assert owners.split() == ["whetstone_owner"]


def test_a_function_can_do_nothing_before(postgres: Databases, database: str) -> None:
    with pytest.raises(Unavailable):
        asyncio.run(pinged(dsn(postgres, database, USERS[0])))
