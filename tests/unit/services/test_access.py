"""Access: the first key, workspaces, keys shown once, settings with before and after."""

import asyncio

import pytest

from shared.domain.access import API_KEYS, DEFAULT_WORKSPACE, WORKSPACES, Caller, IdempotencyKey
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.errors import Conflict, InvalidInput, NotAuthenticated, NotFound, Unavailable
from shared.messages.access import ChangeSettings, CreateKey
from shared.messages.base import PageParams
from shared.services import access
from shared.services.unit import settings_of
from shared.web.guard import KEY_AGE_S, Guard
from tests.support.system import JWT_SECRET, WORKSPACE, caller, play

ADMIN = caller("root", role="admin")


async def works(system, secret):
    guard = Guard(system.store, system.clock, JWT_SECRET)
    return await guard.authenticate({b"x-api-key": secret.encode()})


async def actions(system, workspace=WORKSPACE):
    return [one.action for one in await system.store.audit_chain(workspace, 0, 100)]


def test_first_start_makes_the_workspace_and_an_admin_key_without_limit_shown_once(tmp_path):
    async def scenario(system):
        secret = await access.bootstrap_access(system.deps, None)
        who = await works(system, secret)
        assert (who.workspace, who.scopes) == (DEFAULT_WORKSPACE, {"admin"})
        assert who.rate_per_minute is None
        assert await system.store.get(SYSTEM_WORKSPACE, WORKSPACES, DEFAULT_WORKSPACE)
        assert await access.bootstrap_access(system.deps, None) is None
        assert await actions(system, SYSTEM_WORKSPACE) == ["workspace.created", "key.created"]

    play(tmp_path, scenario)


def test_racing_first_starts_make_one_key(tmp_path):
    async def scenario(system):
        starts = (access.bootstrap_access(system.deps, None) for _ in range(8))
        shown = [one for one in await asyncio.gather(*starts) if one is not None]
        assert len(shown) == 1
        await works(system, shown[0])

    play(tmp_path, scenario)


def test_a_given_key_is_the_key_also_when_it_changes(tmp_path):
    async def scenario(system):
        made = await access.bootstrap_access(system.deps, "")
        for given in ("first-given-secret", "second-given-secret", "second-given-secret"):
            assert await access.bootstrap_access(system.deps, given) is None
            assert (await works(system, given)).scopes == {"admin"}
        for old in (made, "first-given-secret"):
            with pytest.raises(NotAuthenticated, match="revoked"):
                await works(system, old)
        assert await access.bootstrap_access(system.deps, None) is None
        assert await access.bootstrap_access(system.deps, "first-given-secret") is None
        await works(system, "first-given-secret")

    play(tmp_path, scenario)


def test_workspaces_have_names_of_their_own(tmp_path):
    async def scenario(system):
        await access.create_workspace(system.deps, "zeta")
        await access.create_workspace(system.deps, "acme-2")
        with pytest.raises(Conflict):
            await access.create_workspace(system.deps, "zeta")
        for bad in ("", "_system", "Acme", "1st", "a" * 64, "a/b"):
            with pytest.raises(InvalidInput, match="/name"):
                await access.create_workspace(system.deps, bad)
        assert await access.list_workspaces(system.deps) == ["acme-2", "zeta"]

    play(tmp_path, scenario)


def test_a_new_key_works_with_its_scopes_and_is_stored_without_its_secret(tmp_path):
    async def scenario(system):
        command = CreateKey(name="bots", scopes=["submit", "serve", "submit"], rate_per_minute=5)
        created = await access.create_key(system.deps, ADMIN, command, None)
        who = await works(system, created.secret)
        assert (who.workspace, who.scopes) == (WORKSPACE, {"submit", "serve"})
        assert (who.subject, who.rate_per_minute) == (f"key:{created.key_id}", 5)
        assert await actions(system) == ["key.created"]
        page = await access.list_keys(system.deps, ADMIN, PageParams())
        assert [one.key_id for one in page.items] == [created.key_id]
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or created.secret.encode() not in file.read_bytes()

    play(tmp_path, scenario)


def test_a_repeated_request_makes_no_second_key_and_shows_no_secret(tmp_path):
    async def scenario(system):
        command = CreateKey(name="bots", scopes=["submit"])
        key = lambda: IdempotencyKey("k", "f")  # noqa: E731
        first = await access.create_key(system.deps, ADMIN, command, key())
        again = await access.create_key(system.deps, ADMIN, command, key())
        assert again.secret is None
        assert again.model_copy(update={"secret": first.secret}) == first
        assert len((await access.list_keys(system.deps, ADMIN, PageParams())).items) == 1
        assert await actions(system) == ["key.created"]

    play(tmp_path, scenario)


