"""Canary: what a run learned serves a share of the traffic before it serves all of it.

    apply (begins it) → look, look, … → promoted | reverted | undecided

Invariant: promoting is one transaction that moves the pointer, ends the canary and keeps the
receipt, and so is reverting with its alert; until then every request outside of the share is served
what was current.
"""

import asyncio
import logging
from collections.abc import Mapping

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey, WorkspaceSettings
from shared.domain.learning.canary import Judgement, Rules, judge
from shared.domain.learning.runs import SNAPSHOTS, LearningHead, Quarantine
from shared.domain.learning.trials import CANDIDATE, TRIALS, Trial, TrialState
from shared.domain.operations import Alert
from shared.domain.records import Filter, Order
from shared.domain.times import seconds_between
from shared.errors import Conflict, CorruptData, NotFound
from shared.messages.trials import (
    CanaryStatus,
    EndCanary,
    LiftQuarantine,
    QuarantineLifted,
    RevertCanary,
    TrialView,
)
from shared.ports import Transaction
from shared.services.alerting import fired, open_in, put_raised, put_resolved, rule_of
from shared.services.applying import pointer
from shared.services.deps import Deps
from shared.services.following import follow_up
from shared.services.snapshots import head_of, open_snapshot
from shared.services.trying import OURSELVES, Ending, counted, end, note, running, view
from shared.services.unit import audited, once, settings_of, writable

ALERT_KEY = "canary_reverted"

logger = logging.getLogger("whetstone.trials")


async def status(deps: Deps, caller: Caller) -> CanaryStatus:
    """Returns the canary that runs and the one before, as of the last look."""
    newest = await deps.store.find(
        caller.workspace,
        TRIALS,
        Filter("kind", "==", "canary"),
        order=Order("started_at", descending=True),
        limit=2,
    )
    views = [view(one) for one in newest.items]
    under_way = next((one for one in views if one.state == "running"), None)
    last = next((one for one in views if one.state != "running"), None)
    return CanaryStatus(running=under_way, last=last)


async def look(deps: Deps, workspace: str, head: LearningHead) -> None:
    """Judges the canary that runs, and ends it where the evidence or its time says so."""
    settings = await settings_of(deps, workspace)
    trial = await deps.store.get(workspace, TRIALS, head.trial.id) if head.trial else None
    if trial is None or settings.read_only:
        return
    seen, judged = await _judged(deps, workspace, trial, settings)
    caller = Caller(workspace, OURSELVES, system=True)
    ending = _ending(judged, settings, over=deps.clock.now_text() >= trial.ends_at)
    if ending is None:
        await note(deps, workspace, seen)
        return
    alert = await _alert(deps, workspace, seen, judged) if ending.state == "reverted" else None
    try:
        await _finish(deps, caller, None, seen, ending, quarantine=judged.quarantine, alert=alert)
    except (Conflict, CorruptData, NotFound) as error:
        extra = {"workspace": workspace, "trial_id": trial.id, "detail": error.detail}
        logger.warning("canary.not_ended", extra=extra)


async def promote(
    deps: Deps, caller: Caller, command: EndCanary, key: IdempotencyKey | None
) -> TrialView:
    """Makes the candidate current now, whatever the evidence says; that goes into the receipt.

    Raises:
        Conflict: no canary runs.
        CorruptData: the candidate is damaged; nothing was changed.
    """
    words = f"Promoted by {caller.subject}: {command.reason}"
    return await _by_hand(deps, caller, key, "promoted", words, quarantine=False)


async def revert(
    deps: Deps, caller: Caller, command: RevertCanary, key: IdempotencyKey | None
) -> TrialView:
    """Ends the canary; all traffic is served what is current.

    Raises:
        Conflict: no canary runs.
    """
    words = f"Reverted by {caller.subject}: {command.reason}"
    return await _by_hand(deps, caller, key, "reverted", words, quarantine=command.quarantine)


async def lift_quarantine(
    deps: Deps,
    caller: Caller,
    snapshot_id: str,
    command: LiftQuarantine,
    key: IdempotencyKey | None,
) -> QuarantineLifted:
    """Lets a snapshot become current again.

    Raises:
        NotFound: no such snapshot in this workspace.
        Conflict: it is not in quarantine.
    """
    await writable(deps, caller.workspace)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> QuarantineLifted:
        info = await tx.get(SNAPSHOTS, snapshot_id)
        alert = await open_in(tx, ALERT_KEY)
        if info is None:
            raise NotFound(f"there is no snapshot {snapshot_id} in this workspace")
        if info.quarantine is None:
            raise Conflict(f"snapshot {snapshot_id} is not in quarantine")
        tx.put(SNAPSHOTS, info.model_copy(update={"quarantine": None}))
        why = str(info.quarantine)
        facts: dict[str, JsonValue] = {"reason": command.reason, "quarantine": why}
        tx.audit(audited(caller, now, "learning.quarantine_lifted", snapshot_id, **facts))
        if alert is not None:
            reason = f"the quarantine of {snapshot_id} was lifted by {caller.subject}"
            put_resolved(tx, deps, caller.workspace, alert, reason, now)
        return QuarantineLifted(snapshot_id=snapshot_id, quarantine=why)

    return await once(deps, caller, key, QuarantineLifted, work)


