"""Notify: every event in words, each channel by itself, against a real mail server and receiver."""

import asyncio
import json

import pytest

from functions.notify.main import app
from shared import bootstrap
from shared.adapters.notifier_log import LogNotifier
from shared.adapters.notifier_slack import SlackNotifier
from shared.adapters.notifier_smtp import SmtpNotifier
from shared.adapters.notifier_webhook import SIGNATURE_HEADER, WebhookNotifier, verify
from shared.domain.operations import CONSUMED
from shared.errors import InvalidInput, Unavailable
from shared.messages.events import FLOW, Event
from shared.services import notifying
from shared.web.session import PLAIN_COOKIE, Session
from tests.fakes.clock import ManualClock
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.smtp_server import SmtpServer
from tests.support.entries import submit
from tests.support.every_route import gateway
from tests.support.system import WORKSPACE, play

DATA = {
    "entry.submitted": {"topic": "billing", "revision": 1},
    "alert.raised": {"summary": "quality fell by 12 %", "severity": "critical", "rule": "x"},
    "alert.resolved": {"summary": "quality fell by 12 %", "severity": "critical"},
    "learning.rolled_back": {"snapshot_id": "snap_1"},
}


def event(kind="alert.raised", number=1, at="2026-01-01T12:00:00.000000Z", **data):
    return Event(
        event_id=f"evt_{number}",
        type=kind,
        workspace=WORKSPACE,
        occurred_at=at,
        subject="sub_1",
        data={**DATA.get(kind, {}), **data},
    )


def mail(server):
    return SmtpNotifier(
        "127.0.0.1", server.port, "whetstone@localhost", ["ops@localhost"], security="none"
    )


def webhook(receiver):
    return WebhookNotifier(f"{receiver.url}/hook", "shared secret", ManualClock())


def with_channels(tmp_path, channels, scenario):
    async def run(system):
        try:
            return await scenario(system)
        finally:
            for channel in channels:
                await channel.close()

    return play(tmp_path, run, notifiers=tuple(channels))


def test_every_event_that_notify_consumes_has_a_wording_and_no_other():
    consumed = {name for name, route in FLOW.items() if "notify" in route.consumers}
    assert set(notifying.WORDINGS) == consumed


@pytest.mark.parametrize("kind", sorted(notifying.WORDINGS))
def test_every_event_reads_as_a_title_with_facts_and_a_link(kind):
    message = notifying.compose(event(kind), "http://console.test/")
    assert message.title
    assert "{" not in message.title + message.link
    assert message.link.startswith("http://console.test/")
    assert message.facts["Id"] == "sub_1"
    bare = event(kind).model_copy(update={"data": {}})
    assert notifying.compose(bare, "http://console.test").title


def test_titles_say_what_happened():
    def title(kind, **data):
        return notifying.compose(event(kind, **data), "").title

    assert title("entry.submitted") == "A new entry waits for approval: billing"
    assert title("entry.submitted", revision=2) == "Revision 2 waits for approval: billing"
    assert title("alert.raised") == "quality fell by 12 %"
    assert title("alert.resolved") == "Resolved: quality fell by 12 %"
    assert title("learning.rolled_back") == "Learning rolled back to snap_1"


def test_only_raised_alerts_are_urgent_and_an_unknown_severity_warns():
    assert notifying.compose(event(), "").severity == "critical"
    assert notifying.compose(event("alert.resolved"), "").severity == "info"
    assert notifying.compose(event(severity="odd"), "").severity == "warning"


def test_an_alert_reaches_mail_slack_webhook_and_log(tmp_path, caplog):
    caplog.set_level("INFO")
    with SmtpServer() as server, HttpReceiver() as slack, HttpReceiver() as hook:
        channels = [LogNotifier(), mail(server), SlackNotifier(slack.url), webhook(hook)]

        async def scenario(system):
            await notifying.notify(system.deps, event())

        with_channels(tmp_path, channels, scenario)
        (message,) = server.messages
        assert message["Subject"] == "[default] CRITICAL: quality fell by 12 %"
        assert "http://127.0.0.1:8080/monitor" in message.get_content()
        assert "quality fell by 12 %" in json.loads(slack.deliveries[0].body)["text"]
        (delivery,) = hook.deliveries
        now_s = ManualClock().now().timestamp()
        header = delivery.headers[SIGNATURE_HEADER]
        verify("shared secret", header, delivery.body, now_s=now_s)
        assert [one.message for one in caplog.records].count("notification") == 1


