"""Notify: events in words, to people, over every channel that there is.

Invariant: a channel that has had a message does not get it again because another one failed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.domain.operations import CONSUMED, Consumed, Severity
from shared.domain.times import from_text, plus
from shared.errors import InvalidInput, Unavailable, WhetstoneError
from shared.messages.events import Event, EventType
from shared.ports import Notification, Notifier, Transaction
from shared.services.deps import Deps

REMEMBERED_DAYS = 14
"""Days after which a repeated delivery would be sent again; no bus keeps an event that long."""

GATHERED_S = 300
"""Of events that come in crowds, a mail or a message is sent at most every so many seconds."""

_MACHINES = frozenset({"log", "webhook"})
"""Channels that take every event; people are sent only what asks for them."""

_SEVERITIES: Mapping[str, Severity] = {"critical": "critical", "warning": "warning", "info": "info"}

logger = logging.getLogger("whetstone.notifying")

_sending: set[tuple[str, str]] = set()
"""Gathered messages on their way: the others of their crowd need not wait for them."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How an event reads.

    Args:
        title: makes the one line from the event.
        page: of the console, where it can be read; `{subject}` is the event's.
        people: True where people are to be told, not only machines.
        gathered: True where one message may stand for the crowd.
    """

    title: Callable[[Event], str]
    page: str
    people: bool = True
    gathered: bool = False


def _of(event: Event, name: str, otherwise: str = "") -> str:
    value = event.data.get(name)
    return otherwise if value is None else str(value)


def _submitted(event: Event) -> str:
    revision = _of(event, "revision", "1")
    what = "A new entry" if revision == "1" else f"Revision {revision}"
    return f"{what} waits for approval: {_of(event, 'topic', event.subject)}"


def _about_entry(verb: str) -> Callable[[Event], str]:
    return lambda event: f"Entry {verb}: {_of(event, 'topic', event.subject)}"


WORDINGS: Mapping[EventType, Wording] = {
    "entry.submitted": Wording(_submitted, "/queue?open={subject}", gathered=True),
    "entry.approved": Wording(_about_entry("approved"), "/knowledge/{subject}", people=False),
    "entry.rejected": Wording(_about_entry("rejected"), "/knowledge/{subject}"),
    "entry.revision_requested": Wording(_about_entry("needs a revision"), "/knowledge/{subject}"),
    "entry.retracted": Wording(_about_entry("retracted"), "/knowledge/{subject}"),
    "learning.completed": Wording(
        lambda event: f"Training run finished: {_of(event, 'status', event.subject)}",
        "/learning",
        people=False,
    ),
    "learning.rolled_back": Wording(
        lambda event: f"Learning rolled back to {_of(event, 'snapshot_id', event.subject)}",
        "/learning",
    ),
    "canary.started": Wording(
        lambda event: f"A canary tries snapshot {_of(event, 'candidate_id', event.subject)}",
        "/learning/experiments",
        people=False,
    ),
    "canary.ended": Wording(
        lambda event: f"Canary {_of(event, 'outcome')}: {_of(event, 'name', event.subject)}",
        "/learning/experiments",
    ),
    "experiment.ended": Wording(
        lambda event: f"Experiment {_of(event, 'outcome')}: {_of(event, 'name', event.subject)}",
        "/learning/experiments",
    ),
    "alert.raised": Wording(lambda event: _of(event, "summary", event.subject), "/monitor"),
    "alert.resolved": Wording(
        lambda event: f"Resolved: {_of(event, 'summary', event.subject)}", "/monitor"
    ),
}
"""Every event that this function consumes."""


async def notify(deps: Deps, event: Event) -> None:
    """Sends an event over every channel that is for it and has not had it.

    Raises:
        Unavailable: a channel failed that may work later; the others have been tried.
        InvalidInput: no one is told of events of this type.
    """
    wording = WORDINGS.get(event.type)
    if wording is None:
        raise InvalidInput(f"{event.type} has no wording; see shared.services.notifying")
    message = compose(event, deps.options.console_url)
    channels = [one for one in deps.notifiers if wording.people or one.name in _MACHINES]
    if all(one.name == "log" for one in channels):
        for channel in channels:
            await channel.notify(message)
        return
    await _send_over(deps, event, message, channels)


def compose(event: Event, console_url: str) -> Notification:
    """Returns an event in words: a title, facts from its data, and where to act."""
    wording = WORDINGS[event.type]
    severity: Severity = "info"
    if event.type == "alert.raised":
        severity = _SEVERITIES.get(_of(event, "severity"), "warning")
    facts = {
        name.replace("_", " ").capitalize(): str(value)
        for name, value in event.data.items()
        if isinstance(value, str | int | float)
    }
    return Notification(
        workspace=event.workspace,
        event_id=event.event_id,
        kind=event.type,
        title=wording.title(event),
        facts={"Id": event.subject, **facts, "At": event.occurred_at},
        link=console_url.rstrip("/") + wording.page.format(subject=event.subject),
        severity=severity,
    )


async def _send_over(
    deps: Deps, event: Event, message: Notification, channels: list[Notifier]
) -> None:
    marks = [_mark(event, one) for one in channels]
    known = await deps.store.get_many(event.workspace, CONSUMED, marks)
    failures, sent = [], []
    for channel, mark, before in zip(channels, marks, known, strict=True):
        if before is not None or (event.workspace, mark) in _sending:
            continue
        _sending.add((event.workspace, mark))
        try:
            await _offer(channel, message)
            sent.append(mark)
        except WhetstoneError as error:
            failures.append(f"{channel.name}: {error.detail}")
        finally:
            _sending.discard((event.workspace, mark))
    await _remember(deps, event.workspace, sent)
    if failures:
        raise Unavailable(f"not all channels took {event.event_id}: {'; '.join(failures)}")


async def _offer(channel: Notifier, message: Notification) -> None:
    """Sends; a channel that refuses for good is logged, and counts as done."""
    try:
        await channel.notify(message)
    except InvalidInput as error:
        logger.error(  # noqa: TRY400 -- the detail says it all
            "notification.refused",
            extra={"channel": channel.name, "event_id": message.event_id, "detail": error.detail},
        )


def _mark(event: Event, channel: Notifier) -> str:
    """Returns the id under which a channel's message is remembered: of the event, or its crowd."""
    if WORDINGS[event.type].gathered and channel.name not in _MACHINES:
        window = int(from_text(event.occurred_at).timestamp()) // GATHERED_S
        return f"notify/{channel.name}:{event.type}:{window}"
    return f"notify/{channel.name}:{event.event_id}"


async def _remember(deps: Deps, workspace: str, marks: list[str]) -> None:
    if not marks:
        return
    expires_at = plus(deps.clock.now_text(), REMEMBERED_DAYS * 86_400)

    async def write(tx: Transaction) -> None:
        for mark in marks:
            tx.put(CONSUMED, Consumed(id=mark, expires_at=expires_at))

    await deps.store.transact(workspace, write)
