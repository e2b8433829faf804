"""The contract of the notifier port, and what each channel makes of a notification."""

import asyncio
import json
import logging
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from shared.adapters.notifier_log import LogNotifier
from shared.adapters.notifier_slack import SlackNotifier
from shared.adapters.notifier_webhook import WebhookNotifier, sign, verify
from shared.errors import InvalidInput, NotAuthenticated, Unavailable
from shared.ports import Notification, Notifier
from tests.fakes.clock import START, ManualClock
from tests.fakes.http_receiver import HttpReceiver

PATH = "/services/T000/B000/s3cr3t-in-the-path"
SECRET = "whsec-very-s3cr3t"
NOTE = Notification(
    workspace="acme",
    event_id="evt_0123456789",
    kind="entry.submitted",
    title="New entry: cache keys",
    facts={"Submitter": "agent-7", "Confidence": "0.91"},
    link="https://console.example/entries/ent_1",
)
TRICKY = [
    replace(NOTE, title="line\r\nBcc: victim@example.org\r\n\r\nbody"),
    replace(NOTE, workspace="w\r\nX: y", event_id="evt\r\nX-Injected: 1"),
    replace(NOTE, title="<!channel> <https://evil.example|click> & more"),
    replace(NOTE, facts={"a\r\nb": "c\r\nd", "": ""}, link=""),
    replace(NOTE, title="ünïcödé 🦊 \ud800 \x00", facts={"🦊": "\ud800"}),
    replace(NOTE, title="t" * 100_000, facts={str(n): "v" * 5000 for n in range(60)}),
    replace(NOTE, title="", facts={}, link="https://example.org/a|b>c d\r\n\ud800"),
]


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def make_slack(url: str, timeout_s: float = 5.0) -> SlackNotifier:
    return SlackNotifier(url, timeout_s=timeout_s)


def make_webhook(url: str, timeout_s: float = 5.0) -> WebhookNotifier:
    return WebhookNotifier(url, SECRET, ManualClock(), timeout_s=timeout_s)


HTTP_CHANNELS = pytest.mark.parametrize("make", [make_slack, make_webhook])


def send(notifier: Notifier, *notifications: Notification) -> None:
    async def send_all() -> None:
        try:
            for notification in notifications:
                await notifier.notify(notification)
        finally:
            await notifier.close()

    asyncio.run(send_all())


@contextmanager
def nothing_leaks(caplog: pytest.LogCaptureFixture, error: type[Exception]) -> Iterator[None]:
    """Expects `error`, and no secret in it, in its traceback or in any log."""
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as caught:
        yield
    traceback_text = "".join(traceback.format_exception(caught.value))
    for text in (str(caught.value), repr(caught.value), traceback_text, caplog.text):
        assert "s3cr3t" not in text


@HTTP_CHANNELS
def test_a_notification_is_posted_as_json(receiver, make):
    send(make(receiver.url + PATH), NOTE)
    (delivery,) = receiver.deliveries
    assert delivery.path == PATH
    assert delivery.headers["Content-Type"] == "application/json"
    assert "cache keys" in json.dumps(json.loads(delivery.body))


@HTTP_CHANNELS
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_2xx_answer_is_success(receiver, make, status):
    receiver.status = status
    send(make(receiver.url), NOTE)
    assert len(receiver.deliveries) == 1


@HTTP_CHANNELS
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_unavailable(receiver, make, status, caplog):
    receiver.status = status
    with nothing_leaks(caplog, Unavailable):
        send(make(receiver.url + PATH), NOTE)


@HTTP_CHANNELS
@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 422])
def test_what_is_refused_for_good_is_invalid(receiver, make, status, caplog):
    receiver.status = status
    with nothing_leaks(caplog, InvalidInput):
        send(make(receiver.url + PATH), NOTE)


@HTTP_CHANNELS
def test_a_redirect_is_not_followed(receiver, make):
    receiver.status, receiver.location = 307, receiver.url + "/elsewhere"
    with pytest.raises(InvalidInput, match="307"):
        send(make(receiver.url), NOTE)
    assert [delivery.path for delivery in receiver.deliveries] == ["/"]


