"""Somebody who has never seen the console: only the link, and the keys that the page shows."""

import re

import pytest
from playwright.sync_api import expect

from shared.domain.entries import DECISIONS, ENTRIES
from tests.support.entries import words
from tests.support.system import WORKSPACE

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NAMES = {"Ctrl": "Control"}


class Newcomer:
    """Presses nothing but keys that stand in a visible `<kbd>`, and types only where words go."""

    def __init__(self, page):
        self.page = page
        self.pressed = []

    def press(self, key, *, beside):
        """Presses a key that the page shows beside these words."""
        shown = self.page.locator("kbd:visible").filter(has_text=re.compile(f"^{re.escape(key)}$"))
        place = self.page.locator(f"{beside}:visible").filter(has=shown).first
        expect(place).to_be_visible()
        self.pressed.append(key)
        self.page.keyboard.press("+".join(NAMES.get(one, one) for one in key.split(" ")))

    def button(self, words):
        """Presses the key that stands on a button."""
        button = self.page.get_by_role("button", name=re.compile(f"^{words}")).locator(
            "visible=true"
        )
        key = button.first.locator("kbd").inner_text()
        self.pressed.append(key)
        self.page.keyboard.press("+".join(NAMES.get(one, one) for one in key.split(" ")))

    def sees(self, topic):
        """Waits until an entry is shown."""
        expect(self.page.locator("#review article h2")).to_have_text(topic)


def test_ten_entries_are_reviewed_with_the_keys_that_the_page_shows(console):
    ids = []
    for at in range(11):
        ids.append(console.submit(f"{words(at)} " * 4, topic=f"Topic {at}"))
        console.clock.advance(1)
    page = console.context().new_page()
    page.goto(console.link("newcomer"))
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")  # the one button of the page, which has the focus
    expect(page.locator("#start")).to_contain_text("Press Enter to start")
    who = Newcomer(page)

    who.press("Enter", beside="#start .empty-title")
    for at in range(3):
        who.sees(f"Topic {at}")
        who.button("Approve")
    who.sees("Topic 3")
    who.button("Reject")
    who.press("2", beside="#reject label")
    who.sees("Topic 4")
    who.button("Reject")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("It was 14 days until May.")
    who.button("Reject Ctrl")
    who.sees("Topic 5")
    who.button("Ask for revision")
    page.keyboard.type("Which plans does this hold for?")
    who.button("Ask Ctrl")
    who.sees("Topic 6")
    who.button("Edit")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+End")
    page.keyboard.type(" Since May 2026.")
    who.button("Approve the edit")
    who.sees("Topic 7")
    who.button("Skip")
    for at in (8, 9):
        who.sees(f"Topic {at}")
        who.button("Approve")
    who.sees("Topic 10")
    who.button("Approve")
    expect(page.locator("#progress")).to_contain_text("10 decided")
    expect(page.locator("#review")).to_contain_text("Press Enter to go through it again")
    assert page.locator(".toast.poor").count() == 0

    def read(collection, name):
        return console.run(console.deps.store.get(WORKSPACE, collection, name))

    states = [read(ENTRIES, one).state for one in ids]
    kept = ["approved"] * 3 + ["rejected"] * 2 + ["revision_requested", "approved"]
    assert states == [*kept, "pending_approval", *["approved"] * 3]
    assert read(DECISIONS, f"{ids[3]}:000001").code == "outdated"
    reworded = read(DECISIONS, f"{ids[4]}:000001")
    assert (reworded.code, reworded.notes[-25:]) == ("outdated", "It was 14 days until May.")
    assert read(ENTRIES, ids[6]).content.endswith(" Since May 2026.")
    assert {"Enter", "a", "r", "2", "v", "e", "s", "Ctrl Enter"} == set(who.pressed)


def test_every_key_that_works_is_on_the_sheet(console):
    console.submit(words(1), topic="One")
    page = console.page()
    page.get_by_role("button", name=re.compile("^Keys")).click()
    shown = {one for text in page.locator("#keys kbd").all_inner_texts() for one in text.split()}
    script = page.request.get(f"{console.url}/static/queue.js").text()
    known = re.search(r"const KEYS = \{([^}]*)\}", script)[1]
    names = {one.strip().strip('"') for one in re.findall(r'([\w"/?]+):', known)}
    words_of = {"ArrowDown": "↓", "ArrowUp": "↑", "Escape": "Esc"}
    assert {words_of.get(one, one) for one in names} <= shown
