"""Access: workspaces, their settings and their API keys, and the way in at the first start.

Invariant: a secret leaves this module once, in the answer that made it; only its hash is stored.
"""

import hashlib

from pydantic import JsonValue, TypeAdapter, ValidationError

from shared.domain.access import (
    API_KEYS,
    DEFAULT_WORKSPACE,
    KEY_PREFIX,
    SETTINGS,
    SETTINGS_ID,
    WORKSPACES,
    ApiKey,
    Caller,
    IdempotencyKey,
    Workspace,
    WorkspaceSettings,
)
from shared.domain.operations import RESTORE_ID, RESTORES
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order, WorkspaceName
from shared.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from shared.messages.access import ChangeSettings, CreateKey, KeyCreated, KeyView, SettingsView
from shared.messages.base import Page, PageParams
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, once, writable

BOOTSTRAP_KEY = "key_bootstrap"
"""The id of the key that the first start makes, or that the settings give."""

_WORKSPACE_NAME: TypeAdapter[str] = TypeAdapter(WorkspaceName)
_SAME_ID = 10


def hash_secret(secret: str) -> str:
    """Returns the id under which a key is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def create_workspace(deps: Deps, name: str, actor: str = "system:cli") -> Workspace:
    """Makes a workspace.

    Raises:
        InvalidInput: `name` is not lower-case letters, digits and `-`, starting with a letter.
        Conflict: there is one of this name.
    """
    try:
        _WORKSPACE_NAME.validate_python(name)
    except ValidationError:
        raise InvalidInput.field(
            "/name", "must be 1 to 63 lower-case letters, digits and -, starting with a letter"
        ) from None
    now = deps.clock.now_text()
    workspace = Workspace(id=name, created_at=now)

    async def work(tx: Transaction) -> Workspace:
        tx.create(WORKSPACES, workspace)
        tx.audit(audited(Caller(SYSTEM_WORKSPACE, actor), now, "workspace.created", name))
        return workspace

    try:
        return await deps.store.transact(SYSTEM_WORKSPACE, work)
    except AlreadyExists:
        raise Conflict(f"there is a workspace {name} already") from None


async def check_workspace(deps: Deps, name: str) -> None:
    """Lets a workspace be worked on; `default` is one also before the first start makes it.

    Raises:
        NotFound: there is none of this name.
    """
    if name == DEFAULT_WORKSPACE:
        return
    if await deps.store.get(SYSTEM_WORKSPACE, WORKSPACES, name) is None:
        raise NotFound(f"there is no workspace {name}; see whetstone workspace list")


async def list_workspaces(deps: Deps) -> list[str]:
    """Returns the names of all workspaces, in order."""
    names: list[str] = []
    cursor = None
    while True:
        page = await deps.store.find(
            SYSTEM_WORKSPACE, WORKSPACES, order=Order("id"), limit=500, cursor=cursor
        )
        names += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def bootstrap_access(deps: Deps, bootstrap_secret: str | None) -> str | None:
    """Sees to it that there is a workspace `default` and one admin key to begin with.

    Args:
        deps: the ports.
        bootstrap_secret: the admin key, also where it was another one before, which is revoked
            then; None (or empty) makes one, where there never was any.

    Returns:
        The secret of a key that was made here, to be shown once; None where it is known.

    Raises:
        Conflict: a backup is being restored here, and is not whole yet.
    """
    made = None if bootstrap_secret else KEY_PREFIX + deps.ids.secret()
    secret = bootstrap_secret or made or ""
    now = deps.clock.now_text()
    ourselves = Caller(SYSTEM_WORKSPACE, "system:start", system=True)
    wanted = _bootstrap_key(secret, now)

    async def work(tx: Transaction) -> bool:
        restore = await tx.get(RESTORES, RESTORE_ID)
        if restore is not None and restore.finished_at is None:
            raise Conflict(
                f"the restore of {restore.backup_id} is unfinished: run whetstone restore again"
            )
        workspace = await tx.get(WORKSPACES, DEFAULT_WORKSPACE)
        known = await _same_key(tx, DEFAULT_WORKSPACE, BOOTSTRAP_KEY)
        present = any(one.id == wanted.id and one.revoked_at is None for one in known)
        if workspace is None:
            tx.create(WORKSPACES, Workspace(id=DEFAULT_WORKSPACE, created_at=now))
            tx.audit(audited(ourselves, now, "workspace.created", DEFAULT_WORKSPACE))
        if present or (made is not None and known):
            return False
        for one in known:
            if one.id != wanted.id and one.revoked_at is None:
                tx.put(API_KEYS, one.model_copy(update={"revoked_at": now}))
        tx.put(API_KEYS, wanted)
        tx.audit(audited(ourselves, now, "key.created", BOOTSTRAP_KEY, tenant=DEFAULT_WORKSPACE))
        return True

    created = await deps.store.transact(SYSTEM_WORKSPACE, work)
    return made if created else None


async def create_key(
    deps: Deps, caller: Caller, command: CreateKey, key: IdempotencyKey | None
) -> KeyCreated:
    """Makes an API key of the caller's workspace and shows its secret.

    The secret of a repeated request is not shown again, as no one has kept it; a request that was
    cut off before its key existed gets one.

    Raises:
        InvalidInput: `expires_at` has passed.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    now = deps.clock.now_text()
    if command.expires_at is not None and command.expires_at <= now:
        raise InvalidInput.field("/expires_at", "must be in the future")
    fresh = _view_of(deps.ids.new("key"), command, now)

    async def work(tx: Transaction) -> KeyView:
        facts: dict[str, JsonValue] = {"name": fresh.name, "scopes": list(fresh.scopes)}
        tx.audit(audited(caller, now, "key.created", fresh.key_id, **facts))
        return fresh

    view = await once(deps, caller, key, KeyView, work)
    secret = KEY_PREFIX + deps.ids.secret()
    created = await _store_key(deps, caller, view, secret)
    return KeyCreated(**view.model_dump(), secret=secret if created else None)


