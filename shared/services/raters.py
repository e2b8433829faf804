"""Raters: who they are, and whose evidence is set aside or put back.

Invariant: what a rater's standing evidence counts changes by rows alone: a row with sign -1 takes a
rating back, the same row with sign +1 puts it back, so learning stays a fold of the log. The state
of the rater moves first, then his ratings page by page; `unsettled` says that pages are left, and
the monitor's check goes on where a process died.
"""

from collections.abc import Sequence

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import FEEDBACK, ROUTING_DECISIONS, Feedback
from shared.domain.learning.collusion import Push
from shared.domain.learning.raters import RATERS, Rater, evidence_against, pushes
from shared.domain.operations import ALERTS
from shared.domain.records import Filter, Order
from shared.domain.times import day_number
from shared.errors import Conflict, NotFound
from shared.messages.base import Page
from shared.messages.rating import JudgeRater, RatersPage, RaterView
from shared.ports import Transaction
from shared.services.alerting import raise_alert, resolve_alert
from shared.services.deps import Deps
from shared.services.rating import evidence_of
from shared.services.unit import audited, once, settings_of, writable

PAGE = 100
"""Ratings that are taken back, or put back, in one transaction."""

MOST_LOOKED_AT = 500
"""Raters of one state that a look for pushes reads, those who rated last."""

_BY = "system:raters"


async def list_raters(deps: Deps, caller: Caller, page: RatersPage) -> Page[RaterView]:
    """Returns a page of raters: by id, or of one state, who rated last first."""
    filters = [] if page.state is None else [Filter("state", "==", page.state)]
    order = Order("id") if page.state is None else Order("last_rated_at", descending=True)
    found = await deps.store.find(
        caller.workspace, RATERS, *filters, order=order, limit=page.limit, cursor=page.cursor
    )
    return Page(items=[view(deps, one) for one in found.items], next_cursor=found.next_cursor)


def view(deps: Deps, rater: Rater) -> RaterView:
    """Returns a rater as the API shows them."""
    return RaterView(
        rater_id=rater.id,
        state=rater.state,
        ratings=rater.ratings,
        days=rater.days,
        residual=round(rater.residual / rater.judged / 1000, 6) if rater.judged else None,
        evidence=evidence_against(rater, deps.options.learning.raters),
        first_rated_at=rater.first_rated_at,
        last_rated_at=rater.last_rated_at,
        set_aside_by=rater.aside_by or None,
        set_aside_at=rater.aside_at,
        reason=rater.reason or None,
        settled=not rater.unsettled,
    )


async def set_aside(
    deps: Deps, caller: Caller, rater_id: str, command: JudgeRater, key: IdempotencyKey | None
) -> RaterView:
    """Takes a rater's evidence back and counts none that follows; a second call changes nothing.

    Raises:
        NotFound: nobody of this name has rated here.
    """
    await writable(deps, caller.workspace)
    return await _move(deps, caller, rater_id, command.reason, key, aside=True)


async def put_back(
    deps: Deps, caller: Caller, rater_id: str, command: JudgeRater, key: IdempotencyKey | None
) -> RaterView:
    """Puts the evidence of a rater who was set aside back; nothing sets them aside by itself again.

    Raises:
        NotFound: nobody of this name has rated here.
        Conflict: the rater is not set aside.
    """
    await writable(deps, caller.workspace)
    return await _move(deps, caller, rater_id, command.reason, key, aside=False)


