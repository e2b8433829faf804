"""Alerts: a rule fired, and people should know; at most one open alert for each key.

Invariant: an alert is open exactly as long as its `AlertKey` points to it, so that raising it again
neither makes a second one nor tells people twice. What ends with an alert has it in its own
transaction (`fired`, `open_in`, `put_raised`, `put_resolved`), so that no crash comes between.
"""

import hashlib
from collections.abc import Mapping
from typing import NotRequired, TypedDict, Unpack

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.alerts import RULES, RuleName, default_rule, runbook
from shared.domain.operations import (
    ALERT_KEYS,
    ALERT_RULES,
    ALERTS,
    Alert,
    AlertKey,
    AlertRule,
    Severity,
)
from shared.domain.times import Timestamp
from shared.errors import Conflict, NotFound
from shared.messages.monitoring import AlertView
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, event, once, writable


class Firing(TypedDict):
    """What a rule fires with.

    `rule` fired about `key`, for example `agent_disabled:pricing-agent`. `summary` is one line for
    people, `evidence` the figures behind it, `severity` None or absent for the rule's own.
    """

    rule: RuleName
    key: str
    summary: str
    evidence: Mapping[str, JsonValue]
    severity: NotRequired[Severity | None]


async def raise_alert(deps: Deps, workspace: str, **firing: Unpack[Firing]) -> Alert | None:
    """Opens an alert and tells people, or brings the open one of this key up to date.

    An open alert changes only where its summary or severity does, so put the figures that matter
    into the summary, and none that changes at each look.

    Returns:
        The open alert; None where the workspace has turned the rule off.
    """
    fresh = await fired(deps, workspace, **firing)
    if fresh is None:
        return None

    async def work(tx: Transaction) -> Alert:
        return put_raised(tx, deps, workspace, fresh, await open_in(tx, fresh.key))

    return await deps.store.transact(workspace, work)


async def resolve_alert(deps: Deps, workspace: str, *, key: str, reason: str) -> Alert | None:
    """Closes the open alert of a key and tells people; returns None where none is open."""
    if await deps.store.get(workspace, ALERT_KEYS, _key_id(key)) is None:
        return None
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> Alert | None:
        known = await open_in(tx, key)
        return known and put_resolved(tx, deps, workspace, known, reason, now)

    return await deps.store.transact(workspace, work)


async def fired(deps: Deps, workspace: str, **firing: Unpack[Firing]) -> Alert | None:
    """Returns the alert that a rule opens, see `raise_alert`; writes nothing.

    None where the workspace has turned the rule off.
    """
    chosen = await rule_of(deps, workspace, firing["rule"])
    if not chosen.enabled:
        return None
    now = deps.clock.now_text()
    return Alert(
        id=deps.ids.new("alr"),
        rule=firing["rule"],
        key=firing["key"],
        severity=firing.get("severity") or chosen.severity,
        state="open",
        summary=firing["summary"],
        evidence=dict(firing["evidence"]),
        runbook=runbook(firing["rule"]),
        raised_at=now,
        updated_at=now,
    )


async def open_in(tx: Transaction, key: str) -> Alert | None:
    """Returns the alert that is open for a key; a transaction reads before it writes."""
    pointer = await tx.get(ALERT_KEYS, _key_id(key))
    return None if pointer is None else await tx.get(ALERTS, pointer.alert_id)


def put_raised(
    tx: Transaction, deps: Deps, workspace: str, fresh: Alert, known: Alert | None
) -> Alert:
    """Writes into a transaction that an alert fired, and returns the open one.

    Args:
        tx: which.
        deps: the ports.
        workspace: whose.
        fresh: what `fired` returned.
        known: what `open_in` returned.
    """
    caller = _ourselves(workspace)
    if known is not None:
        return _update(tx, caller, known, fresh)
    rule, key, now = fresh.rule, fresh.key, fresh.raised_at
    tx.create(ALERTS, fresh)
    tx.put(ALERT_KEYS, AlertKey(id=_key_id(key), alert_id=fresh.id))
    tx.audit(audited(caller, now, "alert.raised", fresh.id, rule=rule, key=key))
    tx.emit(event(deps, caller, now, "alert.raised", fresh.id, **_facts(fresh)))
    return fresh


