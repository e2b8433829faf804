"""`python -m bench`: every benchmark, or those that are named, one process after the other."""

import argparse
import subprocess
import sys
from pathlib import Path

_PARTS = {
    "__init__",
    "__main__",
    "bare",
    "baseline",
    "billing",
    "cost",
    "growth_costs",
    "growth_filling",
    "growth_index",
    "growth_rows",
    "growth_stores",
    "growth_tables",
    "growth_works",
    "load",
    "proxies",
    "servers",
}
"""Modules that measure nothing by themselves."""


def benchmarks() -> list[str]:
    """Returns the names of the benchmarks in this folder, that of HTTP first."""
    found = {path.stem for path in Path(__file__).parent.glob("*.py")} - _PARTS
    return sorted(found, key=lambda name: (name != "http_routes", name))


def main() -> None:
    """Runs benchmarks, each in its own process, so that none warms or burdens another."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"of {', '.join(benchmarks())}; all where left out"
    )
    chosen = parser.parse_args().names or benchmarks()
    unknown = sorted(set(chosen) - set(benchmarks()))
    if unknown:
        parser.error(
            f"there is no benchmark {', '.join(unknown)}; there are {', '.join(benchmarks())}"
        )
    failed = []
    for name in chosen:
        print(f"\n=== {name} ===", flush=True)
        done = subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False)
        failed += [name] if done.returncode else []
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
