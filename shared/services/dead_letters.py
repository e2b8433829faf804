"""Dead letters: looked at, and given their tries back with an audit record in their workspace."""

from collections import defaultdict
from collections.abc import Sequence

from shared.domain.access import Caller
from shared.errors import NotFound
from shared.messages.watching import DeadLetterView, LettersReplayed, ReplayLetters
from shared.ports import DeadLetter, Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, writable

MAX_SHOWN = 100


async def list_dead_letters(deps: Deps, caller: Caller) -> list[DeadLetterView]:
    """Returns the workspace's dead letters, oldest first, `MAX_SHOWN` at most."""
    found = await deps.bus.dead_letters(caller.workspace, MAX_SHOWN)
    return [
        DeadLetterView(
            id=one.id,
            consumer=one.consumer,
            event_id=one.event.event_id,
            event_type=one.event.type,
            subject=one.event.subject,
            attempts=one.attempts,
            last_error=one.last_error,
            since=one.since,
        )
        for one in found
    ]


async def replay_dead_letters(
    deps: Deps, caller: Caller, command: ReplayLetters
) -> LettersReplayed:
    """Gives dead letters their tries back; the audit record comes first.

    Raises:
        NotFound: one of them is not this workspace's, or was replayed already; none is then.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    known = {one.id for one in await deps.bus.dead_letters(caller.workspace, MAX_SHOWN)}
    wanted = list(dict.fromkeys(command.ids))
    missing = [one for one in wanted if one not in known]
    if missing:
        raise NotFound(f"there is no dead letter {missing[0]} in this workspace; look again")
    return LettersReplayed(replayed=await _replay(deps, caller, wanted))


async def replay_anywhere(deps: Deps, actor: str, letters: Sequence[DeadLetter]) -> int:
    """Gives dead letters of any workspaces their tries back; returns how many there still were."""
    ids: dict[str, list[str]] = defaultdict(list)
    for one in letters:
        ids[one.event.workspace].append(one.id)
    replayed = 0
    for workspace, wanted in sorted(ids.items()):
        replayed += await _replay(deps, Caller(workspace, actor, system=True), wanted)
    return replayed


async def _replay(deps: Deps, caller: Caller, ids: Sequence[str]) -> int:
    now = deps.clock.now_text()

    async def note(tx: Transaction) -> None:
        tx.audit(audited(caller, now, "dead_letters.replayed", "deliveries", ids=list(ids)))

    await deps.store.transact(caller.workspace, note)
    return await deps.bus.replay(ids)
