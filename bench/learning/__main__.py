"""Plays learning on real data against baselines, with seeds and intervals; writes tables and plots.

    python -m bench.learning [PART ...] [--seeds 20] [--replications 500] [--out FOLDER]

Learns on train only and measures on test only. The learner is the running system's own modules; see
shared/domain/learning/simulation.py. A part is a module of this package with `report(options)`,
which returns the lines of its page; without names all are run, and results.md is written anew.
"""

import argparse
from importlib import import_module
from pathlib import Path

from bench.learning.report import HERE, Options

PARTS = {
    "ten_models": "routing between ten models that answer exam questions (MMLU-Pro)",
    "two_models": "routing between a cheap and an expensive model (MMLU)",
    "calibration": "how far predicted quality is from what comes",
    "canary": "how often a canary of a policy is right, and how many ratings it takes",
    "off_policy": "what logged traffic says about another policy",
    "attacks": "what hostile raters move, and who is blamed for it",
    "crowd": "which answer is right where many workers vote",
    "drift": "a model that is changed behind its name",
}
"""One line for each part: the module and what it shows."""


def run(part: str, options: Options) -> None:
    """Runs one part, prints its page and writes it."""
    lines: list[str] = import_module(f"bench.learning.{part}").report(options)
    page = "\n".join([*lines, ""])
    (options.out / f"{part}.md").write_text(page)
    print(page, flush=True)


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
    parser.add_argument("--out", type=Path, default=HERE / "results")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.parts) - PARTS.keys())
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    options = Options(chosen.seeds, chosen.replications, chosen.out)
    options.out.mkdir(parents=True, exist_ok=True)
    for part in chosen.parts or PARTS:
        run(part, options)
    if not chosen.parts:
        (options.out / "results.md").write_text(overview(options))


if __name__ == "__main__":
    main()
