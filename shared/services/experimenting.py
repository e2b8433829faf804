"""Experiments: traffic shared out between policies or models because people want to know.

Nothing is promoted by an experiment: it measures, stops where a guardrail says so, and says in
words what it found. Invariant: an experiment and a canary never run at once in a workspace, so that
each rating belongs to one comparison.
"""

import asyncio
import logging
from collections.abc import Sequence

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.learning.config import ModelId
from shared.domain.learning.experiments import Analysis, analyse
from shared.domain.learning.runs import LEARNING_HEADS, SNAPSHOTS, LearningHead
from shared.domain.learning.trials import TRIALS, Arm, Trial
from shared.domain.operations import Alert
from shared.domain.records import Filter, Order
from shared.errors import Conflict, FieldProblem, InvalidInput, NotFound
from shared.messages.base import Page, PageParams
from shared.messages.trials import NewArm, StartExperiment, StopExperiment, TrialView
from shared.ports import Transaction
from shared.services.alerting import fired, open_in, put_raised, put_resolved
from shared.services.deps import Deps
from shared.services.leasing import holds
from shared.services.snapshots import HEAD
from shared.services.trying import OURSELVES, Ending, counted, end, note, opened, running, view
from shared.services.unit import audited, once, settings_of, writable

ALERT_KEY = "experiment_stopped"

_WHOLE = 1 + 1e-9
"""The most that shares may add up to: 1, and what adding up floats leaves over."""

logger = logging.getLogger("whetstone.trials")


async def start(
    deps: Deps, caller: Caller, command: StartExperiment, key: IdempotencyKey | None
) -> TrialView:
    """Begins an experiment; serving shares traffic out within two seconds.

    Raises:
        InvalidInput: arms of one name, shares above 1, an unknown model.
        NotFound: an arm's snapshot is not one of this workspace.
        Conflict: a canary, another experiment or a run is under way, or a snapshot is in
            quarantine.
    """
    await writable(deps, caller.workspace)
    _check(deps, command.arms)
    arms = [Arm(**one.model_dump()) for one in command.arms]
    read_from, _ = await deps.analytics.head(caller.workspace)
    now = deps.clock.now_text()
    opening = opened(
        deps,
        caller,
        "experiment",
        name=command.name,
        arms=arms,
        read_from=read_from,
        max_days=command.max_days,
        now=now,
        metric=command.metric,
        guardrails=command.guardrails,
    )

    async def work(tx: Transaction) -> TrialView:
        head = await tx.get(LEARNING_HEADS, HEAD) or LearningHead(id=HEAD)
        alert = await open_in(tx, ALERT_KEY)
        await _check_snapshots(tx, arms)
        if head.trial is not None:
            raise Conflict(f"{head.trial.id} is under way: one canary or experiment at a time")
        if (held := holds(head, now)) is not None:
            raise Conflict(f"run {held} is under way: start the experiment once it has ended")
        tx.put(LEARNING_HEADS, head.model_copy(update={"trial": opening.active}))
        tx.create(TRIALS, opening.trial)
        told: list[JsonValue] = [one.model_dump(mode="json") for one in arms]
        tx.audit(audited(caller, now, "experiment.started", opening.trial.id, arms=told))
        if alert is not None:
            put_resolved(tx, deps, caller.workspace, alert, f"{opening.trial.id} began", now)
        return view(opening.trial)

    return await once(deps, caller, key, TrialView, work)


async def list_experiments(deps: Deps, caller: Caller, params: PageParams) -> Page[TrialView]:
    """Returns experiments, newest first."""
    found = await deps.store.find(
        caller.workspace,
        TRIALS,
        Filter("kind", "==", "experiment"),
        order=Order("started_at", descending=True),
        limit=params.limit,
        cursor=params.cursor,
    )
    return Page(items=[view(one) for one in found.items], next_cursor=found.next_cursor)


async def view_experiment(deps: Deps, caller: Caller, trial_id: str) -> TrialView:
    """Returns an experiment with what the last look has found; looks are five minutes apart.

    Raises:
        NotFound: there is none of this id in the workspace.
    """
    return view(await _experiment(deps, caller.workspace, trial_id))


async def stop(
    deps: Deps, caller: Caller, trial_id: str, command: StopExperiment, key: IdempotencyKey | None
) -> TrialView:
    """Ends an experiment; all traffic is served as without it, within two seconds.

    Raises:
        NotFound: there is none of this id in the workspace.
        Conflict: it has ended.
    """
    await writable(deps, caller.workspace)
    trial = await _experiment(deps, caller.workspace, trial_id)
    seen, found = await _analysed(deps, caller.workspace, trial)
    reason = command.reason if command.reason[-1:] in set(".!?") else f"{command.reason}."
    words = f"Stopped by {caller.subject}: {reason} {found.words}"
    return await _finish(deps, caller, key, seen, Ending("stopped", words, _evidence(found)))


