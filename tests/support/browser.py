"""Debian's Chromium over a console that is served from this process, on a clock that a test moves.

def test_something(console):
    console.submit("One", confidence=0.9)
    page = console.page("ada")
    page.keyboard.press("Enter")
"""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from shared.cli.serve import apps
from shared.domain.access import Role
from shared.messages.submitting import SubmitEntry
from shared.services import signing_in, submitting
from shared.services.deps import Deps
from shared.web.gateway import Gateway
from tests.fakes.clock import ManualClock
from tests.support.backends import missing
from tests.support.server import free_port
from tests.support.system import WORKSPACE, System, caller

T = TypeVar("T")

ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
).split()

AXE = Path(__file__).parents[1] / "browser" / "vendor" / "axe-core" / "axe.min.js"
SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"


@contextlib.contextmanager
def started_browser() -> Iterator[Browser]:
    """Starts Chromium; ends the test where there is none."""
    path = shutil.which("chromium")
    if path is None:
        missing("Chromium; as root: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Console:
    """A console in this process, and people who open it in browsers of their own."""

    def __init__(self, root: Path, browser: Browser) -> None:
        self.clock = ManualClock(datetime.now(UTC))
        self.browser = browser
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.errors: list[str] = []
        self._root = root
        self._contexts: list[BrowserContext] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.system: System
        self._server: uvicorn.Server

    @property
    def deps(self) -> Deps:
        return self.system.deps

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        for context in self._contexts:
            context.close()
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(30)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        async with System(self._root, clock=self.clock) as self.system:
            config = uvicorn.Config(
                Gateway(apps()), port=self.port, log_config=None, lifespan="off", access_log=False
            )
            self._server = uvicorn.Server(config)
            self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:  # noqa: ASYNC110 -- uvicorn sets a flag
                await asyncio.sleep(0.01)
            self._ready.set()
            await serving

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something beside the server, on its loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # --- what is there ----------------------------------------------------------------------------

    def submit(
        self,
        content: str,
        *,
        topic: str = "billing",
        confidence: float = 0.9,
        submitter: str = "support-agent",
        **more: Any,
    ) -> str:
        """Submits an entry and returns its id."""
        command = SubmitEntry(
            topic=topic,
            content=content,
            confidence_score=confidence,
            submitter=submitter,
            **more,
        )
        machine = caller("key:model", scopes=("submit",))
        return self.run(submitting.submit_entry(self.deps, machine, command, None)).entry_id

    def settings(self, **changes: Any) -> None:
        """Changes settings of the workspace."""
        self.run(self.system.change_settings(**changes))

    # --- who looks --------------------------------------------------------------------------------

    def link(self, subject: str, role: Role = "reviewer") -> str:
        """Returns a link that signs somebody in once."""
        making = signing_in.make_code(self.deps, subject, role, WORKSPACE, "system:test")
        return f"{self.url}/sign-in?code={self.run(making)}"

    def context(self, **options: Any) -> BrowserContext:
        """Returns a browser of its own, without cookies."""
        context = self.browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", **options)
        context.set_default_timeout(10_000)
        self._contexts.append(context)
        return context

    def page(
        self, subject: str = "ada", role: Role = "reviewer", *, clock: bool = False, **options: Any
    ) -> Page:
        """Returns the queue as somebody sees it who has just signed in.

        With `clock` its time moves only when a test says so. What the page's console says is in
        `errors`; so is every breach of the policy.
        """
        page = self.context(**options).new_page()
        if clock:
            page.clock.install()
        page.on("console", lambda told: self._note(told.type, told.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.link(subject, role))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/queue")
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.errors.append(text)


def violations(page: Page) -> list[str]:
    """Returns what axe finds against WCAG 2.2 AA, a line each."""
    page.evaluate(AXE.read_text("utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    options = {"runOnly": {"type": "tag", "values": tags}}
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:160] for node in one["nodes"][:4])
        for one in found["violations"]
    ]
