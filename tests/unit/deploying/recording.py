"""Records what a real server's /metrics says of completions, without and with an injected fault.

    .venv/bin/python -m tests.unit.deploying.recording

starts a server three times and writes recorded/*.txt: `stable` and `good` are two runs without a
fault, in `faulty` the providers fail at every fifteenth request.
"""

import re
import tempfile
from itertools import pairwise
from pathlib import Path

import httpx

from shared.domain.traffic import Traffic
from tests.fakes.openai_server import Fault, OpenAIServer
from tests.support.server import Server
from tests.support.world import settings_file

FOLDER = Path(__file__).parent / "recorded"
ROUTE = ('function="serve"', 'method="POST"', 'route="/v1/complete"')
RUNS = {"stable": (900, 0), "good": (450, 0), "faulty": (450, 15)}
"""Requests of each run, and which of them fail: every n-th, 0 for none."""


def traffic(text: str) -> Traffic:
    """Returns the completions in an OpenMetrics text."""
    buckets = [
        (float(found[1].replace("+Inf", "inf")), round(float(found[2])))
        for found in re.finditer(r'_seconds_bucket\{.*?le="([^"]+)".*?\} (\S+)', text)
    ]
    upto = [0, *(count for _, count in buckets)]
    counts = tuple(after - before for before, after in pairwise(upto))
    errors = sum(
        round(float(found[1]))
        for found in re.finditer(r'_requests_total\{.*?status="5\d\d".*?\} (\S+)', text)
    )
    return Traffic(upto[-1], errors, tuple(bound for bound, _ in buckets), counts)


def record(requests: int, fails_at: int) -> str:
    """Returns the lines of /metrics about completions after so many of them."""
    with tempfile.TemporaryDirectory() as folder, OpenAIServer() as provider:
        environment = settings_file(Path(folder), provider.base_url)
        with (
            Server(Path(folder) / "data", environment) as server,
            httpx.Client(base_url=server.url, headers=server.headers, timeout=30) as http,
        ):
            for number in range(1, requests + 1):
                if fails_at and number % fails_at == 0:
                    for model in ("small", "large"):
                        provider.break_with(Fault.SERVER_ERROR, model=model, times=1)
                http.post("/v1/complete", json={"prompt": f"Question {number}?"})
            lines = http.get("/metrics").text.splitlines()
    kept = [line for line in lines if all(label in line for label in ROUTE)]
    return "\n".join(line for line in kept if "_created" not in line) + "\n"


def main() -> None:
    """Writes every recording."""
    FOLDER.mkdir(exist_ok=True)
    for name, (requests, fails_at) in RUNS.items():
        (FOLDER / f"{name}.txt").write_text(record(requests, fails_at), "utf-8")


if __name__ == "__main__":
    main()
