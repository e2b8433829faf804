"""The snapshot that is current in a workspace, held in memory for the decision path.

Invariant: while the store answers nobody is served a view older than `FRESH_S`, and while requests
keep coming nobody waits for one either: a request that finds a view older than the poll interval
has it looked at again behind its back, and only one that finds it older than `FRESH_S` (after a
pause, or where the processor sleeps between requests) waits for one look. A snapshot that cannot be
read changes nothing: the one before stays.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shared.domain.access import WorkspaceSettings
from shared.domain.learning.config import ModelId
from shared.domain.learning.decision import Odds
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.runs import SNAPSHOTS, LearningHead
from shared.domain.learning.snapshot import Snapshot, from_bytes
from shared.domain.learning.trials import ActiveTrial, Arm
from shared.domain.learning.trust import TrustCard
from shared.domain.models import Price
from shared.domain.times import Timestamp
from shared.errors import CorruptData, NotFound, WhetstoneError
from shared.services.deps import Deps
from shared.services.snapshots import head_of
from shared.services.unit import settings_of

FRESH_S = 2.0
"""Oldest view that a request is served, in seconds."""

MAX_WORKSPACES = 256
"""Workspaces whose views are kept; the one unused longest goes first."""

logger = logging.getLogger("whetstone.serving")


@dataclass(frozen=True, slots=True)
class ServedArm:
    """An arm of the trial that runs: a view of its snapshot, or its model under the current one."""

    arm: Arm
    view: "View"
    model: ModelId | None = None


@dataclass(frozen=True, slots=True)
class ServedTrial:
    """The canary or experiment that runs, as assigning needs it."""

    id: str
    key: str
    arms: tuple[ServedArm, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What decisions in a workspace are made from. `snapshot` None: the configured default policy.

    `odds` keeps how requests that are alike are decided under this policy (see deciding).
    `unreadable_id` names a snapshot that should be current but cannot be read. `trial` is None also
    where an arm of the one that runs cannot be read: then nobody takes part in it.
    """

    settings: WorkspaceSettings
    policy: RoutingPolicy
    models: tuple[ModelId, ...]
    prices: Mapping[ModelId, Price]
    snapshot_id: str | None = None
    since: Timestamp | None = None
    snapshot: Snapshot | None = None
    cards: Mapping[tuple[str, str], TrustCard] = field(default_factory=dict)
    unreadable_id: str | None = None
    odds: dict[tuple[object, ...], Odds] = field(default_factory=dict)
    trial: ServedTrial | None = None

    def epoch(self, pattern: str, model: ModelId) -> int:
        """Returns how many changes of a model in a pattern the snapshot knows of."""
        known = self.snapshot.epochs if self.snapshot is not None else {}
        return known.get((pattern, model.provider, model.model), 0)


@dataclass(slots=True)
class Seen:
    """A workspace's view and when it was looked at; `looking` is the look under way."""

    view: View | None = None
    seen_at_s: float = 0.0
    tried_at_s: float = 0.0
    looking: "asyncio.Task[View] | None" = None


async def current_view(deps: Deps, workspace: str) -> View:
    """Returns what is current in the workspace, at most `FRESH_S` old.

    Where the store does not answer, the last view goes on being served.

    Raises:
        Unavailable: there is no view yet, and the store or the blobs do not answer.
    """
    seen = deps.snapshots_seen.get(workspace)
    if seen is None:
        seen = _make_room(deps, workspace)
    else:
        deps.snapshots_seen.move_to_end(workspace)
    now_s = deps.clock.monotonic_s()
    view = seen.view
    if view is None:
        return await asyncio.shield(_start_look(deps, workspace, seen, now_s))
    if now_s - seen.seen_at_s > FRESH_S:
        return await _looked_again(deps, workspace, seen, view)
    if now_s - seen.tried_at_s >= deps.options.snapshot_poll_s:
        _start_look(deps, workspace, seen, now_s)
    return view


def _make_room(deps: Deps, workspace: str) -> Seen:
    while len(deps.snapshots_seen) >= MAX_WORKSPACES:
        deps.snapshots_seen.popitem(last=False)
    seen = deps.snapshots_seen[workspace] = Seen()
    return seen


async def _looked_again(deps: Deps, workspace: str, seen: Seen, view: View) -> View:
    """Waits for one look, or the one under way; after a failure the next keeps its distance."""
    now_s = deps.clock.monotonic_s()
    if not _under_way(seen) and now_s - seen.tried_at_s < deps.options.snapshot_poll_s:
        return view
    try:
        return await asyncio.shield(_start_look(deps, workspace, seen, now_s))
    except WhetstoneError:
        return view


