"""The embedded schedule: cron syntax, and the call of a job in this process.

Five fields in UTC, as Cloud Scheduler takes them: minute, hour, day of month, month, day of week.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from shared.adapters.http_client import keep_addresses_out_of_the_log
from shared.errors import InvalidInput, Unavailable
from shared.messages.events import Job

AsgiApp = Callable[..., Awaitable[None]]

CALL_S = 3_600.0
"""Seconds that a job may take."""


def latest_tick(cron: str, now: datetime) -> datetime:
    """Returns the newest tick at or before `now`.

    Raises:
        InvalidInput: not cron syntax, or never true.
    """
    upto = now.replace(microsecond=0) + timedelta(seconds=1)
    return _first(cron, upto, reverse=True)


def next_tick(cron: str, now: datetime) -> datetime:
    """Returns the first tick after `now`.

    Raises:
        InvalidInput: not cron syntax, or never true.
    """
    return _first(cron, now, reverse=False)


class JobCaller:
    """Calls jobs over HTTP without a network: POST to their path in an app of this process.

    Args:
        app: serves the paths of all jobs.
        token: gives a fresh credential of the system.
    """

    def __init__(self, app: AsgiApp, token: Callable[[], str]) -> None:
        self._app = app
        self._token = token

    async def __call__(self, job: Job) -> None:
        """Runs a job to its end.

        Raises:
            Unavailable: it did not succeed.
        """
        import httpx  # noqa: PLC0415 -- a sixth of the server's start; the first job can wait for it

        headers = {"Authorization": f"Bearer {self._token()}"}
        keep_addresses_out_of_the_log()
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://schedule", headers=headers, timeout=CALL_S
        ) as client:
            answer = await client.post(job.path)
        if not answer.is_success:
            raise Unavailable(f"{job.path} answered {answer.status_code}")


def _first(cron: str, moment: datetime, *, reverse: bool) -> datetime:
    try:
        return next(CronSim(cron, moment, reverse=reverse))
    except CronSimError:
        raise InvalidInput(f"{cron!r} is not cron syntax (five fields)") from None
    except StopIteration:
        raise InvalidInput(f"{cron!r} is never true") from None
