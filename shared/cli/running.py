"""Runs one asynchronous task of the command line on the ports of this machine."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared import bootstrap
from shared.services.deps import Deps

T = TypeVar("T")


def run(work: Callable[[Deps], Awaitable[T]]) -> T:
    """Returns what `work` returns, with the store closed behind it."""

    async def with_deps() -> T:
        deps = bootstrap.deps()
        try:
            return await work(deps)
        finally:
            await deps.store.close()

    return asyncio.run(with_deps())
