"""The composition root: channels from the settings, and what runs."""

import re
from pathlib import Path
from unittest.mock import patch

import pytest
from pydantic import ValidationError

from functions.monitor.main import app
from shared import bootstrap, config
from shared.adapters.schedule_inprocess import JobCaller, latest_tick, next_tick
from shared.adapters.secret_vault import SecretVault
from shared.bootstrap import people
from shared.domain.operations import CONSUMED, Consumed
from shared.errors import InvalidInput
from shared.messages.events import JOBS, Event
from shared.services import notifying, scheduling
from tests.fakes.clock import ManualClock
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.smtp_server import SmtpServer
from tests.support.system import WORKSPACE, play

ROOT = Path(__file__).parents[3]
VAULT = SecretVault(None, ManualClock())


def names(**notify):
    settings = config.NotifySettings(**notify)
    return [one.name for one in people.notifiers(settings, ManualClock(), VAULT)]


def test_the_log_is_always_a_channel():
    assert names() == ["log"]


def test_each_channel_with_an_address_is_on():
    found = names(
        smtp_host="mail",
        mail_to=["ops@localhost"],
        slack_webhook_url="https://hooks.test/a",
        webhook_url="https://hooks.test/b",
        webhook_secret="s",
    )
    assert found == ["log", "smtp", "slack", "webhook"]


def test_a_mail_server_without_receivers_sends_none():
    assert names(smtp_host="mail") == ["log"]


@pytest.mark.parametrize(
    ("notify", "named"),
    [
        ({"mail_to": ["ops@localhost"]}, "smtp_host"),
        ({"webhook_url": "https://hooks.test"}, "webhook_secret"),
        ({"smtp_host": "m", "smtp_user": "u", "smtp_starttls": False}, "smtp_starttls"),
    ],
)
def test_half_a_channel_stops_the_start_and_says_what_is_missing(notify, named):
    with pytest.raises(ValidationError, match=named):
        config.NotifySettings(**notify)


def test_configured_channels_carry_a_notification(tmp_path):
    with SmtpServer() as mail, HttpReceiver() as hook:
        settings = config.NotifySettings(
            smtp_host="127.0.0.1",
            smtp_port=mail.port,
            smtp_starttls=False,
            mail_to=["ops@localhost"],
            webhook_url=hook.url,
            webhook_secret="s",
        )
        channels = people.notifiers(settings, ManualClock(), VAULT)

        event = Event(
            event_id="evt_1",
            type="alert.raised",
            workspace=WORKSPACE,
            occurred_at="2026-01-01T12:00:00.000000Z",
            subject="alr_1",
        )

        async def scenario(system):
            await notifying.notify(system.deps, event)
            for channel in channels:
                await channel.close()

        play(tmp_path, scenario, notifiers=channels)
        assert (len(mail.messages), len(hook.deliveries)) == (1, 1)


def test_the_version_is_that_of_the_package():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'version = "{config.VERSION}"' in project


def test_a_login_in_an_address_is_not_shown():
    settings = config.Settings(notify={"console_url": "https://me:pw@console.test/x"})
    shown = config.without_secrets(settings)
    assert shown["notify"]["console_url"] == "https://console.test/x"
    assert shown["notify"]["slack_webhook_url"] is None


def test_the_commit_is_the_one_that_was_built():
    bootstrap.commit.cache_clear()
    with patch.object(bootstrap, "settings", lambda: config.Settings(commit="abc")):
        assert bootstrap.commit() == "abc"
    bootstrap.commit.cache_clear()


def test_the_commit_of_a_checkout_is_the_one_that_is_checked_out():
    bootstrap.commit.cache_clear()
    with patch.object(bootstrap, "settings", config.Settings):
        assert re.fullmatch("[0-9a-f]{40}", bootstrap.commit())
    bootstrap.commit.cache_clear()


@pytest.mark.parametrize("secret", ["", "x" * 31])
def test_a_named_secret_that_is_too_short_signs_nothing(secret):
    with patch.object(bootstrap, "_signing", lambda: lambda: secret), pytest.raises(InvalidInput):
        bootstrap.jwt_secret()


def test_the_schedule_runs_the_real_jobs_with_the_systems_credential(tmp_path):
    jobs = {name: job for name, job in JOBS.items() if job.function == "monitor"}

    async def scenario(system):
        call = JobCaller(app, lambda: system.token("scheduler", "system"))
        schedule = scheduling.Schedule(system.deps, jobs, call, latest_tick, next_tick)
        await schedule.start_due()
        expired = Consumed(id="x", expires_at=system.clock.now_text())

        async def write(tx):
            tx.put(CONSUMED, expired)

        await system.store.transact(WORKSPACE, write)
        system.clock.advance(60)
        for task in await schedule.start_due():
            await task
        assert await system.store.get(WORKSPACE, CONSUMED, "x") is None

    play(tmp_path, scenario)
