"""One decoder takes events however they arrive, and refuses rubbish."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.messages import cloudevents
from shared.messages.events import FLOW, Event
from shared.web.events import PUBSUB_TYPE, decode, receive

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    event_id=TEXT,
    type=st.sampled_from(sorted(FLOW)),
    workspace=TEXT,
    occurred_at=st.just("2026-01-01T12:00:00.000000Z"),
    subject=TEXT,
    data=st.dictionaries(st.sampled_from(["message", "data", "specversion"]) | TEXT, VALUES),
)


def cloud_event(event):
    return {
        "specversion": "1.0",
        "source": "//whetstone",
        "id": event.event_id,
        "type": event.type,
        "workspace": event.workspace,
        "time": event.occurred_at,
        "subject": event.subject,
        "datacontenttype": "application/json",
        "data": event.data,
    }


def push(content):
    data = base64.b64encode(json.dumps(content).encode()).decode()
    return {"message": {"data": data, "messageId": "1", "attributes": {}}, "subscription": "s"}


def eventarc(content):
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "//pubsub.googleapis.com/projects/p/topics/t",
        "type": PUBSUB_TYPE,
        "time": "2026-01-01T12:00:00Z",
        "data": push(content),
    }


def structured(content):
    return {b"content-type": b"application/cloudevents+json"}, json.dumps(content).encode()


def binary(content):
    attributes = {name: value for name, value in content.items() if name != "data"}
    headers = {f"ce-{name}".encode(): quote(value).encode() for name, value in attributes.items()}
    return headers, json.dumps(content["data"]).encode()


def data_base64(content):
    data = base64.b64encode(json.dumps(content.pop("data")).encode()).decode()
    return structured({**content, "data_base64": data})


WAYS = {
    "the envelope": lambda event: structured(event.model_dump()),
    "a push of the envelope": lambda event: structured(push(event.model_dump())),
    "a push of a CloudEvent": lambda event: structured(push(cloud_event(event))),
    "a structured CloudEvent": lambda event: structured(cloud_event(event)),
    "a CloudEvent with bytes": lambda event: data_base64(cloud_event(event)),
    "a binary CloudEvent": lambda event: binary(cloud_event(event)),
    "Eventarc, structured": lambda event: structured(eventarc(event.model_dump())),
    "Eventarc, binary": lambda event: binary(eventarc(cloud_event(event))),
}


@pytest.mark.parametrize("way", WAYS)
@given(event=EVENTS)
@settings(max_examples=60, deadline=None)
def test_an_event_comes_through_unchanged(way, event):
    assert decode(*WAYS[way](event)) == event


GOOD = Event(
    event_id="evt_1",
    type="entry.approved",
    workspace="default",
    occurred_at="2026-01-01T12:00:00.000000Z",
    subject="ent_1",
    data={},
)


def test_a_binary_cloud_event_may_have_no_body():
    headers, _ = binary(cloud_event(GOOD))
    assert decode(headers, b"") == GOOD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"message": null}',
        b'{"message": {}}',
        b'{"message": {"data": 7}}',
        b'{"message": {"data": "%%%"}}',
        '{"message": {"data": "é"}}'.encode(),
        b'{"message": {"data": "AAA"}}',
        b'{"message": {"data": "bnVsbA=="}}',
        b'{"specversion": "1.0"}',
        b'{"specversion": "1.0", "data_base64": 7}',
        json.dumps({**cloud_event(GOOD), "type": "unknown.type"}).encode(),
        json.dumps({**cloud_event(GOOD), "data": [1]}).encode(),
        json.dumps({**cloud_event(GOOD), "data": 0}).encode(),
        json.dumps({**eventarc({}), "data": {}}).encode(),
        json.dumps({**GOOD.model_dump(), "subject": 7}).encode(),
        b'{"event_id": "\\ud800"}',
    ],
)
def test_rubbish_is_invalid_input(body):
    with pytest.raises(InvalidInput):
        decode({}, body)


def test_headers_that_are_not_utf8_are_invalid_input():
    headers, body = binary(cloud_event(GOOD))
    for bad in (b"\xff", b"%FF"):
        with pytest.raises(InvalidInput, match="UTF-8"):
            decode({**headers, b"ce-subject": bad}, body)


@given(
    headers=st.dictionaries(st.sampled_from([b"ce-id", b"ce-type"]), st.binary()), body=st.binary()
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_event_or_invalid_input(headers, body):
    with pytest.raises(InvalidInput):
        decode(headers, body)


# --- what comes beside an event -------------------------------------------------------------------


@given(event=EVENTS)
@settings(max_examples=30)
def test_what_is_sent_is_what_is_received(event):
    body = push(json.loads(cloudevents.structured(event)))
    for envelope in (body, {**eventarc(cloud_event(event)), "data": body}):
        got = receive({}, json.dumps(envelope).encode())
        assert (got.event, got.consumer, got.attempt) == (event, None, None)


@pytest.mark.parametrize(
    ("envelope", "attributes", "consumer", "attempt"),
    [
        ({"deliveryAttempt": 3}, {}, None, 3),
        ({}, {"consumer": "publish"}, "publish", None),
        ({}, {"CloudPubSubDeadLetterSourceDeliveryCount": "5"}, None, 5),
        ({"deliveryAttempt": 2}, {"CloudPubSubDeadLetterSourceDeliveryCount": "5"}, None, 2),
        ({"deliveryAttempt": "many"}, {"consumer": 7}, None, None),
        ({"deliveryAttempt": -1}, None, None, None),
        ({"deliveryAttempt": "9" * 5_000}, [], None, None),
        ({"deliveryAttempt": "\u0665"}, "text", None, None),
    ],
    ids=str,
)
def test_a_push_tells_the_try_and_for_whom_it_is(envelope, attributes, consumer, attempt):
    event = EVENT
    body = push(json.loads(cloudevents.structured(event)))
    body["message"]["attributes"] = attributes
    got = receive({}, json.dumps({**body, **envelope}).encode())
    assert (got.event, got.consumer, got.attempt) == (event, consumer, attempt)


EVENT = Event(
    event_id="evt_1",
    type="entry.approved",
    workspace="default",
    occurred_at="2026-01-01T12:00:00.000000Z",
    subject="ent_1",
    data={"revision": 1},
)
