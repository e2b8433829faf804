"""Where the demo plays: the server that runs, or one of its own; and who it is there."""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx

from demo.client import Api, Refused

SETTINGS_FILE = Path(__file__).resolve().parent / "whetstone.yaml"
REVIEWER = "demo-reviewer"

_PROGRAM = (sys.executable, "-c", "from shared.cli.main import main; main()")
_READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """A running server and the credentials for it.

    Args:
        url: where it is.
        machine: headers of a machine that may do everything.
        person: headers of a reviewer.
        own: the demo started it.
        said: what a reader should know about the credentials.
    """

    url: str
    machine: Mapping[str, str]
    person: Mapping[str, str]
    own: bool
    said: list[str] = field(default_factory=list)


def default_url() -> str:
    """Returns where a server would be: WHETSTONE_URL, else this machine's PORT."""
    return os.environ.get("WHETSTONE_URL") or f"http://127.0.0.1:{os.environ.get('PORT', '8080')}"


@contextlib.asynccontextmanager
async def found(url: str, *, own: bool, data_dir: Path | None, keep: bool) -> AsyncIterator[Place]:
    """Gives the server at `url`; one of our own where none answers there, or where `own` is set.

    Args:
        url: where to look.
        own: do not look.
        data_dir: of our own server; a temporary folder where None.
        keep: leave that temporary folder behind.
    """
    if own or not await _answers(url):
        async with _started(data_dir, keep=keep) as place:
            yield place
        return
    given = os.environ.get("WHETSTONE_API_KEY")
    admin = {"X-API-Key": given} if given else await _local_admin(url)
    async with _entered(url, admin) as place:
        yield place


async def _answers(url: str) -> bool:
    """Returns whether a Whetstone is there.

    Raises:
        ClickException: something else is.
    """
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            answer = await http.get(f"{url}/health")
    except httpx.TransportError:
        return False
    with contextlib.suppress(ValueError):
        if "status" in answer.json():
            return True
    raise click.ClickException(f"what answers at {url} is no Whetstone; set WHETSTONE_URL or PORT")


@contextlib.asynccontextmanager
async def _started(data_dir: Path | None, *, keep: bool) -> AsyncIterator[Place]:
    root = data_dir or Path(tempfile.mkdtemp(prefix="whetstone-demo-"))
    root.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{_free_port()}"
    secret = f"wsk_{secrets.token_urlsafe(24)}"
    environment = {
        **_without_settings(),
        "WHETSTONE_DATA_DIR": str(root),
        "WHETSTONE_CONFIG_FILE": str(SETTINGS_FILE),
        "WHETSTONE_BOOTSTRAP_API_KEY": secret,
        "WHETSTONE_SCHEDULE_ENABLED": "false",
    }
    command = [*_PROGRAM, "serve", "--port", url.rpartition(":")[2]]
    process = _spawned(command, environment, root / "server.log")
    try:
        await _ready(process, url, root / "server.log")
        person = _bearer(_token(environment, "reviewer"))
        async with _entered(url, {"X-API-Key": secret}, person) as place:
            yield place
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)
        if data_dir is None and not keep:
            shutil.rmtree(root, ignore_errors=True)
        else:
            click.echo(f"The server's data and log are kept in {root}")


def _spawned(
    command: list[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


def _last_words(log: Path) -> str:
    return log.read_text("utf-8")[-2000:]


def _without_settings() -> dict[str, str]:
    """Returns the environment without settings that are meant for another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WHETSTONE_")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while not await _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise click.ClickException(f"the server did not start:\n{_last_words(log)}")
        await asyncio.sleep(0.05)


def _token(environment: Mapping[str, str], role: str) -> str:
    """Returns a person's token, minted with the secret of the environment's data folder."""
    command = [*_PROGRAM, "token", "--subject", REVIEWER, "--role", role]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextlib.asynccontextmanager
async def _entered(
    url: str, admin: Mapping[str, str], person: Mapping[str, str] | None = None
) -> AsyncIterator[Place]:
    """Gives a server that runs, with keys made for the demo, which are revoked after it.

    Args:
        url: where it is.
        admin: headers of who may make keys.
        person: headers of a reviewer on our own server; looked for on another one.
    """
    made: list[str] = []
    async with Api(url, admin) as api:
        try:
            machine = {"X-API-Key": await _key(api, "demo", ["admin"], made)}
            if person is not None:
                yield Place(url, machine, person, own=True)
                return
            person, said = await _reviewer(api, made)
            yield Place(url, machine, person, own=False, said=said)
        except Refused as error:
            if error.status in {401, 403}:
                raise click.ClickException(
                    f"this key may not do what the demo does: {error}"
                ) from None
            raise
        finally:
            for key_id in made:
                await api.post(f"/v1/keys/{key_id}/revoke")


async def _key(api: Api, name: str, scopes: list[str], made: list[str]) -> str:
    """Returns the secret of a new key without a limit of requests."""
    body = {"name": name, "scopes": scopes, "rate_per_minute": None}
    created = await api.post("/v1/keys", body)
    made.append(created["key_id"])
    return str(created["secret"])


async def _local_admin(url: str) -> dict[str, str]:
    """Returns a credential for a server of this machine, minted from its data folder.

    Raises:
        ClickException: the folder is not that server's.
    """
    headers = await _minted(url, "admin")
    if headers is None:
        raise click.ClickException(
            f"a server runs at {url}, and its data is not in {_folders()}: set"
            " WHETSTONE_API_KEY to an admin key of it, or let the demo start its own with --own"
        )
    return headers


async def _minted(url: str, role: str) -> dict[str, str] | None:
    """Returns a person's headers where a local data folder is that of the server at `url`."""
    for folder in _data_dirs():
        known = (folder / "jwt_secret").exists() or os.environ.get("WHETSTONE_JWT_SECRET")
        if known and (headers := await _of_folder(url, role, folder)) is not None:
            return headers
    return None


async def _of_folder(url: str, role: str, folder: Path) -> dict[str, str] | None:
    try:
        headers = _bearer(_token({**os.environ, "WHETSTONE_DATA_DIR": str(folder)}, role))
    except subprocess.CalledProcessError:
        return None
    async with Api(url, headers) as api:
        try:
            await api.get("/v1/approvals/stats")
        except Refused:
            return None
    return headers


def _folders() -> str:
    return " or ".join(str(one.resolve()) for one in _data_dirs())


def _data_dirs() -> list[Path]:
    """Returns where a server of this checkout keeps its data: the one that is set, or either."""
    given = os.environ.get("WHETSTONE_DATA_DIR")
    return [Path(given)] if given else [Path("data"), Path("data-cloud")]


async def _reviewer(api: Api, made: list[str]) -> tuple[dict[str, str], list[str]]:
    """Returns a person's headers, else those of a machine that may review, and a word about it."""
    person = await _minted(api.url, "reviewer")
    if person is not None:
        return person, []
    key = await _key(api, REVIEWER, ["review"], made)
    said = "No person's token can be minted for this server, so a machine's key reviews."
    return {"X-API-Key": key}, [said]
