"""Quiesce: a workspace takes no changes while the moment of its backup is chosen.

Invariant: it is written down in the backup's state before a workspace is held, so that whoever goes
on with the backup lets it go.
"""

import asyncio
from collections.abc import Awaitable, Callable

from shared.domain.access import Caller
from shared.domain.backup import Manifest
from shared.messages.access import ChangeSettings
from shared.services.access import change_settings, view_settings
from shared.services.deps import Deps

SEEN_S = 3.0
"""Seconds after which every process knows that a workspace is read-only, and what ran has ended."""


async def hold(
    deps: Deps, manifest: Manifest, workspace: str, save: Callable[[], Awaitable[None]]
) -> None:
    """Makes a workspace read-only; one that is so already is left to whoever made it so."""
    who = _ourselves(workspace)
    if (await view_settings(deps, who)).read_only:
        return
    manifest.held.append(workspace)
    await save()
    await change_settings(deps, who, ChangeSettings(read_only=True), None)
    await asyncio.sleep(SEEN_S)


async def let_go(deps: Deps, manifest: Manifest) -> None:
    """Lets changes into what the backup holds."""
    for workspace in manifest.held:
        await change_settings(deps, _ourselves(workspace), ChangeSettings(read_only=False), None)
    manifest.held = []


def _ourselves(workspace: str) -> Caller:
    return Caller(workspace, "system:backup", system=True)
