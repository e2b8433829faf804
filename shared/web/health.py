"""Health: what a function says of itself and of what it depends on.

`/health` tells (200 as long as the process answers), `/ready` decides (503 where a dependency that
the function needs fails). Both are public: they name dependencies and times, never addresses, paths
or messages of errors; those are logged.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Literal

from pydantic import Field

from shared.errors import Unavailable
from shared.messages.base import Answer
from shared.messages.events import FunctionName

Check = Callable[[], Awaitable[object]]
"""Returns where a dependency answers, raises where it does not."""

CHECK_S = 2.0
"""Seconds that one dependency may take."""

NEEDED: Mapping[FunctionName, frozenset[str]] = {
    "submit": frozenset({"store"}),
    "approve": frozenset({"store"}),
    "feedback": frozenset({"store"}),
    "retrain": frozenset({"store", "blobs"}),
    "serve": frozenset({"store", "blobs", "index"}),
    "publish": frozenset({"store", "blobs", "index"}),
    "notify": frozenset({"store"}),
    "monitor": frozenset({"store", "blobs", "index"}),
    "console": frozenset({"store"}),
}
"""Which dependencies each function cannot work without."""

logger = logging.getLogger("whetstone.health")


class Checked(Answer):
    """One dependency: whether it answered, and after how many milliseconds."""

    status: Literal["ok", "failed"]
    latency_ms: float


class HealthReport(Answer):
    """A function's own view: `degraded` where something that it needs does not answer.

    `functions` are the other functions of this process, where one is asked about all of them.
    """

    status: Literal["ok", "degraded"]
    function: FunctionName
    version: str
    checks: dict[str, Checked]
    functions: dict[str, "HealthReport"] = Field(default_factory=dict)


async def run_checks(
    checks: Mapping[str, Check], *, limit_s: float = CHECK_S
) -> dict[str, Checked]:
    """Returns what became of each check, all run at once, each cut off after `limit_s` seconds."""
    results = await asyncio.gather(*(_run(name, checks[name], limit_s) for name in checks))
    return dict(zip(checks, results, strict=True))


async def report(
    function: FunctionName,
    version: str,
    checks: Mapping[str, Check],
    peers: Iterable[FunctionName] = (),
) -> HealthReport:
    """Returns the health of a function, and of its peers in the same process.

    Args:
        function: whose health is asked.
        version: what runs.
        checks: every dependency of the process; each is tried once.
        peers: further functions to tell about.
    """
    others = sorted(set(peers) - {function})
    wanted = frozenset[str]().union(*(NEEDED[name] for name in (function, *others)))
    results = await run_checks({name: checks[name] for name in checks if name in wanted})

    def of(name: FunctionName) -> HealthReport:
        mine = {one: results[one] for one in results if one in NEEDED[name]}
        good = all(one.status == "ok" for one in mine.values())
        status: Literal["ok", "degraded"] = "ok" if good else "degraded"
        return HealthReport(status=status, function=name, version=version, checks=mine)

    own, rest = of(function), {name: of(name) for name in others}
    good = all(one.status == "ok" for one in (own, *rest.values()))
    return own.model_copy(update={"status": "ok" if good else "degraded", "functions": rest})


async def ready(function: FunctionName, version: str, checks: Mapping[str, Check]) -> HealthReport:
    """Returns the health of a function that can work.

    Raises:
        Unavailable: it cannot; its facts name the dependencies that fail.
    """
    found = await report(function, version, checks)
    if found.status == "ok":
        return found
    failed = [name for name, check in found.checks.items() if check.status == "failed"]
    raise Unavailable(
        f"{function} is not ready: {', '.join(failed)} does not answer",
        facts={**found.model_dump(mode="json", include={"function", "version", "checks"})},
    )


async def _run(name: str, check: Check, limit_s: float) -> Checked:
    started = time.perf_counter()
    status: Literal["ok", "failed"] = "ok"
    try:
        async with asyncio.timeout(limit_s):
            await check()
    except Exception as error:  # noqa: BLE001 -- whatever it is, the dependency does not work
        status = "failed"
        logger.warning(
            "dependency.failed",
            extra={"dependency": name, "error": f"{type(error).__name__}: {error}"[:500]},
        )
    return Checked(status=status, latency_ms=round((time.perf_counter() - started) * 1000, 3))
