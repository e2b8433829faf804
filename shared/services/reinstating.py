"""The way back of a disabled agent: a person lets it be heard again, on probation.

A disabled agent may go on recommending, and what comes of it counts: so it can earn its way back by
itself. Who knows that it was repaired need not wait for that. Trust itself is not touched: it is a
function of the evidence; only that the agent is disabled does not count until enough new outcomes
have come in, and then its trust decides again.
"""

import math

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import AGENTS
from shared.errors import Conflict, NotFound
from shared.messages.learning import AgentReinstated, ReinstateAgent
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.following import follow_up
from shared.services.snapshots import open_current
from shared.services.unit import audited, once, writable


async def reinstate(
    deps: Deps, caller: Caller, agent_id: str, command: ReinstateAgent, key: IdempotencyKey | None
) -> AgentReinstated:
    """Lets a disabled agent be heard until `trust.min_n` more of its outcomes are learned from.

    Raises:
        NotFound: no agent of this id ever recommended anything in this workspace.
        Conflict: it is not disabled, or on probation already.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    current = await open_current(deps, caller.workspace)
    cards = [one for one in current.snapshot.trust if one.agent_id == agent_id] if current else []
    n = max((card.n for card in cards), default=0)
    outcomes = math.ceil(deps.options.learning.trust.min_n)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> AgentReinstated:
        agent = await tx.get(AGENTS, agent_id)
        if agent is None:
            raise NotFound(f"there is no agent {agent_id} in this workspace")
        if not any(card.disabled for card in cards):
            raise Conflict(f"agent {agent_id} is not disabled: there is nothing to lift")
        if agent.on_probation(n, outcomes):
            at = agent.reinstated_n + outcomes
            raise Conflict(f"agent {agent_id} is on probation already, until {at} outcomes")
        changes = {"reinstated_at": now, "reinstated_by": caller.subject, "reinstated_n": n}
        tx.put(AGENTS, agent.model_copy(update=changes))
        tx.audit(audited(caller, now, "agent.reinstated", agent_id, reason=command.reason, n=n))
        return AgentReinstated(agent_id=agent_id, reinstated_at=now, n=n, judged_at_n=n + outcomes)

    done = await once(deps, caller, key, AgentReinstated, work)
    await follow_up(deps, caller.workspace)
    return done
