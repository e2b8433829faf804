"""What the commands share: running one task on this machine's ports, and naming a tenant."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from shared import bootstrap
from shared.domain.access import DEFAULT_WORKSPACE
from shared.messages.events import Job
from shared.services import access
from shared.services.deps import Deps

T = TypeVar("T")

_JOB_S = 3_600.0

in_workspace = click.option(
    "--workspace", default=DEFAULT_WORKSPACE, show_default=True, help="Which tenant."
)
"""The option that names a tenant."""


def run(work: Callable[[Deps], Awaitable[T]], workspace: str | None = None) -> T:
    """Returns what `work` returns, with everything closed behind it.

    Raises:
        NotFound: there is no `workspace`; nothing was done then.
    """

    async def with_deps() -> T:
        deps = bootstrap.deps()
        try:
            if workspace is not None:
                await access.check_workspace(deps, workspace)
            return await work(deps)
        finally:
            await deps.close()

    return asyncio.run(with_deps())


def call_job(url: str, job: Job) -> dict[str, Any]:
    """Has a running server do a job to its end, as the system; returns its answer.

    Raises:
        ClickException: nobody answers there, or the job did not succeed.
        Unavailable: nothing here proves the system.
    """
    import httpx

    headers = {"Authorization": f"Bearer {bootstrap.system_token()}"}
    try:
        answer = httpx.post(url.rstrip("/") + job.path, headers=headers, timeout=_JOB_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise click.ClickException(f"{url} does not answer: {error}") from None
    if not answer.is_success:
        raise click.ClickException(f"{job.path} answered {answer.status_code}: {answer.text[:500]}")
    return dict(answer.json())
