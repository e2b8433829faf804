"""How fast the review page is: a cold server, key press to next entry, 1,000 in a row.

`python -m bench.console [N [SPARE]]`: N decisions, with SPARE entries left. A real Chromium over a
real server; the reviewer is a script that presses `a` as soon as the next entry is shown, as no
person should. Needs chromium.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import httpx
from playwright.sync_api import Page, sync_playwright

from bench.servers import KEY, whetstone

DECISIONS = 1_000
SPARE = 60
AIM_MS, AIM_FIRST_S, AIM_BYTES = 100.0, 1.0, 150_000

_BATCH = 500
_HEADERS = {"X-API-Key": KEY}
_ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_SHOWN = "document.querySelector('#review article')?.dataset.id"
_TIMES = """() => {
  const all = [...performance.getEntriesByType('navigation'),
               ...performance.getEntriesByType('resource')];
  return {bytes: all.reduce((sum, one) => sum + one.transferSize, 0),
          ready_ms: performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd};
}"""


def fill(port: int, number: int) -> None:
    """Submits entries of some hundred words that are not alike."""
    entries = [
        {
            "topic": f"Rule {at}",
            "content": " ".join(f"w{at}x{word}" for word in range(120)),
            "confidence_score": 0.5 + at % 50 / 100,
            "submitter": f"agent-{at % 7}",
        }
        for at in range(number)
    ]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=_HEADERS, timeout=120) as http:
        for start in range(0, number, _BATCH):
            batch = {"entries": entries[start : start + _BATCH]}
            http.post("/v1/entries:batch", json=batch).raise_for_status()


def link(data_dir: Path, port: int) -> str:
    """Returns a link that signs a reviewer in."""
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("WHETSTONE_")},
        "WHETSTONE_DATA_DIR": str(data_dir),
    }
    program = [sys.executable, "-c", "from shared.cli.main import main; main()", "token", "--link"]
    options = ["--subject", "ada", "--url", f"http://127.0.0.1:{port}"]
    done = subprocess.run(
        [*program, *options], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    path = shutil.which("chromium")
    if path is None:
        sys.exit("needs Chromium; as root: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser.new_page()
        browser.close()


def first_page(page: Page, data_dir: Path, port: int) -> None:
    """Opens the first page of a server that has answered nothing but its health."""
    page.goto(link(data_dir, port))
    began = time.perf_counter()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/queue")
    page.wait_for_selector("#items li.item")
    elapsed_s = time.perf_counter() - began
    found = page.evaluate(_TIMES)
    print(
        f"first page, cold server:  {elapsed_s:.2f} s from the button (aim {AIM_FIRST_S} s),"
        f" {found['ready_ms']:.0f} ms in the browser, {found['bytes'] / 1000:.0f} kB"
        f" (aim {AIM_BYTES / 1000:.0f} kB; styles and scripts came with the sign-in)"
    )


def whole_bytes(page: Page, port: int) -> None:
    """Tells what the page weighs for somebody whose browser has kept nothing."""
    browser = page.context.browser
    if browser is None:
        sys.exit("the browser is gone")
    fresh = browser.new_context(storage_state=page.context.storage_state()).new_page()
    fresh.goto(f"http://127.0.0.1:{port}/queue")
    fresh.wait_for_selector("#items li.item")
    found = fresh.evaluate(_TIMES)
    print(f"the same, nothing cached: {found['bytes'] / 1000:.0f} kB, {found['ready_ms']:.0f} ms")
    fresh.context.close()


def decide(page: Page, number: int) -> float:
    """Approves entries by keyboard; returns the seconds that it took."""
    page.keyboard.press("Enter")
    page.wait_for_selector("#review article")
    began = time.perf_counter()
    for _ in range(number):
        before = page.evaluate(_SHOWN)
        page.keyboard.press("a")
        page.wait_for_selector(f'#review article:not([data-id="{before}"])')
    return time.perf_counter() - began


def main() -> None:
    """Measures, and fails where a decision was lost."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else DECISIONS
    spare = int(sys.argv[2]) if len(sys.argv) > 2 else SPARE
    with tempfile.TemporaryDirectory() as folder, browser_page() as page:
        data_dir = Path(folder)
        with whetstone(data_dir) as running:
            fill(running.port, number + spare)
        with whetstone(data_dir) as running:
            first_page(page, data_dir, running.port)
            whole_bytes(page, running.port)
            elapsed_s = decide(page, number)
            page.wait_for_timeout(2_000)
            shown = page.evaluate(
                "performance.getEntriesByName('next-shown').map(one => one.duration)"
            )
            cuts = quantiles(shown, n=100)
            print(
                f"key press to next entry:  p50 {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms,"
                f" p99 {cuts[98]:.0f} ms of {len(shown)} (aim {AIM_MS:.0f} ms)"
            )
            errors = page.locator(".toast.poor").count()
            url = f"http://127.0.0.1:{running.port}"
            stats = httpx.get(f"{url}/v1/approvals/stats", headers=_HEADERS).json()
            audit = httpx.get(f"{url}/v1/audit/verify", headers=_HEADERS, timeout=60).json()
            print(
                f"{number} by keyboard:         {60 * number / elapsed_s:.0f} a minute,"
                f" {stats['approved']} approved, {errors} errors, audit ok: {audit['ok']}"
            )
            if stats["approved"] != number or errors or not audit["ok"]:
                sys.exit("a decision was lost")


if __name__ == "__main__":
    main()
