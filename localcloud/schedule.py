"""Cloud Scheduler's part in the local cloud: `python -m localcloud.schedule PLAN`.

At each tick of a job it makes the same call: POST to the path of the job's function, with an OIDC
token. A call that fails is made again, as Cloud Scheduler is told to; a tick that passes while
nothing runs is not made up for, and neither is one of a job that an operator holds back.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from localcloud import plan
from localcloud.process import HOST
from localcloud.tokens import TokenSource
from shared import bootstrap
from shared.adapters.schedule_inprocess import next_tick
from shared.errors import WhetstoneError
from shared.messages.events import JOBS, Job
from shared.services.deps import Deps
from shared.services.holding import is_paused

ATTEMPTS = 4
FIRST_PAUSE_S = 5.0
DEADLINE_S = 1_800.0

logger = logging.getLogger("localcloud.schedule")


async def follow(name: str, job: Job, port: int, tokens: TokenSource, deps: Deps) -> None:
    """Calls a job at each of its ticks, one call at a time."""
    while True:
        now = datetime.now(UTC)
        await asyncio.sleep((next_tick(job.cron, now) - now).total_seconds())
        await tick(name, job, port, tokens, deps)


async def tick(name: str, job: Job, port: int, tokens: TokenSource, deps: Deps) -> bool:
    """Makes the call of one tick, unless the job is held back; tells whether it succeeded.

    Where the store does not tell, the job is called: a job more does no harm.
    """
    try:
        paused = await is_paused(deps, name)
    except WhetstoneError as error:
        logger.warning("%s: %s", name, error)
        paused = False
    if paused:
        logger.info("%s: paused", name)
        return False
    return await call(name, job, port, tokens)


async def call(name: str, job: Job, port: int, tokens: TokenSource) -> bool:
    """Makes one call, again where it fails; tells whether it succeeded."""
    for attempt in range(ATTEMPTS):
        try:
            headers = {"Authorization": f"Bearer {await tokens.token()}"}
            timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.post(f"http://{HOST}:{port}{job.path}") as answer,
            ):
                logger.info("%s: %s", name, answer.status)
                if answer.ok:
                    return True
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("%s: %s", name, error)
        await asyncio.sleep(FIRST_PAUSE_S * 2**attempt)
    return False


async def run(chosen: plan.Plan) -> None:
    """Follows every job until the process ends."""
    tokens, deps = TokenSource(chosen.issuer_url), bootstrap.deps()
    async with asyncio.TaskGroup() as group:
        for name, job in JOBS.items():
            group.create_task(follow(name, job, chosen.functions[job.function], tokens, deps))


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    asyncio.run(run(plan.read(Path(sys.argv[1]))))
