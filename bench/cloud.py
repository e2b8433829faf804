"""Requests a second on the local cloud, each function by itself, against one bare create.

For each store: submit, approve, route and feedback at 16 connections, sent straight to the
function's process, and before each of them the same time of creating single documents (PostgreSQL:
rows) on the same server. The ratio is between these two; at the end it is the median of the rounds.
Feedback is sent by many users, then by one alone, and by that one again, who is beyond the caps on
a rater by then. The front is left out: on Google Cloud it is not ours. The consumers of the events
run meanwhile, on the same machine; before each measurement they are waited for.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import cast, get_args

from bench import bare
from bench.http_routes import entry_requests, feedback_requests, route_requests
from bench.load import CONNECTIONS, Load, Measured, Source, post, run
from bench.servers import AS_DEPLOYED, KEY
from localcloud.cloud import Cloud, StoreName
from localcloud.plan import PROJECT
from localcloud.process import LocalProcess

STORES = get_args(StoreName)
ROUNDS, SECONDS = 3, 4.0
_CALM_SHARE, _LOOK_S, _CALM_S = 0.1, 0.5, 120.0
"""At rest are processes that use less of a processor; looked at so often, waited for so long."""


def approve_requests(entry_ids: Sequence[str]) -> Iterator[bytes]:
    """Makes an approval of each entry, which ends."""
    for entry_id in entry_ids:
        yield post(f"/v1/approvals/{entry_id}/approve", {"reviewer": "ann"}, KEY)


def ratios(rounds: Sequence[Mapping[str, tuple[Measured, Measured]]]) -> dict[str, float]:
    """Returns for each route the median share of its baseline's requests per second."""
    return {
        name: statistics.median(one[name][1].per_second / one[name][0].per_second for one in rounds)
        for name in rounds[0]
    }


class CloudBench:
    """Measures a cloud that runs.

    Args:
        cloud: which.
        generator: the process that sends.
        seconds: of each measurement.
    """

    def __init__(self, cloud: Cloud, generator: ProcessPoolExecutor, seconds: float) -> None:
        self._cloud = cloud
        self._generator = generator
        self._seconds = seconds

    def round(self, number: int) -> dict[str, tuple[Measured, Measured]]:
        """Measures each route once; returns the baseline's figures and its own."""
        found = {}
        made = partial(entry_requests, "/v1/entries", number)
        found["submit"] = self._compare("submit", made, keep=True)
        ids = [json.loads(one)["entry_id"] for one in found["submit"][1].bodies]
        found["approve"] = self._compare("approve", partial(approve_requests, ids))
        routing = partial(route_requests, "/v1/route", number)
        found["route"] = self._compare("serve", routing, keep=True)
        routed = [json.loads(one)["request_id"] for one in found["route"][1].bodies]
        middle = len(routed) // 2
        one = partial(feedback_requests, "/v1/feedback", raters=1, name=f"one{number}")
        many = partial(feedback_requests, "/v1/feedback", routed, name=f"many{number}")
        found["feedback, many"] = self._compare("feedback", many)
        found["feedback, one"] = self._compare("feedback", partial(one, routed[:middle]))
        found["one, goes on"] = self._compare("feedback", partial(one, routed[middle:]))
        return found
        return found

    def warm_up(self) -> None:
        """Lets every process meet its first requests."""
        body = next(entry_requests("/v1/entries", 0))
        answer = self._send("submit", partial(itertools.repeat, body), seconds=0.1, keep=True)
        self._send("approve", partial(approve_requests, [_entry_id(answer)]), seconds=0.1)
        routed = self._send(
            "serve", partial(route_requests, "/v1/route", 0), seconds=0.1, keep=True
        )
        ids = [json.loads(one)["request_id"] for one in routed.bodies]
        self._send("feedback", partial(feedback_requests, "/v1/feedback", ids), seconds=0.1)

    def _compare(
        self, function: str, source: Source, *, keep: bool = False
    ) -> tuple[Measured, Measured]:
        self._rest()
        asked = bare.Bare(self._cloud.store, self._place(), PROJECT, self._seconds)
        least = self._generator.submit(bare.run, asked).result()
        return least, self._send(function, source, seconds=self._seconds, keep=keep)

    def _send(
        self, function: str, source: Source, *, seconds: float, keep: bool = False
    ) -> Measured:
        port = self._cloud.plan.functions[function]
        found = self._generator.submit(run, Load(port, seconds, source, keep)).result()
        if found.failed:
            raise RuntimeError(f"{function}: {found.failed} refused: {dict(found.statuses)}")
        return found

    def _rest(self) -> None:
        """Waits until the functions have done what earlier requests have left to them.

        Raises:
            RuntimeError: they do not come to rest.
        """
        servers = self._cloud.servers.values()
        pids = [one.pid for one in servers if isinstance(one, LocalProcess) and one.pid]
        deadline = time.monotonic() + _CALM_S
        while time.monotonic() < deadline:
            before = sum(map(processor_s, pids))
            time.sleep(_LOOK_S)
            if sum(map(processor_s, pids)) - before < _CALM_SHARE * _LOOK_S:
                return
        raise RuntimeError("the functions do not come to rest")

    def _place(self) -> str:
        environment = self._cloud.environment()
        name = {"firestore": "FIRESTORE_EMULATOR_HOST", "postgres": "WHETSTONE_POSTGRES__DSN"}
        return environment[name[self._cloud.store]]


def processor_s(pid: int) -> float:
    """Returns the seconds of processor time that a process has used; Linux tells."""
    behind_name = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    user, system = behind_name[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _entry_id(found: Measured) -> str:
    return str(json.loads(found.bodies[0])["entry_id"])


def line(name: str, found: Measured) -> str:
    """Returns a line of figures."""
    return (
        f"{name:14} {found.per_second:7.0f} a second   p50 {found.quantile_ms(0.5):7.1f} ms"
        f"   p99 {found.quantile_ms(0.99):7.1f} ms"
    )


def measure(store: StoreName, rounds: int, seconds: float, generator: ProcessPoolExecutor) -> None:
    """Prints what one store's cloud makes of it."""
    print(f"\n{store}")
    folder = Path(tempfile.mkdtemp(prefix="whetstone-cloud-"))
    cloud = Cloud(
        folder,
        store=store,
        environment={**AS_DEPLOYED, "WHETSTONE_BOOTSTRAP_API_KEY": KEY},
        schedule=False,
    )
    try:
        with cloud:
            bench = CloudBench(cloud, generator, seconds)
            bench.warm_up()
            done = []
            for number in range(1, rounds + 1):
                done.append(bench.round(number))
                for name, (least, ours) in done[-1].items():
                    print(f"round {number}  {line('bare create', least)}")
                    print(f"round {number}  {line(name, ours)}", flush=True)
            for name, ratio in ratios(done).items():
                print(f"{store}, {name}: {ratio:.3f} of a bare create, median of {rounds}")
    finally:
        shutil.rmtree(cloud.postgres_folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> None:
    """Prints requests per second, quantiles and ratios of each store."""
    parser = argparse.ArgumentParser(prog="python -m bench.cloud", description=__doc__)
    parser.add_argument("--store", choices=STORES, help="one of them; both where left out")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    options = parser.parse_args(arguments)
    print(f"{CONNECTIONS} connections, {options.seconds:g} s each, sent by a process of its own")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as generator:
        for store in [options.store] if options.store else STORES:
            measure(cast(StoreName, store), options.rounds, options.seconds, generator)


if __name__ == "__main__":
    main()
