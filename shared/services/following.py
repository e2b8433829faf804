"""What follows a move of the pointer: the rows for operators, and alerts about agents.

Both are brought to what the current snapshot says, whatever was done before, so that a crash or a
store that does not answer is made good by the next run or rollback. Invariant: nothing here can
undo or fail the move itself.
"""

import logging

from shared.domain.alerts import RuleName
from shared.domain.learning.trust import TrustCard
from shared.domain.operations import ALERTS, Alert
from shared.domain.records import Filter, Order
from shared.errors import WhetstoneError
from shared.services.alerting import raise_alert, resolve_alert
from shared.services.deps import Deps
from shared.services.projecting import project
from shared.services.snapshots import open_current

RULE: RuleName = "agent_disabled"
_ALERTS = 500

logger = logging.getLogger("whetstone.learning")


async def follow_up(deps: Deps, workspace: str) -> None:
    """Brings rows and alerts to the current snapshot; what fails is logged and left for later."""
    try:
        await project(deps, workspace)
        await check_agents(deps, workspace)
    except WhetstoneError as error:
        extra = {"workspace": workspace, "detail": error.detail}
        logger.warning("learning.follow_up_failed", extra=extra)


async def check_agents(deps: Deps, workspace: str) -> None:
    """Keeps an alert open for each agent that the current snapshot disables, and for no other."""
    current = await open_current(deps, workspace)
    cards = current.snapshot.trust if current else ()
    disabled = {_key(card): card for card in cards if card.disabled}
    for key, card in disabled.items():
        await raise_alert(
            deps,
            workspace,
            rule=RULE,
            key=key,
            summary=_summary(card),
            evidence={"card": card.model_dump(mode="json")},
        )
    for alert in await _unresolved(deps, workspace):
        if alert.key not in disabled:
            reason = "its trust is above the limit again, or no longer known"
            await resolve_alert(deps, workspace, key=alert.key, reason=reason)


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
