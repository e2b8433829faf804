"""The one place that picks the concrete adapters, from the settings, at the first use.

Every function asks here; what it is given is built once per process and lazily: importing this
module reads and connects nothing.
"""

import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared import config
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.bus_inprocess import InProcessBus, Retries
from shared.adapters.clock_system import SystemClock
from shared.adapters.commit_git import read_commit
from shared.adapters.ids_sortable import SortableIds
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.adapters.notifier_log import LogNotifier
from shared.adapters.notifier_slack import SlackNotifier
from shared.adapters.notifier_smtp import SmtpNotifier
from shared.adapters.notifier_webhook import WebhookNotifier
from shared.adapters.provider_openai import OpenAIProvider
from shared.adapters.secret_file import kept_secret
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.access import DEFAULT_WORKSPACE
from shared.domain.models import Catalogue, ModelKey, Price
from shared.messages.events import Event
from shared.messages.monitoring import SystemInfo
from shared.ports import Clock, CompletionProvider, Notifier
from shared.services.deps import Deps, Options
from shared.web.guard import Guard
from shared.web.health import Check
from shared.web.limits import RateLimits

CONSUMERS: dict[str, Callable[[Event], Awaitable[None]]] = {}
"""Handlers of events in this process, by function; the local server fills it for its bus."""


@dataclass(slots=True)
class WebGate:
    """What the web layer needs: see `shared.web.endpoint.Gate`."""

    guard: Guard
    limits: RateLimits
    body_bytes: int
    version: str
    checks: Mapping[str, Check]
    started_at: str


@cache
def settings() -> config.Settings:
    """Returns the settings, read once."""
    return config.load()


@cache
def deps() -> Deps:
    """Returns the ports of this process."""
    chosen = settings()
    root = chosen.data_dir
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = SqliteStore(root / "whetstone.db")
    clock = SystemClock()
    retries = Retries(
        chosen.events.attempts, chosen.events.first_backoff_s, chosen.events.longest_backoff_s
    )
    return Deps(
        store=store,
        analytics=SqliteAnalytics(store.path),
        blobs=FolderBlobs(root / "blobs"),
        bus=InProcessBus(store, clock, CONSUMERS, retries),
        index=SqliteKnowledgeIndex(root / "index"),
        clock=clock,
        ids=SortableIds(),
        catalogue=_catalogue(chosen),
        providers=_providers(chosen),
        notifiers=_notifiers(chosen.notify, clock),
        options=Options(
            learning=chosen.learning,
            idempotency_hours=chosen.idempotency_hours,
            snapshot_poll_s=chosen.serving.snapshot_poll_s,
            completion_timeout_s=chosen.serving.completion_timeout_s,
            completion_deadline_s=chosen.serving.completion_deadline_s,
            completion_attempts=chosen.serving.completion_attempts,
            expected_output_tokens=chosen.serving.expected_output_tokens,
            console_url=chosen.notify.console_url,
        ),
    )


@cache
def gate() -> WebGate:
    """Returns the guard and the limits of this process."""
    limits = settings().limits
    guard = Guard(deps().store, deps().clock, jwt_secret())
    checks: dict[str, Check] = {
        "store": deps().store.ping,
        "blobs": deps().blobs.ping,
        "index": lambda: deps().index.version(DEFAULT_WORKSPACE),
    }
    return WebGate(
        guard,
        RateLimits(limits.burst, deps().clock),
        limits.body_bytes,
        config.VERSION,
        checks,
        deps().clock.now_text(),
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
    return settings().commit or read_commit(Path(__file__).resolve().parents[1])


@cache
def jwt_secret() -> str:
    """Returns the secret that signs people's tokens.

    Made, and kept beside the data, where none is set.
    """
    given = settings().jwt_secret
    if given is not None:
        return given.get_secret_value()
    return kept_secret(settings().data_dir / "jwt_secret")


def reset() -> None:
    """Forgets what was built, so that the next use builds it anew.

    For tests, and for a server that restarts in place.
    """
    for built in (settings, deps, gate, jwt_secret, commit):
        built.cache_clear()
    CONSUMERS.clear()


def _catalogue(chosen: config.Settings) -> Catalogue:
    return Catalogue(
        {
            ModelKey(provider.name, one.model): Price(one.usd_per_m_input, one.usd_per_m_output)
            for provider in chosen.providers
            for one in provider.models
        }
    )


def _providers(chosen: config.Settings) -> dict[str, CompletionProvider]:
    return {
        one.name: OpenAIProvider(one.name, one.base_url, one.api_key()) for one in chosen.providers
    }


def _notifiers(chosen: config.NotifySettings, clock: Clock) -> tuple[Notifier, ...]:
    found: list[Notifier] = [LogNotifier()]
    if chosen.smtp_host and chosen.mail_to:
        found.append(_mail(chosen.smtp_host, chosen))
    if chosen.slack_webhook_url is not None:
        found.append(SlackNotifier(chosen.slack_webhook_url.get_secret_value()))
    if chosen.webhook_url is not None and chosen.webhook_secret is not None:
        url, secret = chosen.webhook_url, chosen.webhook_secret
        found.append(WebhookNotifier(url.get_secret_value(), secret.get_secret_value(), clock))
    return tuple(found)


def _mail(host: str, chosen: config.NotifySettings) -> SmtpNotifier:
    return SmtpNotifier(
        host,
        chosen.smtp_port,
        chosen.mail_from,
        chosen.mail_to,
        security="starttls" if chosen.smtp_starttls else "none",
        username=chosen.smtp_user,
        password=chosen.smtp_password.get_secret_value() if chosen.smtp_password else "",
    )
