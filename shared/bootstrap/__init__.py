"""The one place that picks the concrete adapters, from the settings, at the first use.

Every function asks here; what it is given is built once per process and lazily: importing this
module reads and connects nothing.
"""

import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from shared import config
from shared.adapters.clock_system import SystemClock
from shared.adapters.commit_git import read_commit
from shared.adapters.secret_file import kept_secret
from shared.adapters.secret_vault import SecretVault
from shared.bootstrap import places
from shared.bootstrap.ports import Ports
from shared.domain.access import DEFAULT_WORKSPACE
from shared.domain.secrets import Secret
from shared.errors import InvalidInput
from shared.messages.events import Event, FunctionName
from shared.messages.monitoring import SystemInfo
from shared.ports import Bus
from shared.services import relaying
from shared.web import telemetry
from shared.web.guard import Guard, mint
from shared.web.health import Check
from shared.web.limits import RateLimits
from shared.web.oidc import ServiceTokens
from shared.web.pages import People
from shared.web.roll_call import Ask
from shared.web.session import Sessions

CONSUMERS: dict[str, Callable[[Event], Awaitable[None]]] = {}
"""Handlers of events in this process, by function; the local server fills it for its bus."""

_QUESTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "store": ("ping", ()),
    "blobs": ("ping", ()),
    "index": ("version", (DEFAULT_WORKSPACE,)),
}
"""What tells whether a port works: a method of it, and its arguments."""

_SYSTEM_TOKEN_S = 300


@dataclass(slots=True)
class WebGate:
    """What the web layer needs: see `shared.web.endpoint.Gate`."""

    guard: Guard
    limits: RateLimits
    body_bytes: int
    version: str
    checks: Mapping[str, Check]
    started_at: str

    @property
    def bus(self) -> Bus:
        """What is told of events that a consumer could not handle."""
        return deps().bus


@dataclass(slots=True)
class ConsoleDesk:
    """What signs people in: see `shared.web.pages.Desk`."""

    sessions: Sessions
    people: People | None


@cache
def settings() -> config.Settings:
    """Returns the settings, read once."""
    return config.load()


def start() -> None:
    """Begins a function's process: settings that are wrong end it here, and logs are JSON.

    Raises:
        InvalidInput: a setting is wrong; see `config.load`.
    """
    telemetry.configure_logging(settings().log_level)


@cache
def deps() -> Ports:
    """Returns the ports of this process."""
    publish = relaying.publisher(lambda: deps().bus, lambda: deps().store)
    return Ports(settings(), vault(), publish, CONSUMERS, system_token, jwt_secret)


@cache
def gate() -> WebGate:
    """Returns the guard and the limits of this process; a check builds what it looks at."""
    limits = settings().limits
    guard = Guard(deps().store, deps().clock, jwt_secret, _services())
    jwt_secret()  # what is wrong with it shows now, not at a request
    checks: dict[str, Check] = {port: partial(_ask, port) for port in _QUESTIONS}
    return WebGate(
        guard,
        RateLimits(limits.burst),
        limits.body_bytes,
        config.VERSION,
        checks,
        deps().clock.now_text(),
    )


@cache
def desk() -> ConsoleDesk:
    """Returns what signs people in to the console of this process."""
    return ConsoleDesk(Sessions(deps().clock, jwt_secret), _people())


@cache
def asks() -> Mapping[FunctionName, Ask]:
    """Returns how functions of other processes are asked how they are, where addresses are set.

    Raises:
        InvalidInput: what is set is no address.
    """
    from shared.adapters.health_http import FunctionHealth
    from shared.adapters.http_client import HttpClient

    client = HttpClient()
    addresses = settings().console.functions
    return {name: FunctionHealth(name, url, client) for name, url in addresses.items()}


def _people() -> People | None:
    """Returns what knows whom IAP has signed in; None where nobody is in front of us."""
    console = settings().console
    if console.iap_audience is None:
        return None
    from shared.adapters.signing_keys_jwks import JwksSigningKeys
    from shared.web.iap import IapPeople

    return IapPeople(
        JwksSigningKeys(console.iap_jwks_url, deps().clock),
        deps().clock,
        issuer=console.iap_issuer,
        audience=console.iap_audience,
        roles=console.roles,
        workspace=console.workspace,
    )


def _services() -> ServiceTokens | None:
    """Returns what knows the service accounts that may call us; None where there are none."""
    gcp = settings().gcp
    if not gcp.push_service_accounts or gcp.push_audience is None:
        return None
    from shared.adapters.signing_keys_jwks import JwksSigningKeys

    return ServiceTokens(
        JwksSigningKeys(gcp.push_jwks_url, deps().clock),
        deps().clock,
        issuer=gcp.push_issuer,
        audience=gcp.push_audience,
        accounts=gcp.push_service_accounts,
    )


def system_info() -> SystemInfo:
    """Returns what runs here, without secrets."""
    return SystemInfo(
        version=config.VERSION,
        commit=commit(),
        python=platform.python_version(),
        backend=settings().backend,
        started_at=gate().started_at,
        configuration=config.without_secrets(settings()),
    )


@cache
def commit() -> str | None:
    """Returns the commit that runs: as set when it was built, else that of the checkout.

    None where neither tells.
    """
    return settings().commit or read_commit(Path(__file__).resolve().parents[2])


def jwt_secret() -> str:
    """Returns the secret that signs people's tokens, as it is now.

    Made, and kept beside the data, where none is set; where there are several processes the
    settings must have one.

    Raises:
        InvalidInput: the secret that the settings name is too short to sign with.
    """
    secret = _signing()()
    if len(secret) < config.LEAST_SIGNING:
        raise InvalidInput(f"jwt_secret names a secret below {config.LEAST_SIGNING} characters")
    return secret


def system_token() -> str:
    """Returns a fresh credential of the system: a service account's where only those are believed.

    Raises:
        Unavailable: they are, and this machine has none.
    """
    gcp = settings().gcp
    if gcp.push_service_accounts and gcp.push_audience is not None:
        from shared.adapters.identity_token import identity_token

        return identity_token(gcp.push_audience)
    expires_at = deps().clock.now().timestamp() + _SYSTEM_TOKEN_S
    return mint(jwt_secret(), "schedule", DEFAULT_WORKSPACE, "system", expires_at)


@cache
def _signing() -> Secret:
    given = settings().jwt_secret
    if given is None:
        kept = kept_secret(places.kept_in(settings()) / "jwt_secret")
        return lambda: kept
    return vault().secret(given.get_secret_value())


def bootstrap_key() -> str | None:
    """Returns the first admin key that the settings hold or name; None where they do not."""
    given = settings().bootstrap_api_key
    return vault().secret(given.get_secret_value())() if given is not None else None


@cache
def vault() -> SecretVault:
    """Returns what turns settings into secrets."""
    return places.vault(settings(), SystemClock())


async def _ask(port: str) -> object:
    """Asks a port whether it works.

    By name: only a function whose health depends on a port builds it, and has it in its bundle.
    """
    method, arguments = _QUESTIONS[port]
    found: object = await getattr(getattr(deps(), port), method)(*arguments)
    return found


def reset() -> None:
    """Forgets what was built, so that the next use builds it anew.

    For tests, and for a server that restarts in place.
    """
    for built in (settings, vault, deps, gate, desk, _signing, commit):
        built.cache_clear()
    CONSUMERS.clear()
