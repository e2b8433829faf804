"""The whole system on this machine as on Google Cloud: each function in a process of its own.

Google's Firestore and Pub/Sub emulators, a Cloud Storage server, PostgreSQL where it is asked for,
an issuer of OIDC tokens, and a front in the load balancer's place. The functions share nothing but
these.
"""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol, Self

from localcloud import pids
from localcloud.firestore import FirestoreServer
from localcloud.issuer import Issuer
from localcloud.plan import ACCOUNT, AUDIENCE, BUCKET, PROJECT, Plan
from localcloud.postgres import LocalPostgres
from localcloud.process import HOST, LocalProcess, StartError, answers, free_ports
from localcloud.pubsub import PubSubEmulator
from localcloud.storage import StorageServer
from shared.adapters.secret_file import kept_secret
from shared.cli.serve import FUNCTIONS

ROOT = Path(__file__).resolve().parents[1]

EDGE, SCHEDULE, ISSUER = "edge", "schedule", "issuer"

ATTEMPTS = 60
"""Tries of a delivery, a second apart (see `prepare`): who is away for less gets it all."""

HEAP = "1g"
"""The emulator's: it keeps every record in memory, and the demo makes a hundred thousand."""

_BACKENDS = frozenset(("firestore", "postgres", "pubsub", "storage"))
_READY_TIMEOUT_S = 10

StoreName = Literal["firestore", "postgres"]


class Server(Protocol):
    """What every process of the cloud can do."""

    def start(self) -> None:
        """Starts it and waits until it answers."""

    def running(self) -> bool:
        """Tells whether it runs."""

    def stop(self) -> None:
        """Ends it."""

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""


