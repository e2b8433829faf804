"""What the commands share: running one task on this machine's ports, and naming a tenant."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from shared import bootstrap
from shared.domain.access import DEFAULT_WORKSPACE
from shared.services.deps import Deps

T = TypeVar("T")

in_workspace = click.option(
    "--workspace", default=DEFAULT_WORKSPACE, show_default=True, help="Which tenant."
)
"""The option that names a tenant."""


def run(work: Callable[[Deps], Awaitable[T]]) -> T:
    """Returns what `work` returns, with everything closed behind it."""

    async def with_deps() -> T:
        deps = bootstrap.deps()
        try:
            return await work(deps)
        finally:
            await deps.close()

    return asyncio.run(with_deps())
