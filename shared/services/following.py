"""What follows a move of the pointer: the rows for operators, and alerts about agents.

Both are brought to what the current snapshot says, whatever was done before, so that a crash or a
store that does not answer is made good by the next run or rollback. Invariant: nothing here can
undo or fail the move itself.
"""

import logging
from collections.abc import Mapping, Sequence

from shared.domain.alerts import RuleName
from shared.domain.feedback import AGENTS
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.trust import ALL_TYPES, TrustCard
from shared.domain.operations import ALERTS, Alert
from shared.domain.records import Filter, Order
from shared.errors import WhetstoneError
from shared.services.alerting import raise_alert, resolve_alert
from shared.services.deps import Deps
from shared.services.projecting import project
from shared.services.snapshots import NONE_OPEN, open_current

RULE: RuleName = "agent_disabled"
_ALERTS = 500

_BACK = "its trust is above the limit again or no longer known, or it was reinstated"
_WHOLLY = "the agent is disabled in all types by now, and has an alert for that"

logger = logging.getLogger("whetstone.learning")


async def follow_up(
    deps: Deps, workspace: str, at_hand: Mapping[str, Snapshot] = NONE_OPEN
) -> None:
    """Brings rows and alerts to the current snapshot; what fails is logged and left for later.

    Args:
        deps: the ports.
        workspace: where the pointer was moved.
        at_hand: snapshots by id that the mover has open, so that they are not read again.
    """
    try:
        await project(deps, workspace, at_hand)
        await check_agents(deps, workspace, at_hand)
    except WhetstoneError as error:
        extra = {"workspace": workspace, "detail": error.detail}
        logger.warning("learning.follow_up_failed", extra=extra)


async def check_agents(
    deps: Deps, workspace: str, at_hand: Mapping[str, Snapshot] = NONE_OPEN
) -> None:
    """Keeps an alert open for each agent that the current snapshot disables, and for no other.

    One for each type where it is disabled in that type only; disabled wholly, it is in all of them.
    Who was reinstated is left alone until enough new outcomes judge it anew. `at_hand` is as in
    `follow_up`.
    """
    current = await open_current(deps, workspace, at_hand)
    cards = current.snapshot.trust if current else ()
    heard = await _on_probation(deps, workspace, cards)
    lost = [card for card in cards if card.disabled and card.agent_id not in heard]
    wholly = {card.agent_id for card in lost if card.recommendation_type == ALL_TYPES}
    disabled = {
        _key(card): card
        for card in lost
        if card.recommendation_type == ALL_TYPES or card.agent_id not in wholly
    }
    for key, card in disabled.items():
        await raise_alert(
            deps,
            workspace,
            rule=RULE,
            key=key,
            summary=_summary(card),
            evidence={"card": card.model_dump(mode="json")},
        )
    still = {_key(card) for card in lost}
    for alert in await _unresolved(deps, workspace):
        if alert.key not in disabled:
            reason = _WHOLLY if alert.key in still else _BACK
            await resolve_alert(deps, workspace, key=alert.key, reason=reason)


async def _on_probation(deps: Deps, workspace: str, cards: Sequence[TrustCard]) -> set[str]:
    """Returns which of the disabled agents are heard all the same."""
    outcomes = deps.options.learning.trust.min_n
    n = {card.agent_id: card.n for card in cards if card.recommendation_type == ALL_TYPES}
    asked = sorted({card.agent_id for card in cards if card.disabled})
    known = await deps.store.get_many(workspace, AGENTS, asked) if asked else []
    return {one.id for one in known if one and one.on_probation(n.get(one.id, 0), outcomes)}


async def _unresolved(deps: Deps, workspace: str) -> list[Alert]:
    found: list[Alert] = []
    for state in ("open", "acknowledged"):
        filters = Filter("state", "==", state), Filter("rule", "==", RULE)
        page = await deps.store.find(
            workspace, ALERTS, *filters, order=Order("raised_at"), limit=_ALERTS
        )
        found += page.items
    return found


def _key(card: TrustCard) -> str:
    return ":".join(filter(None, (RULE, card.agent_id, card.recommendation_type)))


def _summary(card: TrustCard) -> str:
    where = f" in {card.recommendation_type}" if card.recommendation_type else ""
    return f"Agent {card.agent_id} lost its trust{where}: it is disabled."