def _under_way(seen: Seen) -> bool:
    return seen.looking is not None and not seen.looking.done()


def _start_look(deps: Deps, workspace: str, seen: Seen, now_s: float) -> "asyncio.Task[View]":
    looking = seen.looking
    if looking is not None and not looking.done():
        return looking
    seen.tried_at_s = now_s
    looking = asyncio.get_running_loop().create_task(_look(deps, workspace, seen, now_s))
    looking.add_done_callback(_report)
    seen.looking = looking
    return looking


def _report(look: "asyncio.Task[View]") -> None:
    """Logs a look that failed; asking for its exception also says that somebody took note."""
    error = None if look.cancelled() else look.exception()
    if error is not None:
        logger.warning("snapshot.look_failed", extra={"detail": str(error)})


async def _look(deps: Deps, workspace: str, seen: Seen, now_s: float) -> View:
    head = await head_of(deps, workspace)
    settings = await settings_of(deps, workspace)
    old = seen.view or _default_view(deps, settings)
    arms = old.trial.arms if old.trial is not None else ()
    known = {one.view.snapshot_id: one.view for one in arms if one.model is None}
    plain = replace(old, settings=settings, trial=None)
    view = await _next_view(deps, workspace, plain, head)
    if head.trial is not None:
        known[view.snapshot_id] = view
        view = replace(view, trial=await _trial(deps, workspace, view, head.trial, known))
    seen.view, seen.seen_at_s = view, now_s
    return view


async def _next_view(deps: Deps, workspace: str, old: View, head: LearningHead) -> View:
    if head.current_id is None:
        return old if old.snapshot_id is None else _default_view(deps, old.settings)
    if head.current_id == old.snapshot_id:
        return replace(old, since=head.current_since, unreadable_id=None)
    try:
        return await _load(deps, workspace, old, head.current_id, head.current_since)
    except (CorruptData, NotFound) as error:
        if old.unreadable_id != head.current_id:
            facts = {"snapshot_id": head.current_id, "kept": old.snapshot_id}
            logger.error("snapshot.unreadable", extra={**facts, "detail": error.detail})  # noqa: TRY400 - data, ours
        return replace(old, unreadable_id=head.current_id)


async def _trial(
    deps: Deps,
    workspace: str,
    view: View,
    trial: ActiveTrial,
    known: Mapping[str | None, View],
) -> ServedTrial | None:
    """Returns the trial with a view for each arm; what was loaded at an earlier look is kept."""
    arms = []
    for arm in trial.arms:
        if arm.provider is not None and arm.model is not None:
            own = replace(view, snapshot_id=None)
            arms.append(ServedArm(arm, own, ModelId(arm.provider, arm.model)))
        elif (seen := known.get(arm.snapshot_id)) is not None:
            arms.append(ServedArm(arm, replace(seen, settings=view.settings)))
        elif arm.snapshot_id is None:
            arms.append(ServedArm(arm, _default_view(deps, view.settings)))
        else:
            try:
                loaded = await _load(deps, workspace, view, arm.snapshot_id, None)
            except (CorruptData, NotFound) as error:
                facts = {"snapshot_id": arm.snapshot_id, "trial_id": trial.id}
                logger.error("trial.unreadable", extra={**facts, "detail": error.detail})  # noqa: TRY400
                return None
            arms.append(ServedArm(arm, loaded))
    return ServedTrial(trial.id, trial.key, tuple(arms))


async def _load(
    deps: Deps, workspace: str, old: View, snapshot_id: str, since: Timestamp | None
) -> View:
    info = await deps.store.get(workspace, SNAPSHOTS, snapshot_id)
    if info is None:
        raise NotFound(f"there is no snapshot {snapshot_id} in this workspace")
    blob = await deps.blobs.get(info.blob_key)
    snapshot = await asyncio.to_thread(
        from_bytes, blob.data, workspace=workspace, expected_id=snapshot_id
    )
    await asyncio.to_thread(snapshot.telling.prepare)
    cards = {(card.agent_id, card.recommendation_type): card for card in snapshot.trust}
    logger.info("snapshot.current", extra={"workspace": workspace, "snapshot_id": snapshot_id})
    return replace(
        old,
        policy=snapshot.policy,
        snapshot_id=snapshot_id,
        since=since,
        snapshot=snapshot,
        cards=cards,
        unreadable_id=None,
        odds={},
    )


def _default_view(deps: Deps, settings: WorkspaceSettings) -> View:
    prices = {
        ModelId(key.provider, key.model): price for key, price in deps.catalogue.prices.items()
    }
    policy = RoutingPolicy(default_model=deps.options.learning.default_model)
    return View(settings=settings, policy=policy, models=tuple(prices), prices=prices)
