"""Events, and the map of the loop: which function produces an event and which ones consume it.

`FLOW` is held against the code and against the infrastructure by tests: change it here first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.domain.times import Timestamp

FunctionName = Literal[
    "submit", "approve", "feedback", "retrain", "serve", "publish", "notify", "monitor", "console"
]

EventType = Literal[
    "entry.submitted",
    "entry.approved",
    "entry.rejected",
    "entry.revision_requested",
    "entry.retracted",
    "feedback.recorded",
    "outcome.recorded",
    "learning.requested",
    "learning.completed",
    "learning.rolled_back",
    "canary.started",
    "canary.ended",
    "experiment.ended",
    "alert.raised",
    "alert.resolved",
]


class Event(BaseModel):
    """Something that happened, as it travels.

    `subject` is the id it happened to, `data` small facts about it.
    """

    model_config = ConfigDict(frozen=True)

    event_id: str
    type: EventType
    workspace: str
    occurred_at: Timestamp
    subject: str
    data: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """Who may produce an event, and who consumes it."""

    producers: tuple[FunctionName, ...]
    consumers: tuple[FunctionName, ...]


FLOW: Mapping[EventType, Route] = {
    "entry.submitted": Route(("submit",), ("notify",)),
    "entry.approved": Route(("approve",), ("publish", "notify")),
    "entry.rejected": Route(("approve",), ("notify",)),
    "entry.revision_requested": Route(("approve",), ("notify",)),
    "entry.retracted": Route(("approve",), ("publish", "notify")),
    "feedback.recorded": Route(("feedback",), ("retrain",)),
    "outcome.recorded": Route(("feedback",), ("retrain",)),
    "learning.requested": Route(("feedback", "retrain"), ("retrain",)),
    "learning.completed": Route(("retrain",), ("monitor", "notify")),
    "learning.rolled_back": Route(("retrain",), ("monitor", "notify")),
    "canary.started": Route(("retrain",), ("notify",)),
    "canary.ended": Route(("monitor", "retrain"), ("notify",)),
    "experiment.ended": Route(("monitor", "retrain"), ("notify",)),
    "alert.raised": Route(("monitor", "retrain"), ("notify",)),
    "alert.resolved": Route(("monitor", "retrain"), ("notify",)),
}


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled call: POST `path` of `function` at each tick of `cron` (UTC, five fields).

    `catch_up` says that a tick missed while nothing ran is made up for at the next start.
    """

    function: FunctionName
    path: str
    cron: str
    catch_up: bool = False


JOBS: Mapping[str, Job] = {
    "retrain": Job("retrain", "/jobs/retrain", "0 2 * * *", catch_up=True),
    "sweep": Job("monitor", "/jobs/sweep", "* * * * *"),
    "backup": Job("monitor", "/jobs/backup", "20 * * * *"),
    "check": Job("monitor", "/jobs/check", "*/5 * * * *"),
}
