"""What Pub/Sub must have for the loop: topics and subscriptions, derived from `FLOW`.

Plain values: `pubsub_setup` makes them on the emulator, a test compares them with terraform/. One
topic for an event type and one push subscription for each of its consumers, without filters, so
that a consumer gets the same everywhere. What a consumer could not handle goes to its dead-letter
topic, from where the monitor records it, and where a second subscription keeps it for people.

No subscription delivers in order: see docs/decisions/0021 for why none needs to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import InvalidInput
from shared.messages.events import FLOW, EventType, FunctionName

FEWEST_ATTEMPTS, MOST_ATTEMPTS = 5, 100
"""How often Pub/Sub lets a delivery be tried before it is a dead letter."""

KEPT_S = 7 * 86_400
"""Seconds that a subscription keeps what is not acknowledged."""

DEAD_KEPT_S = 31 * 86_400
"""Seconds that a dead-letter topic keeps its messages, whoever has read them: the most there is."""

RECORDER: FunctionName = "monitor"
"""Records dead letters in the store."""

_ACK_DEADLINES_S: Mapping[FunctionName, int] = {"retrain": 600}
_ACK_DEADLINE_S = 60


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic; `retention_s` 0 keeps nothing beyond its subscriptions."""

    name: str
    retention_s: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that never expires.

    `function` and `path` say where it pushes; both None where it waits to be pulled.
    `first_backoff_s` None leaves the pauses between tries to Pub/Sub. `dead_letter_topic` None
    tries for as long as the message is kept.
    """

    name: str
    topic: str
    function: FunctionName | None
    path: str | None
    ack_deadline_s: int = _ACK_DEADLINE_S
    retention_s: int = KEPT_S
    first_backoff_s: float | None = 10.0
    longest_backoff_s: float = 600.0
    dead_letter_topic: str | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that must be there, in the order in which it can be made."""

    topics: tuple[Topic, ...]
    subscriptions: tuple[Subscription, ...]


def topic_name(prefix: str, type: EventType) -> str:
    """Returns the topic of an event type, for example `whetstone.entry.submitted`."""
    return f"{prefix}.{type}"


def dead_letter_topic_name(prefix: str, consumer: FunctionName) -> str:
    """Returns the topic of what a consumer could not handle."""
    return f"{prefix}.dead-letter.{consumer}"


def consumers() -> tuple[FunctionName, ...]:
    """Returns every function that consumes an event, in order of name."""
    return tuple(sorted({name for route in FLOW.values() for name in route.consumers}))


def topology(
    *,
    prefix: str = "whetstone",
    attempts: int = FEWEST_ATTEMPTS,
    first_backoff_s: float | None = 10.0,
    longest_backoff_s: float = 600.0,
) -> Topology:
    """Returns what Pub/Sub must have.

    Args:
        prefix: of every name; letters first, so that Pub/Sub takes it.
        attempts: tries before a dead letter, 5 to 100.
        first_backoff_s: the shortest pause between two tries; None leaves them to Pub/Sub.
        longest_backoff_s: the longest.

    Raises:
        InvalidInput: Pub/Sub does not take this prefix or this number of tries.
    """
    if not FEWEST_ATTEMPTS <= attempts <= MOST_ATTEMPTS:
        bounds = f"{FEWEST_ATTEMPTS} to {MOST_ATTEMPTS}"
        raise InvalidInput(f"Pub/Sub tries a delivery {bounds} times, not {attempts}")
    if not prefix[:1].isalpha() or not prefix.isascii() or prefix.lower().startswith("goog"):
        raise InvalidInput(f"names of Pub/Sub start with a letter and not with goog: {prefix!r}")
    events = [
        Subscription(
            name=f"{prefix}.{type}.{consumer}",
            topic=topic_name(prefix, type),
            function=consumer,
            path=f"/events/{consumer}",
            ack_deadline_s=_ACK_DEADLINES_S.get(consumer, _ACK_DEADLINE_S),
            first_backoff_s=first_backoff_s,
            longest_backoff_s=longest_backoff_s,
            dead_letter_topic=dead_letter_topic_name(prefix, consumer),
            attempts=attempts,
        )
        for type, route in FLOW.items()
        for consumer in route.consumers
    ]
    dead = [
        one
        for consumer in consumers()
        for one in _of_dead_letters(prefix, consumer, first_backoff_s, longest_backoff_s)
    ]
    topics = [Topic(topic_name(prefix, type)) for type in FLOW]
    topics += [Topic(dead_letter_topic_name(prefix, name), DEAD_KEPT_S) for name in consumers()]
    return Topology(tuple(topics), (*events, *dead))


def _of_dead_letters(
    prefix: str, consumer: FunctionName, first_backoff_s: float | None, longest_backoff_s: float
) -> tuple[Subscription, Subscription]:
    """Returns the subscription that records a consumer's dead letters, and the one for people."""
    topic = dead_letter_topic_name(prefix, consumer)
    recording = Subscription(
        name=f"{topic}.{RECORDER}",
        topic=topic,
        function=RECORDER,
        path=f"/events/dead-letters/{consumer}",
        first_backoff_s=first_backoff_s,
        longest_backoff_s=longest_backoff_s,
    )
    return recording, Subscription(name=f"{topic}.kept", topic=topic, function=None, path=None)