@HTTP_CHANNELS
@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_receiver_that_comes_to_no_end_is_unavailable_in_time(receiver, make, behaviour, caplog):
    receiver.behaviour = behaviour
    with nothing_leaks(caplog, Unavailable):
        send(make(receiver.url + PATH, timeout_s=0.15), NOTE)


@HTTP_CHANNELS
def test_a_dropped_connection_is_unavailable(receiver, make, caplog):
    receiver.behaviour = "drop"
    with nothing_leaks(caplog, Unavailable):
        send(make(receiver.url + PATH), NOTE)


@HTTP_CHANNELS
def test_nobody_listening_is_unavailable(make, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with nothing_leaks(caplog, Unavailable):
        send(make(f"http://127.0.0.1:{port}{PATH}"), NOTE)


@HTTP_CHANNELS
def test_a_channel_recovers_with_its_receiver(receiver, make):
    async def fail_then_send() -> None:
        notifier = make(receiver.url)
        receiver.status = 503
        with pytest.raises(Unavailable):
            await notifier.notify(NOTE)
        receiver.status = 200
        await notifier.notify(NOTE)
        await notifier.close()
        await notifier.notify(NOTE)
        await notifier.close()

    asyncio.run(fail_then_send())
    assert len(receiver.deliveries) == 3


@HTTP_CHANNELS
def test_a_channel_works_on_another_event_loop(receiver, make):
    notifier = make(receiver.url)
    asyncio.run(notifier.notify(NOTE))
    send(notifier, NOTE)
    assert len(receiver.deliveries) == 2


@HTTP_CHANNELS
def test_success_says_nothing_of_the_address(receiver, make, caplog):
    notifier = make(receiver.url + PATH)
    with caplog.at_level(logging.DEBUG):
        send(notifier, NOTE)
    assert "s3cr3t" not in caplog.text + repr(notifier) + str(notifier)


@HTTP_CHANNELS
@pytest.mark.parametrize(
    "url",
    ["", "s3cr3t", "ftp://h/s3cr3t", "http://", "http:///s3cr3t", "http://h:x/s3cr3t",
     "http://[::1/s3cr3t",
     "http://h/s3cr3t\nx", "http://h:99999/s3cr3t", "http://h h/s3cr3t"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_quoting_it(make, url):
    with pytest.raises(InvalidInput) as caught:
        make(url)
    assert "s3cr3t" not in str(caught.value)


@HTTP_CHANNELS
@pytest.mark.parametrize("note", TRICKY, ids=range(len(TRICKY)))
def test_tricky_notifications_arrive_without_new_headers(receiver, make, note):
    send(make(receiver.url), note)
    (delivery,) = receiver.deliveries
    assert json.loads(delivery.body)
    assert not {"Bcc", "X", "X-Injected"} & delivery.headers.keys()


# --- Slack ---------------------------------------------------------------------------------------


def slack_text(receiver: HttpReceiver, note: Notification) -> str:
    send(make_slack(receiver.url), note)
    return json.loads(receiver.deliveries[-1].body)["text"]


def test_slack_shows_title_facts_and_link(receiver):
    assert slack_text(receiver, replace(NOTE, severity="critical")) == (
        "*[acme] CRITICAL: New entry: cache keys*\n"
        "• Submitter: agent-7\n"
        "• Confidence: 0.91\n"
        "<https://console.example/entries/ent_1|Open>"
    )


def test_slack_markup_in_a_notification_is_only_text(receiver):
    bad = "<!channel> <https://evil.example|click> &"
    text = slack_text(
        receiver, replace(NOTE, title=bad, facts={bad: bad}, link="https://x/a|b>c d")
    )
    assert "&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp;" in text
    assert text.count("<") == text.count(">") == 1
    assert text.endswith("<https://x/a%7Cb%3Ec%20d|Open>")


def test_slack_messages_stay_within_slacks_limit(receiver):
    long = replace(NOTE, title="t" * 9000, facts={str(n): "v" * 5000 for n in range(60)})
    assert len(slack_text(receiver, long)) < 40_000


# --- Slack ---


def test_the_webhook_sends_the_whole_notification_signed(receiver):
    send(make_webhook(receiver.url), NOTE)
    (delivery,) = receiver.deliveries
    assert json.loads(delivery.body) == {
        "workspace": "acme",
        "event_id": "evt_0123456789",
        "kind": "entry.submitted",
        "title": "New entry: cache keys",
        "facts": {"Submitter": "agent-7", "Confidence": "0.91"},
        "link": "https://console.example/entries/ent_1",
        "severity": "info",
    }
    assert delivery.headers["X-Whetstone-Event"] == "evt_0123456789"
    header = delivery.headers["X-Whetstone-Signature"]
    assert header.startswith(f"t={int(START.timestamp())},v1=")
    verify(SECRET, header, delivery.body, now_s=START.timestamp())


def test_a_signature_is_the_hmac_of_time_and_body():
    # Computed with: printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    expected = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert sign("key", b"{}", 1_700_000_000) == f"t=1700000000,v1={expected}"


NOW_S = 1_700_000_000
GOOD = sign(SECRET, b"body", NOW_S)


def test_a_good_signature_verifies():
    verify(SECRET, GOOD, b"body", now_s=NOW_S)


@pytest.mark.parametrize("off_s", [-300, 300])
def test_a_signature_within_the_tolerance_verifies(off_s):
    verify(SECRET, GOOD, b"body", now_s=NOW_S + off_s)


def test_one_of_several_signatures_is_enough():
    verify(SECRET, GOOD.replace(",", f",v1={'0' * 64}, "), b"body", now_s=NOW_S)


@pytest.mark.parametrize(
    ("header", "body", "now_s", "secret"),
    [
        (GOOD, b"Body", NOW_S, SECRET),
        (GOOD, b"body", NOW_S + 301, SECRET),
        (GOOD, b"body", NOW_S - 301, SECRET),
        (GOOD, b"body", NOW_S, "other"),
        (GOOD.replace(f"t={NOW_S}", f"t={NOW_S + 1}"), b"body", NOW_S, SECRET),
        (GOOD + f",t={NOW_S}", b"body", NOW_S, SECRET),
        (GOOD.split(",")[0], b"body", NOW_S, SECRET),
        (GOOD.split(",")[1], b"body", NOW_S, SECRET),
        (GOOD.upper(), b"body", NOW_S, SECRET),
        ("", b"body", NOW_S, SECRET),
        ("t=,v1=", b"body", NOW_S, SECRET),
        ("t=-1,v1=" + "0" * 64, b"body", NOW_S, SECRET),
        ("é" * 100, b"body", NOW_S, SECRET),
    ],
)
def test_a_bad_signature_is_not_authenticated(header, body, now_s, secret):
    with pytest.raises(NotAuthenticated):
        verify(secret, header, body, now_s=now_s)


def test_a_webhook_without_a_secret_is_refused():
    with pytest.raises(InvalidInput, match="secret"):
        WebhookNotifier("http://127.0.0.1:1", "", ManualClock())


# --- log ---


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", logging.ERROR), ("warning", logging.WARNING), ("info", logging.INFO)],
)
def test_the_log_has_one_line_with_the_facts_in_fields(caplog, severity, level):
    with caplog.at_level(logging.INFO, logger="whetstone.notify"):
        send(LogNotifier(), replace(NOTE, severity=severity))
    (record,) = caplog.records
    assert (record.levelno, record.message) == (level, "notification")
    assert (record.workspace, record.event_id) == ("acme", "evt_0123456789")
    assert record.facts == NOTE.facts


@pytest.mark.parametrize("note", TRICKY, ids=range(len(TRICKY)))
def test_tricky_notifications_can_be_logged(caplog, note):
    with caplog.at_level(logging.INFO, logger="whetstone.notify"):
        send(LogNotifier(), note)
    assert [record.message for record in caplog.records] == ["notification"]
