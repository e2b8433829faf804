"""What 1,000 turns of the loop cost on Google Cloud: counted on the local cloud, call by call.

A turn is one entry submitted, approved and published, one request routed, and one rating of it,
with every event delivered. Turns are played one a second in one workspace, each function being one
process that is warm, so that what a process remembers is as old as it would be. To 1,000 turns
belong the jobs of 1,000 seconds (a sweep each minute, a check every five) and one training run,
which 1,000 ratings ask for. The counts are kept in turns.json; list prices are in prices.yaml.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]
import httpx
from google.pubsub_v1 import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from bench import billing
from bench.billing import Price, added, cost_usd, read_prices
from bench.proxies import Recorder
from bench.servers import AS_DEPLOYED, KEY
from localcloud.cloud import Cloud
from localcloud.firestore import FirestoreServer
from localcloud.plan import ACCOUNT, AUDIENCE, PROJECT
from localcloud.process import HOST
from localcloud.pubsub import PubSubEmulator
from localcloud.storage import StorageServer
from shared.messages.events import JOBS

ROOT = Path(__file__).resolve().parents[1]
COUNTS = Path(__file__).with_name("turns.json")
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- turns: begin -->", "<!-- turns: end -->"

TURNS, WARM_UP, SECONDS_A_TURN = 120, 5, 1.0
TURNS_A_SWEEP, TURNS_A_CHECK = 60, 300
PER = 1_000
SHARES = {
    "submit": PER,
    "approve, publish": PER,
    "route": PER,
    "feedback": PER,
    "sweep": PER / TURNS_A_SWEEP,
    "check": PER / TURNS_A_CHECK,
    "training run": 1,
}
"""How often each step happens in 1,000 turns."""

_COLUMNS = {
    "reads": billing.READS,
    "writes": billing.WRITES,
    "deletes": billing.DELETES,
    "messages": billing.MESSAGES,
    "deliveries": billing.DELIVERIES,
    "class A": billing.CLASS_A,
    "class B": billing.CLASS_B,
}
_QUIET_S = 0.1
_LONGEST_S = 30.0
_KIB = 1024

T = TypeVar("T")

Steps = dict[str, dict[str, float]]
"""What one of each step is billed as, on average."""


class Player:
    """Plays steps on a cloud, one after the other, and takes what was counted after each.

    Args:
        cloud: which runs.
        recorder: what its functions go through.
    """

    def __init__(self, cloud: Cloud, recorder: Recorder) -> None:
        self._cloud = cloud
        self._recorder = recorder
        self._http = httpx.Client(base_url=cloud.url, headers={"X-API-Key": KEY}, timeout=60)
        self._pushes = asyncio.run(_redirected(_pubsub(cloud), recorder.address("push")))
        self._missing = 0
        self._taken: dict[str, list[Mapping[str, float]]] = {}

    def turn(self, number: int) -> None:
        """Plays one turn."""
        body = {
            "topic": "billing",
            "content": f"turn {number}: " + " ".join(f"word{number * 40 + n}" for n in range(40)),
            "confidence_score": 0.8,
            "tags": ["invoice"],
            "submitter": f"agent-{number % 5}",
        }
        entry = self.step("submit", lambda: self._post("/v1/entries", body))
        path = f"/v1/approvals/{entry['entry_id']}/approve"
        self.step("approve, publish", lambda: self._post(path, {"reviewer": "ann"}))
        candidates = [{"provider": "p", "model": name} for name in ("small", "large")]
        asked = {"prompt": f"Explain invoice {number}.", "candidates": candidates}
        routed = self.step("route", lambda: self._post("/v1/route", asked))
        rating = {
            "request_id": routed["request_id"],
            "quality_score": 1 + number % 5,
            "is_correct": number % 5 > 1,
        }
        self.step("feedback", lambda: self._post("/v1/feedback", rating))

    def job(self, step: str, name: str) -> None:
        """Calls a job as Cloud Scheduler does."""
        job, plan = JOBS[name], self._cloud.plan
        asked = {"audience": AUDIENCE, "email": ACCOUNT}
        token = httpx.get(f"{plan.issuer_url}/token", params=asked).json()["token"]
        url = f"http://{HOST}:{plan.functions[job.function]}{job.path}"
        headers = {"Authorization": f"Bearer {token}"}
        self.step(step, lambda: httpx.post(url, headers=headers, timeout=60).raise_for_status())

    def train(self) -> None:
        """Asks for a training run, which is made in the request."""
        self.step("training run", lambda: self._post("/v1/learning/runs", {"reason": "bench"}))

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Returns what `work` does, once everything that follows from it has happened."""
        done = work()
        self._settle()
        self._taken.setdefault(name, []).append(self._recorder.take())
        return done

    def forget(self) -> None:
        """Forgets what was counted so far."""
        self._taken.clear()

    def steps(self) -> Steps:
        """Returns the averages."""
        return {
            name: {key: total / len(taken) for key, total in sorted(added(taken).items())}
            for name, taken in self._taken.items()
        }

    def _settle(self) -> None:
        """Waits until every message was delivered to each of its subscriptions."""
        deadline = time.monotonic() + _LONGEST_S
        while self._recorder.quiet_s() < _QUIET_S or self._undelivered():
            if time.monotonic() > deadline:
                raise RuntimeError("the events were not delivered")
            time.sleep(_QUIET_S / 10)

    def _undelivered(self) -> bool:
        counted = self._recorder.counted()
        expected = sum(
            amount * self._pushes.get(name.removeprefix(f"{billing.MESSAGES} "), 0)
            for name, amount in counted.items()
            if name.startswith(f"{billing.MESSAGES} ")
        )
        return counted[billing.DELIVERIES] < expected

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return dict(answer.json())