class Cloud:
    """One local cloud; a context manager.

    Args:
        folder: for its logs, process ids and the servers' own data. What the emulators keep in
            memory is gone with them, and so are the objects that belong to it.
        port: of the front; a free one where None.
        store: what the functions keep records in.
        environment: further variables of the functions.
        schedule: call the jobs as Cloud Scheduler does.
        said: is told each process that is ready.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        store: StoreName = "firestore",
        environment: Mapping[str, str] | None = None,
        schedule: bool = True,
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder.resolve()
        self.store: StoreName = store
        self.first_key: str | None = None
        self.said = said
        self._schedule = schedule
        self._given = dict(environment or {})
        front, push, issuer, *ports = free_ports(3 + len(FUNCTIONS))
        functions = dict(zip(map(str, FUNCTIONS), ports, strict=True))
        self.plan = Plan(port or front, push, issuer, functions)
        self.servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the front is."""
        return f"http://{HOST}:{self.plan.port}"

    @property
    def names(self) -> list[str]:
        """The names of all processes, in order of need."""
        return list(self.servers)

    @property
    def postgres_folder(self) -> Path:
        """Where PostgreSQL keeps its files: below `folder`, where whom it runs as can go there.

        Root's PostgreSQL runs as another user, from whom root's own folders are often shut.
        """
        if os.geteuid() != 0 or all(one.stat().st_mode & 0o001 for one in _up(self.folder)):
            return self.folder / "postgres"
        mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"whetstone-postgres-{mark}"

    def start(self) -> None:
        """Starts everything and waits until every function is ready.

        Raises:
            StartError: something is missing, or does not start; nothing is left running.
        """
        if answers(self.plan.port):
            raise StartError(f"port {self.plan.port} is in use; choose another PORT")
        self._clear()
        self.servers = self._backends()
        self.servers |= self._own()
        self._start_all()

    def stop(self) -> None:
        """Ends every process."""
        servers = list(self.servers.values())
        with ThreadPoolExecutor(max(1, len(servers))) as pool:
            list(pool.map(lambda server: server.stop(), reversed(servers)))

    def kill(self, name: str) -> None:
        """Ends one process in the middle of whatever it does."""
        self.servers[name].kill()

    def restart(self, name: str) -> None:
        """Starts a process that has ended, and waits until it is ready.

        Pub/Sub gets its topics and subscriptions again; what it held is lost with the emulator.
        """
        self.servers[name].start()
        if name == "pubsub":
            self._prepare()

    def revive(self) -> list[str]:
        """Starts what has ended and holds nothing again, as Google Cloud does; returns the names.

        It does not wait until they are ready.
        """
        again = {
            name: one
            for name, one in self.servers.items()
            if name not in _BACKENDS and isinstance(one, LocalProcess) and not one.running()
        }
        for one in again.values():
            one.launch()
        return list(again)

    def lost(self) -> list[str]:
        """Returns the processes that have ended and are not started again."""
        return [name for name, one in self.servers.items() if not one.running()]

    def run(self, *command: str) -> str:
        """Returns what a command prints that is run where the functions run.

        Raises:
            StartError: it failed.
        """
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StartError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
        return done.stdout.strip()

    def environment(self) -> dict[str, str]:
        """Returns the settings of the functions, which a command line must have as well."""
        found = {
            "WHETSTONE_BACKEND": "gcp",
            "WHETSTONE_STORE": self.store,
            "WHETSTONE_EMBEDDER": "none",
            "WHETSTONE_SECRETS": "env",
            "WHETSTONE_SCHEDULE": "inprocess",
            "WHETSTONE_DATA_DIR": str(self.folder),
            "WHETSTONE_EVENTS__ATTEMPTS": str(ATTEMPTS),
            "WHETSTONE_GCP__PROJECT": PROJECT,
            "WHETSTONE_GCP__BUCKET": BUCKET,
            "WHETSTONE_GCP__DOCUMENT_PACE_S": "0",
            "WHETSTONE_GCP__PUSH_AUDIENCE": AUDIENCE,
            "WHETSTONE_GCP__PUSH_SERVICE_ACCOUNTS": json.dumps([ACCOUNT]),
            "WHETSTONE_GCP__PUSH_ISSUER": self.plan.issuer_url,
            "WHETSTONE_GCP__PUSH_JWKS_URL": self.plan.jwks_url,
            "WHETSTONE_NOTIFY__CONSOLE_URL": self.url,
            "WHETSTONE_CONSOLE__FUNCTIONS": json.dumps(
                {name: f"http://{HOST}:{port}" for name, port in self.plan.functions.items()}
            ),
            "GCE_METADATA_HOST": f"{HOST}:{self.plan.issuer_port}",
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONUNBUFFERED": "1",
        }
        if "WHETSTONE_JWT_SECRET" not in {**os.environ, **self._given}:
            found["WHETSTONE_JWT_SECRET"] = kept_secret(self.folder / "jwt_secret")
        for server in self.servers.values():
            if isinstance(server, LocalPostgres):
                found["WHETSTONE_POSTGRES__DSN"] = server.dsn
            elif isinstance(server, FirestoreServer | StorageServer | PubSubEmulator):
                found |= server.environment
        return {**found, **self._given}

    # --- what there is --------------------------------------------------------------------------

    def _backends(self) -> dict[str, Server]:
        folder = self.folder
        found: dict[str, Server] = {
            "pubsub": PubSubEmulator(folder),
            "storage": StorageServer(folder / "storage.log", folder=folder / "objects"),
        }
        if self.store == "firestore":
            return {"firestore": FirestoreServer(folder / "firestore.log", heap=HEAP), **found}
        log = folder / "postgres.log"
        return {"postgres": LocalPostgres(self.postgres_folder, log=log), **found}

    def _own(self) -> dict[str, Server]:
        """Returns the processes of ours; all they need to know is settled before any starts."""
        plan_file = self.folder / "plan.json"
        self.plan.write(plan_file)
        port = self.plan.port
        own: dict[str, LocalProcess] = {ISSUER: Issuer(self.folder, self.plan.issuer_port)}
        own |= {name: self._function(name, port) for name, port in self.plan.functions.items()}
        own[EDGE] = self._module(EDGE, plan_file, lambda: answers(port))
        if self._schedule:
            own[SCHEDULE] = self._module(SCHEDULE, plan_file, lambda: True)
        return {**own}

    def _function(self, name: str, port: int) -> LocalProcess:
        """Returns a function as Google Cloud starts it: the framework, and one target."""
        program = [sys.executable, "-m", "functions_framework", "--asgi", "--target", name]
        source = str(ROOT / "functions" / name / "main.py")
        return LocalProcess(
            name,
            [*program, "--source", source, "--host", HOST, "--port", str(port)],
            self.folder / f"{name}.log",
            lambda: _is_ready(port),
            environment={
                **self.environment(),
                "K_SERVICE": name,
                "K_REVISION": f"{name}-local",
                "FUNCTION_TARGET": name,
                "PYTHONPATH": str(ROOT),
            },
        )

    def _module(self, name: str, plan_file: Path, ready: Callable[[], bool]) -> LocalProcess:
        return LocalProcess(
            name,
            [sys.executable, "-m", f"localcloud.{name}", str(plan_file)],
            self.folder / f"{name}.log",
            ready,
            environment=self.environment(),
            cwd=ROOT,
        )

    # --- how it starts ---------------------------------------------------------------------------

    def _clear(self) -> None:
        """Makes the folder as a start needs it: without what an earlier one left running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pids.end(self.folder.glob(f"*{pids.SUFFIX}"))
        gone = ["tmp"] if self.store == "postgres" else ["tmp", "objects"]
        for name in gone:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("tmp", "objects"):
            (self.folder / name).mkdir(exist_ok=True)
        for log in self.folder.glob("*.log"):
            log.unlink()

    def _start_all(self) -> None:
        """Starts all at once: the functions connect at their first request, not before."""
        backends = [name for name in self.servers if name in _BACKENDS]
        with ThreadPoolExecutor(len(self.servers)) as pool:
            starts = {name: pool.submit(self._start, name) for name in self.servers}
            try:
                for name in backends:
                    starts[name].result()
                self.first_key = self._prepare()
                self.said("topics, subscriptions and the first key")
                for start in starts.values():
                    start.result()
            except BaseException:
                self.stop()  # what still starts ends with it, and its thread
                raise

    def _prepare(self) -> str | None:
        """Makes what Terraform makes; returns the first admin key where it was made now."""
        push_to = f"http://{HOST}:{self.plan.push_port}"
        return self.run("-m", "localcloud.prepare", push_to) or None

    def _start(self, name: str) -> None:
        server = self.servers[name]
        server.start()
        if isinstance(server, StorageServer):
            server.create_bucket(BUCKET)
        self.said(name)


def _up(folder: Path) -> list[Path]:
    return [folder, *folder.parents]


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=_READY_TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
