"""How many requests a second the durable routes answer, against an empty handler of the same run.

Each measurement follows one of the baseline with the very same requests; the ratio is between these
two, and the figure at the end is the median of the rounds. Also the start, and each function's
import.
"""

import argparse
import itertools
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.baseline import PATH
from bench.load import CONNECTIONS, Load, Measured, Source, post, run
from bench.servers import KEY, baseline, whetstone
from shared.cli.serve import FUNCTIONS

ROUNDS, SECONDS = 3, 5.0
_START_S = 1.5
_READY_MADE = 150_000
MANY = 1_000
"""Users who rate; one alone soon meets a cap, and what is beyond it is less work."""

_WORDS = (Path(__file__).resolve().parent.parent / "LICENSE").read_text("utf-8").split()


@dataclass(frozen=True, slots=True)
class Subject:
    """A route, and the least share of the baseline's requests per second that it promises."""

    path: str
    promise: float


ENTRIES = Subject("/v1/entries", 0.5)
ROUTE = Subject("/v1/route", 0.6)
FEEDBACK = Subject("/v1/feedback", 0.5)


def entry_requests(path: str, seed: int) -> Iterator[bytes]:
    """Makes entries that all differ, from words of a real text."""
    rng = random.Random(seed)
    made = [
        post(
            path,
            {
                "topic": "billing",
                "content": f"note {seed} {number} " + " ".join(rng.choices(_WORDS, k=20)),
                "confidence_score": 0.8,
                "tags": ["invoice", "refund"],
                "metadata": {"source": "bench"},
            },
            KEY,
        )
        for number in range(_READY_MADE)
    ]
    return iter(made)


def route_requests(path: str, seed: int) -> Iterator[bytes]:
    """Makes prompts of some 50 words, with three candidates and their prices."""
    rng = random.Random(seed)
    candidates = [
        {"provider": "p", "model": f"m{place}", "usd_per_m_input": place, "usd_per_m_output": place}
        for place in range(1, 4)
    ]
    made = [
        post(path, {"prompt": " ".join(rng.choices(_WORDS, k=50)), "candidates": candidates}, KEY)
        for _ in range(1000)
    ]
    return itertools.cycle(made)


def feedback_requests(
    path: str, request_ids: list[str], raters: int = MANY, name: str = "user"
) -> Iterator[bytes]:
    """Makes ratings of routed requests by so many users in turn, and then by as many others.

    Args:
        path: of the route.
        request_ids: what was routed.
        raters: users who take turns.
        name: what their names begin with.
    """
    for turn in itertools.count():
        for place, request_id in enumerate(request_ids):
            body = {
                "request_id": request_id,
                "quality_score": 1 + place % 5,
                "is_correct": place % 5 > 1,
                "user_id": f"{name}-{turn}-{place % raters}",
            }
            yield post(path, body, KEY)


class Bench:
    """Measures in rounds.

    Args:
        seconds: of each measurement.
        generator: the process that sends.
        empty_port: where the baseline is.
    """

    def __init__(self, seconds: float, generator: ProcessPoolExecutor, empty_port: int) -> None:
        self._seconds = seconds
        self._generator = generator
        self._empty_port = empty_port
        self.ratios: dict[str, list[float]] = {}
        self.starts_s: list[float] = []

    def round(self, number: int) -> None:
        """Measures every route once, on fresh servers."""
        with tempfile.TemporaryDirectory() as folder, whetstone(Path(folder)) as server:
            self.starts_s.append(server.start_s)
            make = partial(entry_requests, seed=number)
            self._compare(number, ENTRIES, make, server.port)
        with tempfile.TemporaryDirectory() as folder, whetstone(Path(folder)) as server:
            self.starts_s.append(server.start_s)
            made = partial(route_requests, seed=number)
            routed = self._compare(number, ROUTE, made, server.port)
            ids = [json.loads(body)["request_id"] for body in routed.bodies]
            self._compare(
                number, FEEDBACK, partial(feedback_requests, request_ids=ids), server.port
            )

    def _compare(
        self, number: int, subject: Subject, make: partial[Iterator[bytes]], port: int
    ) -> Measured:
        empty = self._send(self._empty_port, partial(make, PATH))
        found = self._send(port, partial(make, subject.path), keep=subject is ROUTE)
        ratio = found.per_second / empty.per_second
        self.ratios.setdefault(subject.path, []).append(ratio)
        print(f"round {number}  {_line('empty handler', empty)}")
        print(
            f"round {number}  {_line(f'POST {subject.path}', found)}   ratio {ratio:.2f}",
            flush=True,
        )
        return found

    def _send(self, port: int, source: Source, *, keep: bool = False) -> Measured:
        found = self._generator.submit(run, Load(port, self._seconds, source, keep)).result()
        if found.failed:
            raise RuntimeError(f"{found.failed} requests were refused: {dict(found.statuses)}")
        return found


def _line(name: str, found: Measured) -> str:
    return (
        f"{name:18} {found.per_second:7.0f} requests/s   p50 {found.quantile_ms(0.5):6.2f} ms"
        f"   p99 {found.quantile_ms(0.99):6.2f} ms"
    )


def import_s(module: str) -> float:
    """Returns how long a new interpreter takes to import a module, the best of three."""
    code = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
    command = [sys.executable, "-c", code]
    return min(float(subprocess.check_output(command)) for _ in range(3))


def main(arguments: list[str] | None = None) -> None:
    """Prints requests per second, quantiles and ratios, the start and the imports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    print(f"{CONNECTIONS} connections, {options.seconds:g} s each, sent by a process of its own")
    spawn = multiprocessing.get_context("spawn")
    with baseline() as empty, ProcessPoolExecutor(1, mp_context=spawn) as generator:
        bench = Bench(options.seconds, generator, empty.port)
        for number in range(1, options.rounds + 1):
            bench.round(number)
    for subject in (ENTRIES, ROUTE, FEEDBACK):
        ratio = statistics.median(bench.ratios[subject.path])
        kept = "kept" if ratio >= subject.promise else "NOT KEPT"
        print(f"POST {subject.path:13} ratio {ratio:.2f}, promised {subject.promise:.2f}: {kept}")
    start_s = statistics.median(bench.starts_s)
    verdict = "kept" if start_s <= _START_S else "NOT KEPT"
    print(f"start to first answer {start_s:.2f} s, promised {_START_S:.2f}: {verdict}")
    for name in FUNCTIONS:
        print(f"import functions.{name}.main {import_s(f'functions.{name}.main'):.2f} s")


if __name__ == "__main__":
    main()
