"""What a month of nothing and a million turns cost on Google Cloud, for docs/cost.md.

Every line is a quantity times a list price of prices.yaml. Quantities are counted (turns.json and
idle.json, on the local cloud), set by Terraform (a test compares them with a plan), or assumed;
the table says which. No free quota is taken off.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import billing
from bench.billing import Price, added, read_prices
from bench.turns import COUNTS, ROOT, SHARES, Player, Steps, counted_cloud

PAGE = ROOT / "docs" / "cost.md"
IDLE = Path(__file__).with_name("idle.json")

HOURS = 730
SECONDS = HOURS * 3600
PER_TURNS = 1_000
"""What the counts of turns.json are for."""

CALLS = {"sweep": HOURS * 60, "check": HOURS * 12, "backup": HOURS, "retrain": 365 / 12}
"""How often Cloud Scheduler calls each job in a month."""

PLACES = 6
"""From how many places a minute the uptime check asks."""

REQUEST_S = 0.1
"""Cloud Run bills a request that is alone in its instance for 100 ms at least."""

REQUESTS = 8
"""Requests to functions of a turn: four by callers, four that Pub/Sub pushes."""

BY_CALLERS = 4
KIB, GIB = 2**10, 2**30

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Environment:
    """What Terraform makes that costs something though nobody calls.

    Args:
        warm_vcpus: of the instances that are kept.
        warm_gib: their memory.
        armor_rules: of the one policy.
        jobs: of Cloud Scheduler.
        secrets: versions.
        keys: versions; one more each 90 days.
        conditions: of all alert policies, or a few more.
    """

    warm_vcpus: float
    warm_gib: float
    armor_rules: int
    jobs: int
    secrets: int
    keys: int
    conditions: int


ENVIRONMENTS = {
    "dev": Environment(0, 0, 17, 4, 1, 0, 32),
    "prod": Environment(4, 3, 17, 4, 1, 1, 32),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill.

    Args:
        what: for people.
        price: its name in prices.yaml.
        quantity: in units of the price's name, before its `per`.
        source: counted, Terraform or assumed.
    """

    what: str
    price: str
    quantity: float
    source: str

    def usd(self, prices: Mapping[str, Price]) -> float:
        """Returns what it costs."""
        return self.quantity * prices[self.price].usd / prices[self.price].per


def idle(environment: Environment, counted: Steps) -> list[Line]:
    """Returns the bill of a month in which nobody calls.

    Args:
        environment: what stands.
        counted: what one call of each job is billed as, in a system without anything to do.
    """
    one = environment
    vcpu_s, gib_s = one.warm_vcpus * SECONDS, one.warm_gib * SECONDS
    asked = PLACES * HOURS * 60
    calls = sum(CALLS.values()) + asked
    store = added({key: n * CALLS[job] for key, n in counted[job].items()} for job in counted)
    fixed = [
        Line("load balancer", "load_balancer_hours", HOURS, "Terraform"),
        Line("Cloud Armor, policy", "armor_policy_months", 1, "Terraform"),
        Line("Cloud Armor, rules", "armor_rule_months", one.armor_rules, "Terraform"),
        Line("warm instances, vCPU", "run_idle_vcpu_seconds", vcpu_s, "Terraform"),
        Line("warm instances, memory", "run_idle_gib_seconds", gib_s, "Terraform"),
        Line("scheduled jobs", "scheduler_job_months", one.jobs, "Terraform"),
        Line("secrets", "secret_version_months", one.secrets, "Terraform"),
        Line("keys", "key_version_months", one.keys, "Terraform"),
        Line("alerts", "alert_condition_months", one.conditions, "Terraform"),
    ]
    work = [
        Line("calls of jobs and uptime checks", "run_requests", calls, "Terraform"),
        Line("calls, vCPU for 100 ms each", "run_vcpu_seconds", calls * REQUEST_S, "assumed"),
        Line("calls, 2 GiB of memory", "run_gib_seconds", calls * REQUEST_S * 2, "assumed"),
        Line("calls, records read", billing.READS, store[billing.READS] + asked, "counted"),
        Line("calls, records written", billing.WRITES, store[billing.WRITES], "counted"),
        Line("calls, log lines of 1 KiB", "log_gib", calls * KIB / GIB, "assumed"),
        Line("records, 1 GiB", "firestore_gib_months", 1, "assumed"),
        Line("objects and backups, 2 GiB", "storage_gib_months", 2, "assumed"),
    ]
    return [line for line in (*fixed, *work) if line.quantity]


def with_postgres() -> list[Line]:
    """Returns what Cloud SQL costs a month, as Terraform makes it, with a standby."""
    vcpus, gib, disk, machines = 2, 7.5, 20, 2
    return [
        Line("2 vCPUs, twice", "sql_vcpu_hours", vcpus * machines * HOURS, "Terraform"),
        Line("7.5 GiB, twice", "sql_gib_hours", gib * machines * HOURS, "Terraform"),
        Line("disk of 20 GiB, twice", "sql_disk_gib_months", disk * machines, "Terraform"),
    ]