async def _move(
    deps: Deps,
    caller: Caller,
    rater_id: str,
    reason: str,
    key: IdempotencyKey | None,
    *,
    aside: bool,
) -> RaterView:
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> RaterView:
        rater = await tx.get(RATERS, rater_id)
        if rater is None:
            raise NotFound(f"nobody called {rater_id} has rated in this workspace")
        if not aside and rater.state != "aside" and not rater.trusted:
            raise Conflict(f"{rater_id} is not set aside")
        if (rater.state == "aside") == aside:
            return view(deps, rater)
        moved = rater.model_copy(
            update={
                "state": "aside" if aside else "new",
                "trusted": not aside,
                "purses": rater.purses if aside else {},
                "aside_by": caller.subject if aside else "",
                "aside_at": now if aside else None,
                "reason": reason,
                "unsettled": True,
            }
        )
        tx.put(RATERS, moved)
        action = "rater.set_aside" if aside else "rater.put_back"
        tx.audit(audited(caller, now, action, rater_id, reason=reason))
        return view(deps, moved)

    answer = await once(deps, caller, key, RaterView, work)
    settled = await settle(deps, caller, rater_id)
    return answer if settled is None else view(deps, settled)


async def settle(deps: Deps, caller: Caller, rater_id: str) -> Rater | None:
    """Takes back, or puts back, what a rater's evidence still lacks; returns the rater."""
    rater = await deps.store.get(caller.workspace, RATERS, rater_id)
    if rater is None or not rater.unsettled:
        return rater
    cursor = None
    while True:
        page = await deps.store.find(
            caller.workspace,
            FEEDBACK,
            Filter("user_id", "==", rater_id),
            order=Order("updated_at"),
            limit=PAGE,
            cursor=cursor,
        )
        await _turn(deps, caller, rater, page.items)
        cursor = page.next_cursor
        if cursor is None:
            return await _settled(deps, caller, rater)


async def _turn(deps: Deps, caller: Caller, rater: Rater, page: Sequence[Feedback]) -> None:
    """Takes back, or puts back, the ratings of one page, those that are not already."""
    ids = [one.id for one in page]
    requests = [one.request_id for one in page]
    aside = rater.state == "aside"

    async def work(tx: Transaction) -> None:
        state = await tx.get(RATERS, rater.id)
        decisions = await tx.get_many(ROUTING_DECISIONS, requests)
        stands = await tx.get_many(FEEDBACK, ids)
        if state is None or (state.state == "aside") != aside:
            return
        turned = 0
        for known, decision in zip(stands, decisions, strict=True):
            if known is None or decision is None:
                continue
            now = deps.clock.now_text()
            if aside and known.standing > 0:
                changes = {"standing": 0, "taken_standing": known.standing}
                tx.append(evidence_of(known, -1, now, decision.propensity))
            elif not aside and known.taken_standing > 0:
                changes = {"standing": known.taken_standing, "taken_standing": 0}
                again = known.model_copy(update=changes)
                tx.append(evidence_of(again, 1, now, decision.propensity))
            else:
                continue
            tx.put(FEEDBACK, known.model_copy(update=changes))
            turned += 1
        if turned:
            action = "rater.evidence_taken_back" if aside else "rater.evidence_put_back"
            tx.audit(audited(caller, deps.clock.now_text(), action, rater.id, ratings=turned))

    if page:
        await deps.store.transact(caller.workspace, work)


async def _settled(deps: Deps, caller: Caller, rater: Rater) -> Rater:
    async def work(tx: Transaction) -> Rater:
        now = await tx.get(RATERS, rater.id) or rater
        if now.state != rater.state:
            return now
        done = now.model_copy(update={"unsettled": False})
        tx.put(RATERS, done)
        return done

    return await deps.store.transact(caller.workspace, work)


async def look(deps: Deps, workspace: str) -> None:
    """Sets aside raters who push a model together, tells of them and of who is doubted.

    Goes on with what an earlier look did not finish. Nobody is set aside by itself where few people
    rate, nor where too few proven raters tell a push from a model that has changed.
    """
    if (await settings_of(deps, workspace)).read_only:
        return
    ourselves = Caller(workspace, _BY, system=True)
    left = await deps.store.find(
        workspace, RATERS, Filter("unsettled", "==", value=True), order=Order("last_rated_at")
    )
    for one in left.items:
        await settle(deps, ourselves, one.id)
    raters = await _recent(deps, workspace)
    await _on_pushes(deps, ourselves, raters)
    await _on_doubted(deps, ourselves, raters)