async def revoke_key(
    deps: Deps, caller: Caller, key_id: str, key: IdempotencyKey | None
) -> KeyView:
    """Ends an API key for good: at once here, everywhere within seconds.

    Raises:
        NotFound: no such key in this workspace.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    known = _key_view(await _known_key(deps, caller, key_id))
    now = deps.clock.now_text()

    async def note(tx: Transaction) -> KeyView:
        tx.audit(audited(caller, now, "key.revoked", key_id))
        return known

    async def revoke(tx: Transaction) -> None:
        same = await _same_key(tx, caller.workspace, key_id)
        for one in same:
            if one.revoked_at is None:
                tx.put(API_KEYS, one.model_copy(update={"revoked_at": now}))
        tx.audit(audited(caller, now, "key.revoked", key_id, tenant=caller.workspace))

    if known.revoked_at is None:
        await once(deps, caller, key, KeyView, note)
        await deps.store.transact(SYSTEM_WORKSPACE, revoke)
    return _key_view(await _known_key(deps, caller, key_id))


async def list_keys(deps: Deps, caller: Caller, query: PageParams) -> Page[KeyView]:
    """Returns the workspace's keys, newest first, those that were revoked among them."""
    page = await deps.store.find(
        SYSTEM_WORKSPACE,
        API_KEYS,
        Filter("tenant", "==", caller.workspace),
        order=Order("created_at", descending=True),
        limit=query.limit,
        cursor=query.cursor,
    )
    return Page[KeyView](items=[_key_view(one) for one in page.items], next_cursor=page.next_cursor)


async def view_settings(deps: Deps, caller: Caller) -> SettingsView:
    """Returns the workspace's settings as they are now."""
    known = await deps.store.get(caller.workspace, SETTINGS, SETTINGS_ID)
    return _settings_view(known or WorkspaceSettings(id=SETTINGS_ID))


async def change_settings(
    deps: Deps, caller: Caller, command: ChangeSettings, key: IdempotencyKey | None
) -> SettingsView:
    """Changes settings; also of a workspace that is read-only, or it would stay so.

    Raises:
        InvalidInput: a quality floor and the worth of an answer, both at once.
    """
    now = deps.clock.now_text()
    wanted = command.model_dump(include=command.model_fields_set)

    async def work(tx: Transaction) -> SettingsView:
        known = await tx.get(SETTINGS, SETTINGS_ID) or WorkspaceSettings(id=SETTINGS_ID)
        before: dict[str, JsonValue] = known.model_dump(mode="json", include=set(wanted))
        changed = {name: value for name, value in wanted.items() if before[name] != value}
        if not changed:
            return _settings_view(known)
        settings = known.model_copy(update=changed)
        if settings.answer_worth_usd is not None and settings.quality_floor is not None:
            raise InvalidInput.field(
                "/quality_floor", "set either this or answer_worth_usd, and the other to null"
            )
        tx.put(SETTINGS, settings)
        old: dict[str, JsonValue] = {name: before[name] for name in changed}
        tx.audit(audited(caller, now, "settings.changed", "settings", before=old, after=changed))
        return _settings_view(settings)

    view = await once(deps, caller, key, SettingsView, work)
    deps.settings_seen.pop(caller.workspace, None)
    return view


def _bootstrap_key(secret: str, now: str) -> ApiKey:
    return ApiKey(
        id=hash_secret(secret),
        key_id=BOOTSTRAP_KEY,
        tenant=DEFAULT_WORKSPACE,
        name="first admin key",
        scopes=["admin"],
        created_at=now,
        rate_per_minute=None,
    )


async def _store_key(deps: Deps, caller: Caller, view: KeyView, secret: str) -> bool:
    """Stores the key of a view unless it is there; tells whether it was stored."""
    record = ApiKey(id=hash_secret(secret), tenant=caller.workspace, **view.model_dump())

    async def store(tx: Transaction) -> bool:
        if await _same_key(tx, caller.workspace, view.key_id):
            return False
        tx.create(API_KEYS, record)
        tx.audit(
            audited(caller, view.created_at, "key.created", view.key_id, tenant=caller.workspace)
        )
        return True

    return await deps.store.transact(SYSTEM_WORKSPACE, store)


async def _same_key(tx: Transaction, workspace: str, key_id: str) -> list[ApiKey]:
    mine, same = Filter("tenant", "==", workspace), Filter("key_id", "==", key_id)
    return await tx.find(API_KEYS, mine, same, order=Order("created_at"), limit=_SAME_ID)


async def _known_key(deps: Deps, caller: Caller, key_id: str) -> ApiKey:
    mine, same = Filter("tenant", "==", caller.workspace), Filter("key_id", "==", key_id)
    page = await deps.store.find(
        SYSTEM_WORKSPACE, API_KEYS, mine, same, order=Order("created_at", descending=True), limit=1
    )
    if not page.items:
        raise NotFound(f"there is no key {key_id} in this workspace")
    return page.items[0]


def _view_of(key_id: str, command: CreateKey, now: str) -> KeyView:
    return KeyView(
        key_id=key_id,
        name=command.name,
        scopes=sorted(set(command.scopes)),
        created_at=now,
        expires_at=command.expires_at,
        rate_per_minute=command.rate_per_minute,
    )


def _key_view(key: ApiKey) -> KeyView:
    return KeyView(**key.model_dump(include=set(KeyView.model_fields)))


def _settings_view(settings: WorkspaceSettings) -> SettingsView:
    return SettingsView(**settings.model_dump(exclude={"id"}))
