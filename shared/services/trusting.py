"""Agents and patterns as the current snapshot sees them; agents unknown to it are neutral."""

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import AGENTS, Agent
from shared.domain.learning.runs import TRUST_ROWS, TrustRow
from shared.domain.learning.snapshot import Snapshot
from shared.domain.learning.trust import ALL_TYPES, TrustCard, neutral
from shared.domain.records import Order
from shared.errors import NotFound
from shared.messages.base import Page, PageParams
from shared.messages.learning import AgentDetail, AgentView, Patterns, PatternsPage
from shared.messages.training import TrustInitialized
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.paging import foreign_cursor
from shared.services.snapshots import open_current
from shared.services.unit import audited, once, writable

_CHUNK = 200

Cards = dict[tuple[str, str], TrustCard]


async def agents(deps: Deps, caller: Caller, params: PageParams) -> Page[AgentView]:
    """Returns the known agents with their overall trust, in order of id."""
    cards = await _cards(deps, caller.workspace)
    found = await deps.store.find(
        caller.workspace, AGENTS, order=Order("id"), limit=params.limit, cursor=params.cursor
    )
    items = [_agent_view(deps, agent, cards) for agent in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


async def agent(deps: Deps, caller: Caller, agent_id: str) -> AgentDetail:
    """Returns an agent with its cards.

    Raises:
        NotFound: no agent of this id ever recommended anything in this workspace.
    """
    known = await deps.store.get(caller.workspace, AGENTS, agent_id)
    if known is None:
        raise NotFound(f"there is no agent {agent_id} in this workspace")
    current = await open_current(deps, caller.workspace)
    cards = _by_place(current.snapshot) if current else {}
    shown = _agent_view(deps, known, cards)
    return AgentDetail(
        **dict(shown),
        by_type=[
            cards.get((agent_id, kind), neutral(agent_id, kind))
            for kind in sorted(known.recommendation_types)
        ],
        snapshot_id=current.info.id if current else None,
    )


async def patterns(deps: Deps, caller: Caller, params: PatternsPage) -> Patterns:
    """Returns the patterns that hold; the cursor is the last key shown.

    Raises:
        InvalidInput: the cursor is no key.
    """
    current = await open_current(deps, caller.workspace)
    if current is None:
        return Patterns(items=[], retired=[], next_cursor=None, snapshot_id=None)
    found = [
        one
        for one in sorted(current.snapshot.patterns, key=lambda one: one.key)
        if params.category in (None, one.category)
    ]
    if params.cursor is not None:
        if params.cursor not in {one.key for one in found}:
            raise foreign_cursor()
        found = [one for one in found if one.key > params.cursor]
    shown = found[: params.limit]
    return Patterns(
        items=shown,
        retired=[
            one
            for one in current.snapshot.retired
            if params.cursor is None and params.category in (None, one.category)
        ],
        next_cursor=shown[-1].key if len(found) > params.limit else None,
        snapshot_id=current.info.id,
    )


async def initialize_trust(
    deps: Deps, caller: Caller, key: IdempotencyKey | None
) -> TrustInitialized:
    """Gives each known agent that has no trust score yet a neutral one; others keep theirs."""
    await writable(deps, caller.workspace)
    known = initialized = 0
    cursor = None
    while True:
        page = await deps.store.find(caller.workspace, AGENTS, limit=_CHUNK, cursor=cursor)
        known += len(page.items)
        initialized += await _initialize(deps, caller, [one.id for one in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    result = TrustInitialized(initialized=initialized, agents=known)

    async def told(_: Transaction) -> TrustInitialized:
        return result

    return await once(deps, caller, key, TrustInitialized, told)


async def _initialize(deps: Deps, caller: Caller, agent_ids: list[str]) -> int:
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> int:
        rows = await tx.get_many(TRUST_ROWS, [f"{one}:{ALL_TYPES}" for one in agent_ids])
        new = [one for one, row in zip(agent_ids, rows, strict=True) if row is None]
        for agent_id in new:
            tx.put(TRUST_ROWS, _neutral_row(agent_id, now))
        if new:
            tx.audit(audited(caller, now, "trust.initialized", "agents", agents=len(new)))
        return len(new)

    return await deps.store.transact(caller.workspace, work) if agent_ids else 0


def _neutral_row(agent_id: str, now: str) -> TrustRow:
    card = neutral(agent_id)
    return TrustRow(
        id=f"{agent_id}:{ALL_TYPES}",
        agent_id=agent_id,
        recommendation_type=ALL_TYPES,
        overall=card.overall,
        n=card.n,
        snapshot_id="",
        card=card.model_dump(mode="json"),
        updated_at=now,
    )


async def _cards(deps: Deps, workspace: str) -> Cards:
    current = await open_current(deps, workspace)
    return _by_place(current.snapshot) if current else {}


def _by_place(snapshot: Snapshot) -> Cards:
    return {(card.agent_id, card.recommendation_type): card for card in snapshot.trust}


def _agent_view(deps: Deps, agent: Agent, cards: Cards) -> AgentView:
    trust = cards.get((agent.id, ALL_TYPES), neutral(agent.id))
    return AgentView(
        agent_id=agent.id,
        name=agent.name,
        recommendation_types=sorted(agent.recommendation_types),
        trust=trust,
        reinstated_at=agent.reinstated_at,
        on_probation=agent.on_probation(trust.n, deps.options.learning.trust.min_n),
    )
