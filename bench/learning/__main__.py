"""Plays learning on real data against baselines, with seeds and intervals; writes tables and plots.

    python -m bench.learning [PART ...] [--seeds 20] [--replications 500] [--jobs N] [--out FOLDER]

Learns on train only and measures on test only. The learner is the running system's own modules; see
shared/domain/learning/simulation.py. A part is a module of this package with `report(options)`,
which returns the lines of its page; without names all are run, and results.md is written anew.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from pathlib import Path

from bench.learning.report import HERE, Options

PARTS = {
    "ten_models": "routing between ten models that answer exam questions (MMLU-Pro)",
    "two_models": "routing between a cheap and an expensive model (MMLU)",
    "ceilings": "what is to be had on these data sets at all",
    "worlds": "routing in made-up worlds, in which other things are true",
    "patterns": "which pattern a prompt is of, as labelled traffic has taught",
    "calibration": "how far predicted quality is from what comes",
    "canary": "how often a canary of a policy is right, and how many ratings it takes",
    "off_policy": "what logged traffic says about another policy",
    "attacks": "what hostile raters move, and who is blamed for it",
    "feigned": "a fall that hostile raters feign, and how it is undone",
    "trust_attacks": "what hostile evaluators move of agents' trust and rank",
    "crowd": "which answer is right where many workers vote",
    "drift": "a model that is changed behind its name",
}
"""One line for each part: the module and what it shows."""


LONGEST_FIRST = ("attacks", "feigned", "crowd", "ceilings")
"""Parts that take longest, so that they are begun first where parts run side by side."""


def run(part: str, options: Options) -> str:
    """Runs one part, writes its page and returns it."""
    lines: list[str] = import_module(f"bench.learning.{part}").report(options)
    page = "\n".join([*lines, ""])
    (options.out / f"{part}.md").write_text(page)
    return page


def run_all(parts: Sequence[str], options: Options, jobs: int) -> None:
    """Runs parts in `jobs` processes and prints each one's page when it is done."""
    order = sorted(parts, key=lambda part: part not in LONGEST_FIRST)
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(run, part, options): part for part in order}
        for done, one in enumerate(as_completed(waiting), 1):
            print(one.result(), flush=True)
            left = f", {len(order) - done} to go" if done < len(order) else ""
            print(f"{waiting[one]} is done{left}", file=sys.stderr, flush=True)


def overview(options: Options) -> str:
    """Returns the page that leads to the others."""
    rows = [f"- [{part}]({part}.md): {shows}" for part, shows in PARTS.items()]
    made = f"Made by `make bench-learning` with {options.seeds} seeds."
    return "\n".join(["# Learning on real data", "", made, "", *rows, ""])


def main() -> None:
    """Runs the parts that are asked for, all without names."""
    parser = argparse.ArgumentParser(prog="python -m bench.learning", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.parts) - PARTS.keys())
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    options = Options(chosen.seeds, chosen.replications, chosen.out)
    options.out.mkdir(parents=True, exist_ok=True)
    run_all(chosen.parts or list(PARTS), options, max(1, chosen.jobs))
    if not chosen.parts:
        (options.out / "results.md").write_text(overview(options))


if __name__ == "__main__":
    main()
