"""A throwaway PostgreSQL server: its own folder, its own port, and a role that is no superuser.

The role `whetstone` may make databases and nothing else that is special: row-level security holds
for it, as it does for the role that the system logs in with on Cloud SQL.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from localcloud.process import HOST, LocalProcess, StartError, free_port

ROLE = "whetstone"
"""Logs in without a password, from this machine only."""

_OWNER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")
_MISSING = "postgres: there is no PostgreSQL here; install the package `postgresql`"
_SETUP = f"CREATE ROLE {ROLE} LOGIN CREATEDB; CREATE DATABASE {ROLE} OWNER {ROLE};"


class LocalPostgres:
    """Runs a server in a folder; a context manager.

    Args:
        folder: where its files go; made where it is missing. A root user hands it over to the user
            `postgres`, who must be able to reach it.
        durable: False leaves out every fsync, for tests that do not pull a plug.
        log: where its output goes; `postgres.log` beside the folder where None.
    """

    def __init__(self, folder: Path, *, durable: bool = True, log: Path | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._durable = durable
        self._log = log or folder.with_name(f"{folder.name}.log")
        self._process: LocalProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def dsn(self) -> str:
        """Where the database `whetstone` is."""
        return self.dsn_of(ROLE)

    @property
    def environment(self) -> dict[str, str]:
        """What `psql` needs to find it."""
        return {"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": ROLE, "PGDATABASE": ROLE}

    def dsn_of(self, database: str) -> str:
        """Returns where a database is."""
        return f"postgresql://{ROLE}@{HOST}:{self.port}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """Makes a database, a copy of `template`, and returns where it is."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn_of(name)

    def drop_database(self, name: str) -> None:
        """Removes a database, also where somebody is connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, sql: str, *, role: str = ROLE, database: str = "template1") -> str:
        """Returns what `psql` prints for a statement.

        Raises:
            StartError: the statement failed; the message is the server's.
        """
        where = ["-h", HOST, "-p", str(self.port), "-U", role, "-d", database]
        return _run([_program("psql"), *where, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql])

    def start(self) -> None:
        """Starts it, on the same port and with the same data where it ran before.

        Raises:
            StartError: PostgreSQL is not installed, or does not come up.
        """
        fresh = not (self.folder / "PG_VERSION").exists()
        if fresh:
            self._make()
        settings = {"listen_addresses": HOST, "port": self.port, "unix_socket_directories": ""}
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = LocalProcess(
            "postgres",
            [*_as_owner(), _program("postgres"), "-D", str(self.folder), *given],
            self._log,
            self._answers,
            cwd=Path("/"),
        )
        self._process.start()
        if fresh:
            for statement in _SETUP.split("; "):
                self.execute(statement, role=_OWNER)

    def running(self) -> bool:
        """Tells whether it runs."""
        return self._process is not None and self._process.running()

    def kill(self) -> None:
        """Ends it in the middle of whatever it does; a new start recovers from its log."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Ends it, and every connection."""
        if self._process is None or self._process.process is None:
            return
        if self._process.running():
            self._process.process.send_signal(signal.SIGINT)  # "fast": does not wait for clients
        self._process.stop()

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        program = _program("initdb")
        if os.geteuid() == 0:
            shutil.chown(self.folder, _OWNER, _OWNER)
        options = ["-U", _OWNER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        _run([*_as_owner(), program, "-D", str(self.folder), *options])

    def _answers(self) -> bool:
        asked = [_program("pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def _as_owner() -> list[str]:
    """Returns what makes a command run as somebody whom PostgreSQL accepts: it refuses root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--init-groups"]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None or name in {"postgres", "initdb"}:
        versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=_version)
        found = str(versions[-1]) if versions else found
    if found is None:
        raise StartError(_MISSING)
    return found


def _version(program: Path) -> float:
    return float(program.parts[-3])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise StartError(f"postgres: {Path(command[0]).name} failed: {done.stderr.strip()}")
    return done.stdout.strip()