async def _recent(deps: Deps, workspace: str) -> list[Rater]:
    found: list[Rater] = []
    for state in ("new", "proven", "doubted"):
        page = await deps.store.find(
            workspace,
            RATERS,
            Filter("state", "==", state),
            order=Order("last_rated_at", descending=True),
            limit=MOST_LOOKED_AT,
        )
        found.extend(page.items)
    return found


async def _on_pushes(deps: Deps, caller: Caller, raters: Sequence[Rater]) -> None:
    config = deps.options.learning.raters
    today = day_number(deps.clock.now_text())
    found = pushes(raters, today, config)
    for push in found:
        certain = push.others is not None and len(raters) >= config.least_raters
        alone = certain and config.set_aside != "never"
        words = _words(push)
        if alone:
            for rater_id in push.raters:
                await _move(deps, caller, rater_id, words, None, aside=True)
        await raise_alert(
            deps,
            caller.workspace,
            rule="raters_pushing",
            key=_push_key(push),
            summary=f"{words}; {'they were set aside' if alone else 'a person must decide'}",
            evidence={
                "model": push.model,
                "direction": push.direction,
                "raters": list(push.raters[:PAGE]),
                "ratings": push.ratings,
                "residual": round(push.mean, 3),
                "residual_of_others": None if push.others is None else round(push.others, 3),
                "evidence_log10": round(push.gain, 1),
                "set_aside": alone,
            },
        )
    await _resolve_pushes(deps, caller.workspace, {_push_key(push) for push in found})


def _push_key(push: Push) -> str:
    return f"raters_pushing:{push.model}:{push.direction}:{'new' if push.new else 'known'}"


async def _resolve_pushes(deps: Deps, workspace: str, seen: set[str]) -> None:
    """Resolves the alerts of pushes that are no longer seen.

    Where the raters were set aside without a person, somebody has to have acknowledged that first.
    """
    for state in ("open", "acknowledged"):
        page = await deps.store.find(
            workspace,
            ALERTS,
            Filter("state", "==", state),
            Filter("rule", "==", "raters_pushing"),
            order=Order("raised_at"),
            limit=MOST_LOOKED_AT,
        )
        for one in page.items:
            waits = state == "open" and one.evidence.get("set_aside")
            if one.key not in seen and not waits:
                reason = "nobody pushes that model any more who is not set aside or trusted"
                await resolve_alert(deps, workspace, key=one.key, reason=reason)


def _words(push: Push) -> str:
    way = "praised" if push.direction == "up" else "ran down"
    who = "newcomers" if push.new else "raters"
    return f"{len(push.raters)} {who} {way} {push.model} together, unlike all others"


async def _on_doubted(deps: Deps, caller: Caller, raters: Sequence[Rater]) -> None:
    config = deps.options.learning.raters
    doubted = [one for one in raters if one.state == "doubted"]
    if config.set_aside == "all" and len(raters) >= config.least_raters:
        for one in doubted:
            if not one.trusted:
                words = "; ".join(evidence_against(one, config))
                await _move(deps, caller, one.id, words, None, aside=True)
    if not doubted:
        await resolve_alert(
            deps, caller.workspace, key="raters_doubted", reason="nobody is doubted any more"
        )
        return
    names = sorted(one.id for one in doubted)
    few = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
    await raise_alert(
        deps,
        caller.workspace,
        rule="raters_doubted",
        key="raters_doubted",
        summary=f"ratings of {few}{more} are at odds with what was expected",
        evidence={
            "raters": {one.id: "; ".join(evidence_against(one, config)) for one in doubted[:PAGE]},
            "set_aside": config.set_aside == "all" and len(raters) >= config.least_raters,
        },
    )
