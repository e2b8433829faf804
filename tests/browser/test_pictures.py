"""Pictures of the queue as people see it: light, dark and narrow, under docs/screenshots.

`UPDATE_GOLDEN=1` takes them anew; without it the test only holds that they are there and small.
"""

import os

import pytest
from playwright.sync_api import expect

from shared.messages.reviewing import Approve, Reject
from shared.services import reviewing
from tests.support.browser import SCREENSHOTS
from tests.support.system import caller

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1024, "height": 620}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1024, "height": 620}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
NAMES = ("queue", "queue-review", "queue-reject", "queue-keys", "sign-in")
MOST_BYTES = 150_000

ENTRIES = (
    ("Refunds", 0.72, "Refunds above **€ 500** need a second signature; ask the shift lead."),
    ("Exports", 0.55, "CSV exports stop at 100,000 rows. Use the *scheduled export* for more."),
    ("Passwords", 0.9, "A reset link works for 30 minutes, and only for the newest request."),
    ("Invoices", 0.95, "Reissued invoices keep their number; the date of issue changes."),
    ("Webhooks", 0.35, "Failed deliveries are tried again for about three days."),
)

RULE = """\
Invoices can be reissued within **30 days** of the first issue. The number stays the same.

1. Open the invoice and choose *Reissue*.
2. Correct the address; amounts cannot change.
3. The customer gets the new document by e-mail.

| Plan | Reissues a month |
| --- | --- |
| Start | 3 |
| Team | no limit |

See the [handbook](https://handbook.example/invoices) for what counts as an address."""


def furnish(console):
    """Submits entries, and decides earlier ones so that the submitter has a record."""
    ada = caller("grace", role="reviewer")
    for at in range(14):
        entry_id = console.submit(f"Earlier rule {at}: " + f"part{at} " * 9, confidence=0.86)
        deciding = (
            reviewing.decide(
                console.deps, ada, entry_id, Approve(), None, verdict="approve", notes=""
            )
            if at % 3
            else reviewing.decide(
                console.deps, ada, entry_id, Reject(reason="x"), None, verdict="reject", notes="x"
            )
        )
        console.run(deciding)
        console.clock.advance(60)
    console.submit(RULE.replace("30 days", "14 days"), topic="Reissuing invoices", confidence=0.8)
    entry_id = console.submit(
        RULE,
        topic="Reissuing invoices",
        confidence=0.86,
        tags=["billing", "invoice"],
        metadata={"source": "support-agent", "tickets": [4711, 4712]},
    )
    for topic, confidence, content in ENTRIES:
        console.clock.advance(1_700)
        console.submit(content, topic=topic, confidence=confidence, submitter="billing-agent")
    return entry_id


def test_every_picture_is_there_and_small(console):
    entry_id = furnish(console)
    if os.environ.get("UPDATE_GOLDEN"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for view, options in VIEWS.items():
            take(console, entry_id, view, options)
    for name in NAMES:
        for view in VIEWS:
            size = (SCREENSHOTS / f"{name}-{view}.png").stat().st_size
            assert 0 < size <= MOST_BYTES, name
    assert console.errors == []


def take(console, entry_id, view, options):
    def shoot(page, name):
        page.screenshot(path=SCREENSHOTS / f"{name}-{view}.png", animations="disabled")

    nobody = console.context(**options).new_page()
    nobody.goto(console.link("ada"))
    shoot(nobody, "sign-in")
    page = console.page("ada", **options)
    shoot(page, "queue")
    page.goto(f"{console.url}/queue?open={entry_id}")
    expect(page.locator("#lease")).to_contain_text("held")
    shoot(page, "queue-review")
    page.keyboard.press("r")
    expect(page.locator("#reject")).to_be_visible()
    shoot(page, "queue-reject")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    shoot(page, "queue-keys")
    page.goto("about:blank")
