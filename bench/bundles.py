"""What each deployed function weighs, and how long its instance takes to load it.

Each function is bundled, unpacked beside a site folder of just its requirements, and imported in a
fresh interpreter that sees nothing else. The baseline of the same round is `import
functions_framework.aio` among the same requirements: what any function of this framework pays. The
times are of warm disks; a cold instance adds what its disk takes to read.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict
from pathlib import Path

from bundling.archive import PYTHON
from bundling.bundle import Bundle, Bundler, write_bundle
from bundling.distributions import Target, linked
from shared.config import choices

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5

_PATH = "import sys; sys.path[:0] = sys.argv[1:]; "
FRAMEWORK = f"{_PATH}import functions_framework.aio"
FUNCTION = f"{_PATH}import main"
_MIB = 1024 * 1024


def seconds(program: str, *path: Path) -> float:
    """Returns how long an interpreter takes that sees only these folders and Python's own."""
    command = [sys.executable, "-I", "-S", "-c", program, *(str(one) for one in path)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def unpacked(bundle: Bundle, bundler: Bundler, folder: Path) -> tuple[Path, Path]:
    """Returns a folder with the bundle's code, and one with its requirements."""
    code, site = folder / "code", folder / "site"
    with zipfile.ZipFile(write_bundle(bundle, folder)) as archive:
        archive.extractall(code)
    linked(bundler.installed, bundle.requirements, site)
    return code, site


def required_bytes(site: Path) -> int:
    """Returns the size of everything that a site folder links to."""
    command = ["du", "--summarize", "--dereference", "--bytes", str(site)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(re.split(r"\s", done.stdout)[0])


def measure(bundler: Bundler, function: str, rounds: int) -> None:
    """Prints a function's row; each round times the baseline and the function in turn."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = bundler.bundle(function)
        code, site = unpacked(bundle, bundler, Path(folder))
        pairs = [(seconds(FRAMEWORK, site), seconds(FUNCTION, code, site)) for _ in range(rounds)]
        framework_s, function_s = (statistics.median(one) for one in zip(*pairs, strict=True))
        print(
            f"{function:10} {len(bundle.content) / _MIB:6.2f} MiB {bundle.files:5}"
            f" {len(bundle.requirements):5} {required_bytes(site) / _MIB:7.0f} MiB"
            f" {function_s:8.2f} s {framework_s:8.2f} s {function_s / framework_s:8.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bundles", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    bundler = Bundler(ROOT, asdict(choices.resolved("gcp")), Target(PYTHON))
    print("function       bundle files  reqs    installed     import  framework    ratio")
    for function in bundler.functions():
        measure(bundler, function, rounds)


if __name__ == "__main__":
    main()
