"""Guarding: what was learned is taken back where it is worse in use than what was there before.

Compares ratings of what the current snapshot routed with those of what the one before it routed.
"""

from shared.domain.access import Caller
from shared.domain.learning.evaluation import Regression, regression
from shared.domain.learning.sums import QualitySums
from shared.messages.training import RollBack
from shared.services.alerting import raise_alert, resolve_alert
from shared.services.deps import Deps
from shared.services.rolling_back import move_back
from shared.services.snapshots import head_of, info_of, open_state
from shared.services.unit import settings_of

ALERT_KEY = "quality_regression"
_BY = "system:quality"


async def check_quality(deps: Deps, workspace: str) -> Regression | None:
    """Raises or resolves the alert on fallen quality, and rolls back where configured.

    Returns what it saw, None before the first run.
    """
    head = await head_of(deps, workspace)
    if head.current_id is None:
        return None
    sums = await _sums_by_snapshot(deps, workspace, head.tip_id)
    previous = head.previous_id or ""
    none = (0, 0, 0, 0)
    before = QualitySums(previous, *sums.get(previous, none))
    after = QualitySums(head.current_id, *sums.get(head.current_id, none))
    found = regression(before, after, deps.options.learning)
    if not found.fell:
        if found.n_after >= deps.options.learning.regression.min_n:
            await resolve_alert(deps, workspace, key=ALERT_KEY, reason=found.words)
        return found
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
    if settings.auto_rollback and head.previous_id is not None:
        caller = Caller(workspace, _BY, system=True)
        command = RollBack(snapshot_id=head.previous_id, reason=found.words)
        await move_back(deps, caller, command, None, instead_of=head.current_id)
    return found


async def _sums_by_snapshot(
    deps: Deps, workspace: str, tip_id: str | None
) -> dict[str, tuple[int, int, int, int]]:
    """Returns (n, quality, quality squared, correct) of all standing ratings, by snapshot."""
    tip = await info_of(deps, workspace, tip_id)
    base = await open_state(deps, tip, deps.options.learning)
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
