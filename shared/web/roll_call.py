"""Roll call: how every function is, for the page that shows it.

Functions of the own process tell by themselves, the others are asked where an address is known.
Whoever does not answer in time is told as silent; nobody is waited for longer than that.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Unavailable
from shared.messages.events import FunctionName
from shared.web.health import Checked, HealthReport

Ask = Callable[[], Awaitable[bytes]]
"""Returns the body of a function's `/health`; raises Unavailable where it does not answer."""

ORDER: tuple[FunctionName, ...] = get_args(FunctionName)

logger = logging.getLogger("whetstone.health")


@dataclass(frozen=True, slots=True)
class Present:
    """A function as it was seen.

    `silent`: it was asked and did not answer. `unasked`: it runs elsewhere, and no address is set.
    `answered_ms` is how long a function of another process took to answer.
    """

    function: FunctionName
    status: Literal["ok", "degraded", "silent", "unasked"]
    version: str | None = None
    checks: Mapping[str, Checked] = field(default_factory=dict)
    answered_ms: float | None = None


class _Told(BaseModel):
    """What is read of another process's report, which may be of another version."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, Checked]


async def roll_call(own: HealthReport, asks: Mapping[FunctionName, Ask]) -> list[Present]:
    """Returns every function, in the order of the loop.

    Args:
        own: the report of this process, with its peers.
        asks: how functions of other processes are asked; for those here it is not needed.
    """
    here = {own.function: own, **{one.function: one for one in own.functions.values()}}
    elsewhere = [name for name in ORDER if name not in here]
    found = await asyncio.gather(*(_asked(name, asks.get(name)) for name in elsewhere))
    told = dict(zip(elsewhere, found, strict=True))
    return [_of(here[name]) if name in here else told[name] for name in ORDER]


def _of(report: HealthReport) -> Present:
    # The status of the whole is in the first report; a function's own follows from its checks.
    good = all(one.status == "ok" for one in report.checks.values())
    return Present(report.function, "ok" if good else "degraded", report.version, report.checks)


async def _asked(name: FunctionName, ask: Ask | None) -> Present:
    if ask is None:
        return Present(name, "unasked")
    started = time.perf_counter()
    try:
        told = _Told.model_validate_json(await ask())
    except (Unavailable, ValidationError) as error:
        reason = error.detail if isinstance(error, Unavailable) else "its answer is no report"
        logger.warning("function.silent", extra={"silent_function": name, "error": reason})
        return Present(name, "silent")
    took_ms = round((time.perf_counter() - started) * 1000, 1)
    return Present(name, told.status, told.version, told.checks, took_ms)