def put_resolved(
    tx: Transaction, deps: Deps, workspace: str, known: Alert, reason: str, now: Timestamp
) -> Alert:
    """Writes into a transaction that an open alert is resolved, and returns it."""
    caller = _ourselves(workspace)
    changes = {"state": "resolved", "resolved_at": now, "updated_at": now}
    resolved = known.model_copy(update=changes)
    tx.put(ALERTS, resolved)
    tx.delete(ALERT_KEYS, _key_id(known.key))
    tx.audit(audited(caller, now, "alert.resolved", known.id, key=known.key, reason=reason))
    facts = {**_facts(resolved), "reason": reason}
    tx.emit(event(deps, caller, now, "alert.resolved", known.id, **facts))
    return resolved


async def open_alert(deps: Deps, workspace: str, key: str) -> str | None:
    """Returns the id of the alert that is open (or acknowledged) for a key, None where none is."""
    pointer = await deps.store.get(workspace, ALERT_KEYS, _key_id(key))
    return None if pointer is None else pointer.alert_id


async def acknowledge(
    deps: Deps, caller: Caller, alert_id: str, key: IdempotencyKey | None
) -> AlertView:
    """Notes that someone looks after an alert; the first to say so stays named.

    Raises:
        NotFound: no such alert in this workspace.
        Conflict: it is resolved already.
    """
    await writable(deps, caller.workspace)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> AlertView:
        alert = await tx.get(ALERTS, alert_id)
        if alert is None:
            raise NotFound(f"there is no alert {alert_id} in this workspace")
        if alert.state == "resolved":
            raise Conflict(f"alert {alert_id} was resolved at {alert.resolved_at}")
        if alert.state == "acknowledged":
            return view(alert)
        changes = {"state": "acknowledged", "acknowledged_by": caller.subject, "updated_at": now}
        acknowledged = alert.model_copy(update=changes)
        tx.put(ALERTS, acknowledged)
        tx.audit(audited(caller, now, "alert.acknowledged", alert_id, key=alert.key))
        return view(acknowledged)

    return await once(deps, caller, key, AlertView, work)


async def rule_of(deps: Deps, workspace: str, name: RuleName) -> AlertRule:
    """Returns a rule as the workspace has set it, as it ships where it has not."""
    return await deps.store.get(workspace, ALERT_RULES, name) or default_rule(name)


async def rules_of(deps: Deps, workspace: str) -> dict[RuleName, AlertRule]:
    """Returns every rule as the workspace has it, by name, in the order of `RULES`."""
    stored = await deps.store.get_many(workspace, ALERT_RULES, list(RULES))
    return {name: known or default_rule(name) for name, known in zip(RULES, stored, strict=True)}


def view(alert: Alert) -> AlertView:
    """Returns an alert as the API shows it."""
    return AlertView(alert_id=alert.id, **alert.model_dump(exclude={"id"}))


def _update(tx: Transaction, caller: Caller, known: Alert, fresh: Alert) -> Alert:
    if (known.summary, known.severity) == (fresh.summary, fresh.severity):
        return known
    changes = {
        "summary": fresh.summary,
        "severity": fresh.severity,
        "evidence": fresh.evidence,
        "updated_at": fresh.updated_at,
    }
    updated = known.model_copy(update=changes)
    tx.put(ALERTS, updated)
    tx.audit(audited(caller, fresh.updated_at, "alert.updated", known.id, severity=fresh.severity))
    return updated


def _facts(alert: Alert) -> dict[str, JsonValue]:
    return {
        "rule": alert.rule,
        "key": alert.key,
        "severity": alert.severity,
        "summary": alert.summary,
        "runbook": alert.runbook,
    }


def _ourselves(workspace: str) -> Caller:
    return Caller(workspace, "system:alerting", system=True)


def _key_id(key: str) -> str:
    """Returns an id for any text, as some stores restrict the characters of ids."""
    return hashlib.sha256(key.encode()).hexdigest()
