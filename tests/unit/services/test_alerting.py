"""Alerts: one open alert a key, told once when it opens and once when it closes."""

import asyncio

import pytest

from shared.domain.access import Caller
from shared.domain.alerts import RULES, default_rule
from shared.domain.operations import ALERT_RULES, ALERTS
from shared.errors import Conflict, NotFound
from shared.services import alerting
from tests.support.system import WORKSPACE, System, caller, play


async def fire(system: System, summary: str = "trust is 0.2", **more):
    more = {"key": "agent_disabled:pricing", "evidence": {"trust": 0.2}, **more}
    return await alerting.raise_alert(
        system.deps, WORKSPACE, rule="agent_disabled", summary=summary, **more
    )


async def audits(system: System) -> list[str]:
    return [one.action for one in await system.store.audit_chain(WORKSPACE, 0, 100)]


def test_first_raise_opens_an_alert_with_audit_record_and_event(tmp_path):
    async def scenario(system):
        alert = await fire(system)
        assert await system.store.get(WORKSPACE, ALERTS, alert.id) == alert
        assert (alert.state, alert.severity) == ("open", "critical")
        assert alert.runbook == "docs/operations-runbook.md#agent_disabled"
        assert await audits(system) == ["alert.raised"]
        (event,) = await system.drain()
        assert (event.type, event.subject) == ("alert.raised", alert.id)
        assert event.data["summary"] == "trust is 0.2"

    play(tmp_path, scenario)


def test_raising_the_same_again_writes_nothing(tmp_path):
    async def scenario(system):
        first = await fire(system)
        system.clock.advance(60)
        assert await fire(system, evidence={"trust": 0.19}) == first
        assert await audits(system) == ["alert.raised"]

    play(tmp_path, scenario)


def test_raising_with_news_updates_the_open_alert_and_tells_nobody_again(tmp_path):
    async def scenario(system):
        first = await fire(system)
        system.clock.advance(60)
        again = await fire(system, "trust is 0.1", evidence={"trust": 0.1})
        assert again.id == first.id
        assert (again.summary, again.evidence) == ("trust is 0.1", {"trust": 0.1})
        assert again.updated_at > first.updated_at
        assert again.raised_at == first.raised_at
        assert [one.type for one in await system.drain()] == ["alert.raised"]
        assert await audits(system) == ["alert.raised", "alert.updated"]

    play(tmp_path, scenario)


def test_updating_keeps_an_acknowledgement(tmp_path):
    async def scenario(system):
        first = await fire(system)
        await alerting.acknowledge(system.deps, caller("ada", role="reviewer"), first.id, None)
        again = await fire(system, "trust is 0.1")
        assert (again.state, again.acknowledged_by) == ("acknowledged", "ada")

    play(tmp_path, scenario)


def test_racing_raises_open_one_alert(tmp_path):
    async def scenario(system):
        alerts = await asyncio.gather(*(fire(system) for _ in range(20)))
        assert len({alert.id for alert in alerts}) == 1
        assert len(await system.drain()) == 1

    play(tmp_path, scenario)


def test_other_keys_and_workspaces_have_alerts_of_their_own(tmp_path):
    async def scenario(system):
        first = await fire(system)
        other = await fire(system, key="agent_disabled:a/b ☃")
        elsewhere = await alerting.raise_alert(
            system.deps, "other", rule="agent_disabled", key=first.key, summary="x", evidence={}
        )
        assert len({first.id, other.id, elsewhere.id}) == 3
        assert await system.store.get("other", ALERTS, first.id) is None

    play(tmp_path, scenario)


def test_resolving_tells_once_and_the_next_raise_is_a_new_alert(tmp_path):
    async def scenario(system):
        first = await fire(system)
        resolved = await alerting.resolve_alert(
            system.deps, WORKSPACE, key=first.key, reason="trust is back"
        )
        assert (resolved.id, resolved.state) == (first.id, "resolved")
        nothing = await alerting.resolve_alert(
            system.deps, WORKSPACE, key=first.key, reason="trust is back"
        )
        assert nothing is None
        events = await system.drain()
        assert [one.type for one in events] == ["alert.raised", "alert.resolved"]
        assert events[1].data["reason"] == "trust is back"
        second = await fire(system)
        assert second.id != first.id
        assert (await system.store.get(WORKSPACE, ALERTS, first.id)).state == "resolved"

    play(tmp_path, scenario)


def test_racing_resolves_close_an_alert_once(tmp_path):
    async def scenario(system):
        first = await fire(system)
        await asyncio.gather(
            *(
                alerting.resolve_alert(system.deps, WORKSPACE, key=first.key, reason="done")
                for _ in range(10)
            )
        )
        assert (await audits(system)).count("alert.resolved") == 1

    play(tmp_path, scenario)


def test_a_rule_that_is_off_raises_nothing_and_a_changed_severity_counts(tmp_path):
    async def scenario(system):
        rule = default_rule("agent_disabled")

        async def change(**changes):
            async def write(tx):
                tx.put(ALERT_RULES, rule.model_copy(update=changes))

            await system.store.transact(WORKSPACE, write)

        await change(enabled=False)
        assert await fire(system) is None
        assert await system.drain() == []
        await change(severity="info")
        assert (await fire(system)).severity == "info"
        assert (await fire(system, severity="warning")).severity == "warning"

    play(tmp_path, scenario)


def test_the_first_acknowledgement_stands(tmp_path):
    async def scenario(system):
        alert = await fire(system)
        first = await alerting.acknowledge(system.deps, caller("ada", role="admin"), alert.id, None)
        again = await alerting.acknowledge(system.deps, caller("bob", role="admin"), alert.id, None)
        assert first == again
        assert again.acknowledged_by == "ada"
        assert (await audits(system)).count("alert.acknowledged") == 1

    play(tmp_path, scenario)


def test_only_open_alerts_of_the_own_workspace_can_be_acknowledged(tmp_path):
    async def scenario(system):
        alert = await fire(system)
        stranger = Caller("other", "eve", role="admin")
        with pytest.raises(NotFound):
            await alerting.acknowledge(system.deps, stranger, alert.id, None)
        await alerting.resolve_alert(system.deps, WORKSPACE, key=alert.key, reason="done")
        with pytest.raises(Conflict, match="resolved"):
            await alerting.acknowledge(system.deps, caller(role="admin"), alert.id, None)

    play(tmp_path, scenario)


def test_rules_of_a_workspace_are_all_rules_with_its_own_changes(tmp_path):
    async def scenario(system):
        changed = default_rule("dead_letters").model_copy(update={"threshold": 5.0})

        async def write(tx):
            tx.put(ALERT_RULES, changed)

        await system.store.transact(WORKSPACE, write)
        rules = await alerting.rules_of(system.deps, WORKSPACE)
        assert list(rules) == list(RULES)
        assert rules["dead_letters"] == changed
        assert (await alerting.rules_of(system.deps, "other"))["dead_letters"].threshold == 1

    play(tmp_path, scenario)