async def _judged(
    deps: Deps, workspace: str, trial: Trial, settings: WorkspaceSettings
) -> tuple[Trial, Judgement]:
    """Returns the trial as it stands now, and what that says."""
    seen = await counted(deps, workspace, trial)
    now = deps.clock.now_text()
    rule = await rule_of(deps, workspace, "quality_regression")
    rules = Rules(rule.threshold, settings.canary_min_ratings, settings.canary_min_hours * 3600)
    judged = await asyncio.to_thread(
        judge,
        seen.counts,
        trial.arm(CANDIDATE).share,
        seconds_between(trial.started_at, now),
        rules,
    )
    found = {"findings": list(judged.findings), "words": judged.words, "looked_at": now}
    return seen.model_copy(update=found), judged


def _ending(judged: Judgement, settings: WorkspaceSettings, *, over: bool) -> Ending | None:
    """Returns how the canary ends now, None where it goes on."""
    if judged.verdict == "revert":
        return Ending("reverted", judged.words, judged.evidence())
    if judged.verdict == "promote" and not settings.learning_stopped:
        return Ending("promoted", judged.words, judged.evidence())
    if over:
        words = f"Its time was up; what was current stays. {judged.words}"
        return Ending("undecided", words, judged.evidence())
    return None


async def _by_hand(
    deps: Deps,
    caller: Caller,
    key: IdempotencyKey | None,
    state: TrialState,
    words: str,
    *,
    quarantine: bool,
) -> TrialView:
    settings = await writable(deps, caller.workspace)
    head = await head_of(deps, caller.workspace)
    if head.trial is None or head.trial.kind != "canary":
        return await _finish(deps, caller, key, None, Ending(state, words), quarantine=quarantine)
    trial = await deps.store.get(caller.workspace, TRIALS, head.trial.id)
    if trial is None:
        raise CorruptData(f"canary {head.trial.id} is not on record")
    seen, judged = await _judged(deps, caller.workspace, trial, settings)
    ending = Ending(state, words, {"seen": judged.words, **judged.evidence()})
    return await _finish(deps, caller, key, seen, ending, quarantine=quarantine)


async def _finish(
    deps: Deps,
    caller: Caller,
    key: IdempotencyKey | None,
    seen: Trial | None,
    ending: Ending,
    *,
    quarantine: bool,
    alert: Alert | None = None,
) -> TrialView:
    """Ends the canary in one transaction: pointer, trial, quarantine, alert, record and event."""
    promoted = ending.state == "promoted"
    if seen is not None and promoted:
        await open_snapshot(deps, caller.workspace, str(seen.arm(CANDIDATE).snapshot_id))
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> TrialView:
        head, known = await running(tx, "canary", seen.id if seen else None)
        trial = seen or known
        candidate_id = str(trial.arm(CANDIDATE).snapshot_id)
        info = await tx.get(SNAPSHOTS, candidate_id)
        is_open = await open_in(tx, ALERT_KEY)
        moved: Mapping[str, object] = pointer(head, candidate_id, now) if promoted else {}
        evidence: dict[str, JsonValue] = {
            "candidate_id": candidate_id,
            "current_id": head.current_id,
            "quarantined": quarantine,
            **ending.evidence,
        }
        done = Ending(ending.state, ending.words, evidence, moved)
        ended = end(tx, deps, caller, head, trial, done, now)
        if quarantine and info is not None:
            kept = Quarantine(trial_id=trial.id, since=now, why=ending.words, receipt=ended.receipt)
            tx.put(SNAPSHOTS, info.model_copy(update={"quarantine": kept}))
        if alert is not None:
            put_raised(tx, deps, caller.workspace, alert, is_open)
        elif promoted and is_open is not None:
            put_resolved(tx, deps, caller.workspace, is_open, _HELD_UP, now)
        return view(ended)

    done = await once(deps, caller, key, TrialView, work)
    if promoted:
        await follow_up(deps, caller.workspace)
    return done


_HELD_UP = "a later candidate held up and is current"


async def _alert(deps: Deps, workspace: str, trial: Trial, judged: Judgement) -> Alert | None:
    candidate_id = trial.arm(CANDIDATE).snapshot_id
    what = "reverted and quarantined" if judged.quarantine else "reverted"
    return await fired(
        deps,
        workspace,
        rule="canary_reverted",
        key=ALERT_KEY,
        summary=f"Snapshot {candidate_id} was worse in its canary {trial.id}: {what}.",
        evidence={"words": judged.words, **judged.evidence()},
        severity=None if judged.quarantine else "warning",
    )
