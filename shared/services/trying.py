"""What canaries and experiments have in common: counting, looking, ending.

A look reads the ratings since the look before, adds them to what was counted and says what that
means; it happens at each check and before each run. Invariant: a trial ends in one transaction with
everything that its end changes, and only where it is still the one that runs.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from shared.domain.access import Caller
from shared.domain.learning.runs import LEARNING_HEADS, LearningHead
from shared.domain.learning.trials import (
    TRIALS,
    ActiveTrial,
    Arm,
    Trial,
    TrialKind,
    TrialState,
    with_ratings,
)
from shared.domain.times import Timestamp, plus
from shared.errors import Conflict
from shared.messages.events import EventType
from shared.messages.trials import TrialView
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.snapshots import HEAD
from shared.services.unit import audited, event

OURSELVES = "system:trials"
DAY_S = 86_400

logger = logging.getLogger("whetstone.trials")


@dataclass(frozen=True, slots=True)
class Opening:
    """A trial that begins: what serving must know of it, and its record."""

    active: ActiveTrial
    trial: Trial


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trial ends. `head` are the fields of the head that change with it.

    `evidence` are the figures for the receipt.
    """

    state: TrialState
    words: str
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)
    head: Mapping[str, object] = field(default_factory=dict)


def opened(
    deps: Deps,
    caller: Caller,
    kind: TrialKind,
    *,
    name: str,
    arms: Sequence[Arm],
    read_from: int,
    max_days: float,
    now: Timestamp,
    **more: Any,  # noqa: ANN401 - fields of Trial
) -> Opening:
    """Returns a new trial; writes nothing.

    Args:
        deps: the ports.
        caller: who wants it.
        kind: canary or experiment.
        name: for people.
        arms: the first is what the others are held against.
        read_from: place of the ratings log before which nothing can be of this trial.
        max_days: when it ends by itself.
        now: the time.
        more: further fields of the record.
    """
    trial = Trial(
        id=deps.ids.new("can" if kind == "canary" else "exp"),
        kind=kind,
        state="running",
        name=name,
        arms=list(arms),
        started_at=now,
        started_by=caller.subject,
        ends_at=plus(now, max_days * DAY_S),
        read_from=read_from,
        read_upto=read_from,
        **more,
    )
    return Opening(
        ActiveTrial(id=trial.id, kind=kind, key=deps.ids.secret(), arms=tuple(arms)), trial
    )


async def counted(deps: Deps, workspace: str, trial: Trial) -> Trial:
    """Returns the trial with everything counted that is settled now; writes nothing."""
    upto, _ = await deps.analytics.head(workspace)
    rows = await deps.analytics.arm_sums(workspace, trial.read_upto, upto)
    completions = await deps.store.counters(workspace, f"trial:{trial.id}/")
    counts = with_ratings(trial, rows, completions)
    return trial.model_copy(update={"counts": counts, "read_upto": max(upto, trial.read_upto)})


async def running(tx: Transaction, kind: str, trial_id: str | None) -> tuple[LearningHead, Trial]:
    """Returns the head and the trial that runs.

    Raises:
        Conflict: none of this kind runs, or another than `trial_id`.
    """
    head = await tx.get(LEARNING_HEADS, HEAD)
    active = head.trial if head is not None else None
    trial = await tx.get(TRIALS, active.id) if active is not None else None
    if head is None or trial is None or trial.kind != kind or trial_id not in (None, trial.id):
        raise Conflict(f"{trial_id or f'no {kind}'} is under way; nothing was changed")
    return head, trial


def end(  # noqa: PLR0917 - a transaction's parts, each from its own place
    tx: Transaction,
    deps: Deps,
    caller: Caller,
    head: LearningHead,
    trial: Trial,
    ending: Ending,
    now: Timestamp,
) -> Trial:
    """Writes the end of a trial into the transaction: record, head, audit record and event."""
    receipt: dict[str, JsonValue] = {
        "outcome": ending.state,
        "words": ending.words,
        "trial_id": trial.id,
        "arms": [one.model_dump(mode="json") for one in trial.arms],
        "ratings_from": trial.read_from,
        "ratings_upto": trial.read_upto,
        "decided_by": caller.subject,
        "decided_at": now,
        **ending.evidence,
    }
    ended = trial.model_copy(
        update={
            "state": ending.state,
            "ended_at": now,
            "ended_by": caller.subject,
            "outcome": ending.words,
            "receipt": receipt,
        }
    )
    tx.put(LEARNING_HEADS, head.model_copy(update={"trial": None, **ending.head}))
    tx.put(TRIALS, ended)
    tx.audit(audited(caller, now, f"{trial.kind}.{ending.state}", trial.id, receipt=receipt))
    facts = {"name": trial.name, "outcome": ending.state, "words": ending.words}
    type_: EventType = "canary.ended" if trial.kind == "canary" else "experiment.ended"
    tx.emit(event(deps, caller, now, type_, trial.id, **facts))
    return ended


async def note(deps: Deps, workspace: str, seen: Trial) -> None:
    """Keeps what a look has found, unless the trial has ended or another look was further."""

    async def work(tx: Transaction) -> None:
        known = await tx.get(TRIALS, seen.id)
        if known is not None and known.state == "running" and known.read_upto <= seen.read_upto:
            tx.put(TRIALS, seen)

    await deps.store.transact(workspace, work)


def view(trial: Trial) -> TrialView:
    """Returns a trial as callers see it."""
    hidden = {"id", "counts", "read_from", "read_upto"}
    return TrialView(trial_id=trial.id, **trial.model_dump(exclude=hidden))