async def _redirected(pubsub: str, push_to: str) -> dict[str, int]:
    """Makes every push go to `push_to`; returns how many subscriptions each topic pushes to."""
    channel = grpc.aio.insecure_channel(pubsub)
    client = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))
    found: dict[str, int] = {}
    async for one in await client.list_subscriptions(project=f"projects/{PROJECT}"):
        endpoint = httpx.URL(one.push_config.push_endpoint)
        if not endpoint.path.strip("/"):
            continue
        config = {"push_endpoint": f"http://{push_to}{endpoint.path}"}
        await client.modify_push_config(request={"subscription": one.name, "push_config": config})
        found[one.topic] = found.get(one.topic, 0) + 1
    await client.transport.close()
    return found


@contextlib.contextmanager
def counted_cloud(folder: Path) -> Iterator[tuple[Cloud, Recorder]]:
    """Runs the local cloud, whose functions reach every emulator through the recorder."""
    running: list[Cloud] = []

    def port(name: str, kind: type[FirestoreServer | PubSubEmulator | StorageServer]) -> str:
        server = running[0].servers[name]
        if not isinstance(server, kind):
            raise TypeError(f"{name} is {server}")
        return f"{HOST}:{server.port}"

    recorder = Recorder(
        lambda: port("firestore", FirestoreServer),
        lambda: port("pubsub", PubSubEmulator),
        lambda: port("storage", StorageServer),
        lambda: f"{HOST}:{running[0].plan.push_port}",
    )
    environment = {**recorder.environment, **AS_DEPLOYED, "WHETSTONE_BOOTSTRAP_API_KEY": KEY}
    with recorder:
        running.append(Cloud(folder, environment=environment, schedule=False))
        with running[0] as cloud:
            yield cloud, recorder


def _pubsub(cloud: Cloud) -> str:
    server = cloud.servers["pubsub"]
    if not isinstance(server, PubSubEmulator):
        raise TypeError("there is no Pub/Sub emulator")
    return f"{HOST}:{server.port}"


def play(turns: int) -> Steps:
    """Returns what each step is billed as, counted while so many turns are played."""
    folder = Path(tempfile.mkdtemp(prefix="whetstone-turns-"))
    try:
        with counted_cloud(folder) as (cloud, recorder):
            player = Player(cloud, recorder)
            for number in range(WARM_UP):
                player.turn(number)
            for name in ("sweep", "check"):
                player.job(name, name)
            player.forget()
            for number in range(1, turns + 1):
                began = time.monotonic()
                player.turn(WARM_UP + number)
                time.sleep(max(0.0, SECONDS_A_TURN - (time.monotonic() - began)))
                if number % TURNS_A_SWEEP == 0:
                    player.job("sweep", "sweep")
            player.job("check", "check")
            player.train()
            return player.steps()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def table(steps: Mapping[str, Mapping[str, float]], prices: Mapping[str, Price]) -> str:
    """Returns the table in Markdown: counts and US dollars for 1,000 turns, a row a step."""
    names = [*_COLUMNS, "KiB billed", "USD"]
    lines = [f"| for 1,000 turns | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    rows = {
        step: {name: amount * SHARES[step] for name, amount in counted.items()}
        for step, counted in steps.items()
    }
    for step, counted in {**rows, "**all**": added(rows.values())}.items():
        cells = [f"{counted.get(name, 0):,.0f}" for name in _COLUMNS.values()]
        cells += [f"{counted.get(billing.BYTES, 0) / _KIB:,.0f}"]
        lines.append(f"| {step} | {' | '.join(cells)} | {cost_usd(counted, prices):.4f} |")
    return "\n".join(lines)


def written(page: str, text: str) -> str:
    """Returns a page with `text` between its two marks.

    Raises:
        ValueError: the page has no such marks.
    """
    before, behind = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:before]}\n{text}\n{page[behind:]}"


def main(arguments: list[str] | None = None) -> None:
    """Counts anew, or only prints the table of what was counted."""
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS, help=f"multiples of {TURNS_A_SWEEP}")
    parser.add_argument("--table", action="store_true", help="play nothing: the last counts")
    parser.add_argument("--keep", action="store_true", help=f"write the counts to {COUNTS.name}")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    options = parser.parse_args(arguments)
    if options.table or (options.write and not options.keep):
        steps: Steps = json.loads(COUNTS.read_text("utf-8"))["steps"]
    else:
        steps = play(options.turns)
    if options.keep:
        told = {"counted": datetime.now(UTC).date().isoformat(), "turns": options.turns}
        COUNTS.write_text(json.dumps({**told, "steps": steps}, indent=1) + "\n", "utf-8")
    text = table(steps, read_prices())
    if options.write:
        PAGE.write_text(written(PAGE.read_text("utf-8"), text), "utf-8")
    print(text)


if __name__ == "__main__":
    main()