def test_a_request_cut_off_before_its_key_existed_gets_one_when_repeated(tmp_path):
    async def scenario(system):
        command = CreateKey(name="bots", scopes=["submit"])
        await access.create_key(system.deps, ADMIN, command, IdempotencyKey("k", "f"))
        mine = Filter("tenant", "==", WORKSPACE)
        order = Order("created_at")
        (stored,) = (await system.store.find(SYSTEM_WORKSPACE, API_KEYS, mine, order=order)).items

        async def cut_off(tx):
            tx.delete(API_KEYS, stored.id)

        await system.store.transact(SYSTEM_WORKSPACE, cut_off)
        again = await access.create_key(system.deps, ADMIN, command, IdempotencyKey("k", "f"))
        assert again.key_id == stored.key_id
        await works(system, again.secret)

    play(tmp_path, scenario)


def test_a_key_expires(tmp_path):
    async def scenario(system):
        command = CreateKey(name="b", scopes=["submit"], expires_at="2026-01-01T13:00:00+00:00")
        created = await access.create_key(system.deps, ADMIN, command, None)
        await works(system, created.secret)
        system.clock.advance(3600)
        with pytest.raises(NotAuthenticated, match="expired"):
            await works(system, created.secret)
        with pytest.raises(InvalidInput, match="/expires_at"):
            await access.create_key(system.deps, ADMIN, command, None)

    play(tmp_path, scenario)


def test_a_revoked_key_stops_working_also_where_it_was_just_used(tmp_path):
    async def scenario(system):
        command = CreateKey(name="bots", scopes=["submit"])
        created = await access.create_key(system.deps, ADMIN, command, None)
        guard = Guard(system.store, system.clock, JWT_SECRET)
        header = {b"x-api-key": created.secret.encode()}
        await guard.authenticate(header)
        revoked = await access.revoke_key(system.deps, ADMIN, created.key_id, None)
        assert revoked.revoked_at is not None
        system.clock.advance(KEY_AGE_S + 1)
        with pytest.raises(NotAuthenticated, match="revoked"):
            await guard.authenticate(header)
        again = await access.revoke_key(system.deps, ADMIN, created.key_id, None)
        assert again == revoked
        assert await actions(system) == ["key.created", "key.revoked"]

    play(tmp_path, scenario)


def test_keys_of_other_workspaces_are_not_there(tmp_path):
    async def scenario(system):
        command = CreateKey(name="bots", scopes=["submit"])
        created = await access.create_key(system.deps, ADMIN, command, None)
        stranger = Caller("other", "eve", role="admin")
        with pytest.raises(NotFound):
            await access.revoke_key(system.deps, stranger, created.key_id, None)
        assert (await access.list_keys(system.deps, stranger, PageParams())).items == []

    play(tmp_path, scenario)


def test_settings_change_only_where_named_with_before_and_after(tmp_path):
    async def scenario(system):
        deps = system.deps
        await settings_of(deps, WORKSPACE)
        command = ChangeSettings(mode="manual", two_approvals_above_risk=0.5)
        changed = await access.change_settings(deps, ADMIN, command, None)
        assert (changed.mode, changed.two_approvals_above_risk) == ("manual", 0.5)
        assert (await settings_of(deps, WORKSPACE)).mode == "manual"
        again = await access.change_settings(
            deps, ADMIN, ChangeSettings(two_approvals_above_risk=None), None
        )
        assert (again.mode, again.two_approvals_above_risk) == ("manual", None)
        assert await access.view_settings(deps, ADMIN) == again
        chain = await system.store.audit_chain(WORKSPACE, 0, 10)
        assert chain[0].data == {
            "before": {"mode": "automatic", "two_approvals_above_risk": None},
            "after": {"mode": "manual", "two_approvals_above_risk": 0.5},
        }
        await access.change_settings(deps, ADMIN, ChangeSettings(mode="manual"), None)
        assert len(await actions(system)) == 2

    play(tmp_path, scenario)


def test_a_read_only_workspace_can_be_opened_again_but_makes_no_keys(tmp_path):
    async def scenario(system):
        deps = system.deps
        await access.change_settings(deps, ADMIN, ChangeSettings(read_only=True), None)
        with pytest.raises(Unavailable):
            await access.create_key(deps, ADMIN, CreateKey(name="x", scopes=["submit"]), None)
        with pytest.raises(Unavailable):
            await access.revoke_key(deps, ADMIN, "key_x", None)
        opened = await access.change_settings(deps, ADMIN, ChangeSettings(read_only=False), None)
        assert not opened.read_only

    play(tmp_path, scenario)


def test_a_hold_can_be_cleared(tmp_path):
    async def scenario(system):
        await system.change_settings(hold="rolled back by ada")
        cleared = await access.change_settings(system.deps, ADMIN, ChangeSettings(hold=None), None)
        assert cleared.hold is None

    play(tmp_path, scenario)
