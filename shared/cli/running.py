"""What the commands share: running one task on this machine's ports, and naming a tenant."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from shared import bootstrap
from shared.domain.access import DEFAULT_WORKSPACE
from shared.messages.events import Job
from shared.services.deps import Deps
from shared.web import guard

T = TypeVar("T")

_JOB_S = 3_600.0
_TOKEN_S = 300

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


def call_job(url: str, job: Job) -> dict[str, Any]:
    """Has a running server do a job to its end, with the system's own token; returns its answer.

    Raises:
        ClickException: nobody answers there, or the job did not succeed.
    """
    import httpx

    expires_at = time.time() + _TOKEN_S
    token = guard.mint(bootstrap.jwt_secret(), "cli", DEFAULT_WORKSPACE, "system", expires_at)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.post(url.rstrip("/") + job.path, headers=headers, timeout=_JOB_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise click.ClickException(f"{url} does not answer: {error}") from None
    if not answer.is_success:
        raise click.ClickException(f"{job.path} answered {answer.status_code}: {answer.text[:500]}")
    return dict(answer.json())
