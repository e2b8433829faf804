"""Guarding: what was learned is taken back where it is worse in use than what was there before.

Compares ratings of what the current snapshot routed with those of what the one before it routed.
"""

import logging

from shared.domain.access import Caller
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.evaluation import Regression, regression
from shared.domain.learning.runs import LearningHead
from shared.domain.learning.sums import QualitySums
from shared.errors import Conflict, CorruptData, NotFound
from shared.messages.training import RollBack
from shared.services.alerting import raise_alert, resolve_alert, rule_of
from shared.services.deps import Deps
from shared.services.rolling_back import move_back
from shared.services.snapshots import head_of, info_of, open_quality
from shared.services.unit import settings_of

ALERT_KEY = "quality_regression"
_BY = "system:quality"

logger = logging.getLogger("whetstone.learning")


async def check_quality(deps: Deps, workspace: str) -> Regression | None:
    """Raises or resolves the alert on fallen quality, and rolls back where configured.

    The largest fall that is let pass is the threshold of the alert rule. After a rollback there is
    nothing to take back: what a person (or this check) chose stays until the next run.

    Returns what it saw, None before the first run.
    """
    head = await head_of(deps, workspace)
    if head.current_id is None:
        return None
    sums = await _sums_by_snapshot(deps, workspace, head.tip_id)
    before = _quality(sums, head.previous_id or "")
    after = _quality(sums, head.current_id)
    config = await _config(deps, workspace)
    found = regression(before, after, config)
    rolled_back = head.current_id != head.tip_id
    if found.fell and not rolled_back:
        await _take_back(deps, workspace, head, found)
    elif rolled_back or found.n_after >= config.regression.min_n:
        reason = "rolled back to an earlier snapshot" if rolled_back else found.words
        await resolve_alert(deps, workspace, key=ALERT_KEY, reason=reason)
    return found


async def _config(deps: Deps, workspace: str) -> LearningConfig:
    config = deps.options.learning
    rule = await rule_of(deps, workspace, "quality_regression")
    return config.model_copy(
        update={"regression": config.regression.model_copy(update={"drop": rule.threshold})}
    )


def _quality(sums: dict[str, tuple[int, int, int, int]], snapshot_id: str) -> QualitySums:
    return QualitySums(snapshot_id, *sums.get(snapshot_id, (0, 0, 0, 0)))


async def _take_back(deps: Deps, workspace: str, head: LearningHead, found: Regression) -> None:
    evidence = {"snapshot_id": head.current_id, "previous_id": head.previous_id}
    await raise_alert(
        deps,
        workspace,
        rule="quality_regression",
        key=ALERT_KEY,
        summary=f"Snapshot {head.current_id} is worse in use than the one before it.",
        evidence={**evidence, **found.model_dump(mode="json")},
    )
    settings = await settings_of(deps, workspace)
    if not settings.auto_rollback or head.previous_id is None:
        return
    caller = Caller(workspace, _BY, system=True)
    command = RollBack(snapshot_id=head.previous_id, reason=found.words)
    try:
        await move_back(deps, caller, command, None, instead_of=head.current_id)
    except (Conflict, CorruptData, NotFound) as error:
        extra = {"workspace": workspace, "detail": error.detail}
        logger.warning("learning.rollback_failed", extra=extra)


async def _sums_by_snapshot(
    deps: Deps, workspace: str, tip_id: str | None
) -> dict[str, tuple[int, int, int, int]]:
    """Returns (n, quality, quality squared, correct) of all standing ratings, by snapshot."""
    tip = await info_of(deps, workspace, tip_id)
    base = await open_quality(deps, tip, deps.options.learning)
    sums = {
        name: (q.n, q.quality, q.quality_squared, q.correct) for name, q in base.quality.items()
    }
    upto, _ = await deps.analytics.head(workspace)
    for new in await deps.analytics.quality_sums(workspace, base.ratings_watermark, upto):
        n, quality, squared, correct = sums.get(new.snapshot_id, (0, 0, 0, 0))
        sums[new.snapshot_id] = (
            n + new.n,
            quality + new.quality,
            squared + new.quality_squared,
            correct + new.correct,
        )
    return sums