async def look(deps: Deps, workspace: str, head: LearningHead) -> None:
    """Looks at the experiment that runs; ends it for a guardrail or because its time is up."""
    settings = await settings_of(deps, workspace)
    trial = await deps.store.get(workspace, TRIALS, head.trial.id) if head.trial else None
    if trial is None or settings.read_only:
        return
    seen, found = await _analysed(deps, workspace, trial)
    over = deps.clock.now_text() >= trial.ends_at
    if found.stopped_by is None and not over:
        await note(deps, workspace, seen)
        return
    caller = Caller(workspace, OURSELVES, system=True)
    ending = Ending("stopped" if found.stopped_by else "ended", found.words, _evidence(found))
    alert = await _alert(deps, workspace, trial, found) if found.stopped_by is not None else None
    try:
        await _finish(deps, caller, None, seen, ending, alert)
    except Conflict as error:
        extra = {"workspace": workspace, "trial_id": trial.id, "detail": error.detail}
        logger.warning("experiment.not_ended", extra=extra)


async def _alert(deps: Deps, workspace: str, trial: Trial, found: Analysis) -> Alert | None:
    return await fired(
        deps,
        workspace,
        rule="experiment_stopped",
        key=ALERT_KEY,
        summary=f"Experiment {trial.id} ({trial.name}) was stopped by a guardrail.",
        evidence={"words": found.words, **_evidence(found)},
    )


async def _experiment(deps: Deps, workspace: str, trial_id: str) -> Trial:
    trial = await deps.store.get(workspace, TRIALS, trial_id)
    if trial is None or trial.kind != "experiment":
        raise NotFound(f"there is no experiment {trial_id} in this workspace")
    return trial


async def _finish(
    deps: Deps,
    caller: Caller,
    key: IdempotencyKey | None,
    seen: Trial,
    ending: Ending,
    alert: Alert | None = None,
) -> TrialView:
    """Ends the experiment in one transaction: trial, alert, audit record and event."""
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> TrialView:
        head, _ = await running(tx, "experiment", seen.id)
        is_open = await open_in(tx, ALERT_KEY) if alert is not None else None
        ended = end(tx, deps, caller, head, seen, ending, now)
        if alert is not None:
            put_raised(tx, deps, caller.workspace, alert, is_open)
        return view(ended)

    return await once(deps, caller, key, TrialView, work)


async def _analysed(deps: Deps, workspace: str, trial: Trial) -> tuple[Trial, Analysis]:
    """Returns the experiment as it stands now, and what that says; writes nothing."""
    seen = await counted(deps, workspace, trial)
    found = await asyncio.to_thread(analyse, seen.arms, seen.counts, seen.metric, seen.guardrails)
    update = {
        "findings": list(found.findings),
        "words": found.words,
        "looked_at": deps.clock.now_text(),
    }
    return seen.model_copy(update=update), found


def _evidence(found: Analysis) -> dict[str, JsonValue]:
    return {"findings": [one.model_dump(mode="json") for one in found.findings]}


def _check(deps: Deps, arms: Sequence[NewArm]) -> None:
    problems = []
    names = [one.name for one in arms]
    known = {ModelId(one.provider, one.model) for one in deps.catalogue.prices}
    for place, arm in enumerate(arms):
        if arm.name in names[:place]:
            problems.append(FieldProblem(f"/arms/{place}/name", "must differ from the other arms'"))
        model = arm.provider and arm.model and ModelId(arm.provider, arm.model)
        if model and known and model not in known:
            detail = "is not a configured model; see GET /v1/routing/policy"
            problems.append(FieldProblem(f"/arms/{place}/model", detail))
    if sum(one.share for one in arms) > _WHOLE:
        problems.append(FieldProblem("/arms", "the shares add up to more than 1"))
    if problems:
        raise InvalidInput("these arms cannot be tried", problems=problems)


async def _check_snapshots(tx: Transaction, arms: Sequence[Arm]) -> None:
    wanted = [one.snapshot_id for one in arms if one.snapshot_id is not None]
    found = await tx.get_many(SNAPSHOTS, wanted)
    for snapshot_id, info in zip(wanted, found, strict=True):
        if info is None:
            raise NotFound(f"there is no snapshot {snapshot_id} in this workspace")
        if info.quarantine is not None:
            raise Conflict(f"snapshot {snapshot_id} is in quarantine: {info.quarantine}")