def test_one_channels_failure_resends_on_no_other(tmp_path):
    with SmtpServer() as server, HttpReceiver() as slack, HttpReceiver() as hook:
        channels = [SlackNotifier(slack.url), mail(server), webhook(hook)]
        hook.status = 503

        async def scenario(system):
            for _ in range(2):
                with pytest.raises(Unavailable, match="webhook"):
                    await notifying.notify(system.deps, event())
            assert len(hook.deliveries) == 2
            hook.status = 200
            await notifying.notify(system.deps, event())
            await notifying.notify(system.deps, event())

        with_channels(tmp_path, channels, scenario)
        assert (len(slack.deliveries), len(server.messages), len(hook.deliveries)) == (1, 1, 3)


def test_a_channel_that_refuses_for_good_is_logged_and_not_tried_again(tmp_path, caplog):
    with HttpReceiver() as slack, HttpReceiver() as hook:
        slack.status = 404
        channels = [SlackNotifier(slack.url), webhook(hook)]

        async def scenario(system):
            await notifying.notify(system.deps, event())
            await notifying.notify(system.deps, event())

        with_channels(tmp_path, channels, scenario)
        assert (len(slack.deliveries), len(hook.deliveries)) == (1, 1)
        assert [one.message for one in caplog.records].count("notification.refused") == 1


def test_people_are_not_told_of_what_asks_nothing_of_them(tmp_path):
    with SmtpServer() as server, HttpReceiver() as hook:
        channels = [mail(server), webhook(hook)]

        async def scenario(system):
            await notifying.notify(system.deps, event("entry.approved"))
            await notifying.notify(system.deps, event("learning.completed", 2))

        with_channels(tmp_path, channels, scenario)
        assert server.messages == []
        assert len(hook.deliveries) == 2


def test_a_crowd_of_submissions_is_one_mail_and_every_webhook(tmp_path):
    with SmtpServer() as server, HttpReceiver() as hook:
        channels = [mail(server), webhook(hook)]

        async def scenario(system):
            crowd = [event("entry.submitted", number) for number in range(8)]
            await asyncio.gather(*(notifying.notify(system.deps, one) for one in crowd))
            later = event("entry.submitted", 99, "2026-01-01T12:06:00.000000Z")
            await notifying.notify(system.deps, later)

        with_channels(tmp_path, channels, scenario)
        assert len(server.messages) == 2
        assert len(hook.deliveries) == 9


def test_the_log_alone_needs_no_record_of_it(tmp_path, caplog):
    caplog.set_level("INFO")

    async def scenario(system):
        await notifying.notify(system.deps, event())
        mark = f"notify/log:{event().event_id}"
        assert await system.store.get(WORKSPACE, CONSUMED, mark) is None

    with_channels(tmp_path, [LogNotifier()], scenario)
    assert [one.message for one in caplog.records] == ["notification"]


def test_an_event_without_wording_is_refused_for_good(tmp_path):
    async def scenario(system):
        with pytest.raises(InvalidInput, match="no wording"):
            await notifying.notify(system.deps, event("feedback.recorded"))

    play(tmp_path, scenario)


def test_the_function_takes_events_over_http_from_the_bus_only(tmp_path):
    with HttpReceiver() as hook:
        channels = [webhook(hook)]

        async def scenario(system):
            http = await system.client(app, role="system")
            body = event().model_dump()
            answer = await http.post("/events/notify", json=body)
            assert (answer.status_code, answer.json()["event_id"]) == (200, "evt_1")
            outside = await system.client(app, scopes=("admin",))
            assert (await outside.post("/events/notify", json=body)).status_code == 403

        with_channels(tmp_path, channels, scenario)
        assert len(hook.deliveries) == 1


def test_a_dead_channel_ends_in_a_dead_letter_and_can_be_replayed(tmp_path):
    with HttpReceiver() as hook:
        hook.status = 500

        async def scenario(system):
            system.attach(app)

            async def write(tx):
                tx.emit(event())

            await system.store.transact(WORKSPACE, write)
            await system.drain()
            for _ in range(4):
                system.clock.advance(600)
                await system.bus.retry_due()
            (dead,) = await system.bus.dead_letters()
            assert dead.consumer == "notify"
            hook.status = 200
            await system.bus.replay([dead.id])
            assert await system.bus.retry_due() == 1
            assert await system.bus.dead_letters() == []

        with_channels(tmp_path, [webhook(hook)], scenario)
        assert len(hook.deliveries) == 6


@pytest.mark.parametrize("kind", sorted(notifying.WORDINGS))
def test_every_link_leads_to_a_page_that_a_browser_can_open(tmp_path, kind):
    async def scenario(system):
        subject = await submit(system)
        told = event(kind).model_copy(update={"subject": subject})
        http = await gateway(system)
        session = Session("ada", WORKSPACE, "viewer", "sid")
        http.cookies.set(PLAIN_COOKIE, bootstrap.desk().sessions.open(session))
        link = notifying.compose(told, "http://whetstone.test").link
        page = await http.get(link, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")

    play(tmp_path, scenario)
