"""What is known of changes: where each model stands, and the log of changes, in words."""

from shared.domain.access import Caller
from shared.domain.learning.changes import (
    DRIFT_CHANGES,
    DRIFT_GROUPS,
    DriftChange,
    DriftGroup,
    Withdrawal,
)
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import FALLS, Figures, evidence
from shared.domain.learning.drift_words import told, told_change, told_withdrawal
from shared.domain.records import Filter, Order
from shared.domain.times import day_text
from shared.messages.base import Page, PageParams
from shared.messages.learning import (
    DriftChangeView,
    DriftPage,
    DriftView,
    RatedFigures,
    WithdrawnView,
)
from shared.services.deps import Deps


async def drift(deps: Deps, caller: Caller, params: DriftPage) -> Page[DriftView]:
    """Returns where each model stands in each pattern, in order of pattern."""
    only = () if params.status is None else (Filter("status", "==", params.status),)
    found = await deps.store.find(
        caller.workspace,
        DRIFT_GROUPS,
        *only,
        order=Order("pattern"),
        limit=params.limit,
        cursor=params.cursor,
    )
    config = deps.options.learning.drift
    items = [_view(one, config) for one in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


async def changes(deps: Deps, caller: Caller, params: PageParams) -> Page[DriftChangeView]:
    """Returns the changes that were proven, newest first."""
    found = await deps.store.find(
        caller.workspace,
        DRIFT_CHANGES,
        order=Order("place", descending=True),
        limit=params.limit,
        cursor=params.cursor,
    )
    items = [_change_view(one) for one in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


def _view(group: DriftGroup, config: DriftConfig) -> DriftView:
    rate = config.false_alarm_rate
    return DriftView(
        pattern=group.pattern,
        provider=group.provider,
        model=group.model,
        status=group.status,
        words=told(group, config),
        epoch=group.epoch,
        now=_rated(group.now),
        before=_rated(group.before),
        after=_rated(group.after),
        fallen_from=None if group.fallen_from is None else _rated(group.fallen_from),
        evidence_of_a_fall=round(FALLS * evidence(group.watch.falls), 3),
        needed=1 / rate if rate > 0 else None,
        withdrawn=_withdrawn(group.withdrawn),
        updated_at=group.updated_at,
    )


def _change_view(change: DriftChange) -> DriftChangeView:
    return DriftChangeView(
        change_id=change.id,
        pattern=change.pattern,
        provider=change.provider,
        model=change.model,
        direction=change.direction,
        epoch=change.epoch,
        place=change.place,
        day=day_text(change.day),
        before=_rated(change.before),
        after=_rated(change.after),
        evidence=round(change.evidence, 3),
        needed=change.needed,
        words=told_change(change),
        noticed_at=change.noticed_at,
        withdrawn=_withdrawn(change.withdrawn),
    )


def _withdrawn(found: Withdrawal | None) -> WithdrawnView | None:
    if found is None:
        return None
    return WithdrawnView(
        direction=found.direction,
        change_day=day_text(found.day),
        place=found.place,
        ratings=found.of,
        ratings_left=found.left,
        words=told_withdrawal(found),
        withdrawn_at=found.at,
    )


def _rated(seen: Figures) -> RatedFigures:
    if seen.n <= 0:
        return RatedFigures(ratings=0, value=None, quality=None, correctness=None)
    return RatedFigures(
        ratings=seen.n,
        value=round(seen.value, 6),
        quality=round(seen.quality / seen.n, 6),
        correctness=round(seen.correct / seen.n, 6),
    )