def turns(counted: Steps) -> list[Line]:
    """Returns the bill of a million turns.

    Args:
        counted: what one of each step is billed as.
    """
    times = MILLION / PER_TURNS
    total = added(
        {key: amount * SHARES[step] * times for key, amount in one.items()}
        for step, one in counted.items()
    )
    requests, called = REQUESTS * MILLION, BY_CALLERS * MILLION
    busy_s = requests * REQUEST_S
    names = {
        "records read": billing.READS,
        "records written": billing.WRITES,
        "records deleted": billing.DELETES,
        "events, bytes": billing.BYTES,
        "objects written": billing.CLASS_A,
        "objects read": billing.CLASS_B,
    }
    return [
        *(Line(what, name, total[name], "counted") for what, name in names.items()),
        Line("functions, requests", "run_requests", requests, "counted"),
        Line(
            "functions, vCPU for 100 ms a request",
            "run_vcpu_seconds",
            busy_s,
            "assumed",
        ),
        Line(
            "functions, 0.75 GiB of memory",
            "run_gib_seconds",
            busy_s * 0.75,
            "assumed",
        ),
        Line("Cloud Armor, requests", "armor_requests", called, "counted"),
        Line("load balancer, 4 KiB each", "load_balancer_gib", called * 4 * KIB / GIB, "assumed"),
        Line("answers, 2 KiB each", "internet_gib", called * 2 * KIB / GIB, "assumed"),
        Line("logs, 1.5 KiB a request", "log_gib", requests * 1.5 * KIB / GIB, "assumed"),
        Line("records, 5 KiB a turn", "firestore_gib_months", 5 * KIB * MILLION / GIB, "assumed"),
    ]


def table(lines: Iterable[Line], prices: Mapping[str, Price]) -> str:
    """Returns a bill in Markdown, the dearest line first; `*` marks prices not confirmed."""
    rows = [
        "| what | quantity | list price, USD | USD | quantity is |",
        "|---|---:|---|---:|---|",
    ]
    lines = sorted(lines, key=lambda one: -one.usd(prices))
    for one in lines:
        price = prices[one.price]
        per = f" / {price.per:,}" if price.per > 1 else ""
        mark = "" if price.confirmed else " *"
        rows.append(
            f"| {one.what} | {_quantity(one.quantity)} | {price.usd:.7f}".rstrip("0").rstrip(".")
            + f"{per} ({one.price}){mark} | {one.usd(prices):,.2f} | {one.source} |"
        )
    whole = sum(one.usd(prices) for one in lines)
    return "\n".join([*rows, f"| **all** | | | **{whole:,.2f}** | |"])


def _quantity(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= KIB or amount == int(amount) else f"{amount:,.2f}"


def tables() -> dict[str, str]:
    """Returns every table of the page, by the name of its place there."""
    prices = read_prices()
    still: Steps = json.loads(IDLE.read_text("utf-8"))["jobs"]
    steps: Steps = json.loads(COUNTS.read_text("utf-8"))["steps"]
    bills = {
        "idle-dev": idle(ENVIRONMENTS["dev"], still),
        "idle-prod": idle(ENVIRONMENTS["prod"], still),
        "postgres": with_postgres(),
        "turns": turns(steps),
    }
    return {name: table(lines, prices) for name, lines in bills.items()}


def written(page: str, found: Mapping[str, str]) -> str:
    """Returns a page with each table between its two marks.

    Raises:
        ValueError: the page lacks a mark.
    """
    for name, text in found.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, behind = page.index(begin) + len(begin), page.index(end)
        page = f"{page[:before]}\n{text}\n{page[behind:]}"
    return page


def count() -> Steps:
    """Returns what one call of each job is billed as where there is nothing to do."""
    folder = Path(tempfile.mkdtemp(prefix="whetstone-idle-"))
    try:
        with counted_cloud(folder) as (cloud, recorder):
            player = Player(cloud, recorder)
            jobs = ("sweep", "check", "retrain", "backup")
            for job in jobs:
                player.job(job, job)
            player.forget()
            for job in jobs * 3:
                player.job(job, job)
            return player.steps()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables, or puts them into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    parser.add_argument("--count", action="store_true", help=f"count anew into {IDLE.name}")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/cost.md")
    options = parser.parse_args(arguments)
    if options.count:
        told = {"counted": datetime.now(UTC).date().isoformat(), "jobs": count()}
        IDLE.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    found = tables()
    if options.write:
        PAGE.write_text(written(PAGE.read_text("utf-8"), found), "utf-8")
    for name, text in found.items():
        print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main()
