"""What calls the jobs at their times."""

from dataclasses import dataclass
from typing import Literal, Protocol

JobSwitch = Literal["enabled", "paused", "missing"]


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job as the schedule has it.

    `next_run_at` is None where it will not run: `paused`, or `missing` from the schedule.
    `last_run_at` is None where it has not run yet; `last_error` is empty where that went well, or
    where the schedule does not know.
    """

    name: str
    cron: str
    state: JobSwitch
    next_run_at: str | None = None
    last_run_at: str | None = None
    last_error: str = ""


class Schedule(Protocol):
    """Calls the jobs of `JOBS` at their ticks, over HTTP. Names are those of `JOBS`."""

    async def jobs(self) -> list[ScheduledJob]:
        """Returns every job of `JOBS`, in that order.

        Raises:
            Unavailable: the schedule does not answer.
        """

    async def pause(self, name: str) -> None:
        """Holds a job back until it is resumed; what it misses meanwhile is not made up for.

        Raises:
            NotFound: the schedule has no such job.
            Unavailable: it does not answer.
        """

    async def resume(self, name: str) -> None:
        """Lets a job run at its next tick again. Raises as `pause`."""

    async def trigger(self, name: str) -> None:
        """Has a job run now, also one that is paused. Raises as `pause`."""

    async def close(self) -> None:
        """Lets go of connections."""
