"""The pages that watch in a real browser: read by axe, at 360 px, by keyboard, and as pictures."""

import os
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from shared.domain.learning.runs import LEARNING_HEADS
from tests.support import rater_scenario, trial_scenario
from tests.support.browser import SCREENSHOTS, Console, violations
from tests.support.console_scenario import everything
from tests.support.system import WORKSPACE

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGES = {
    "trust": "/trust",
    "trust-agent": "/trust/pricing-agent",
    "patterns": "/patterns",
    "learning": "/learning",
    "experiments": "/learning/experiments",
    "knowledge": "/knowledge?q=invoices",
    "knowledge-versions": "/knowledge/versions?older=2&newer=5",
    "routing": "/routing",
    "monitor": "/monitor",
    "raters": "/monitor/raters",
    "audit": "/monitor/audit?limit=12",
}
LOOKS = {
    "light": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
}
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def full(tmp_path_factory, browser):
    """A console with something on every page; tests that change it make one of their own."""
    with Console(tmp_path_factory.mktemp("full"), browser) as made:
        made.run(everything(made.system, said=""))
        for fill in (trial_scenario.changed, rater_scenario.raters, trial_scenario.experiment):
            made.run(fill(made.system))
        yield made


@pytest.fixture
def own(console):
    """The same for one test alone."""
    console.run(everything(console.system, said=""))
    return console


def picture(page, name):
    """Keeps a picture of the page under docs/screenshots where that is asked for."""
    if os.environ.get("UPDATE_GOLDEN"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_read_by_everybody_and_is_never_too_wide(full, look):
    page = full.page(role="admin", **LOOKS[look])
    for name, path in PAGES.items():
        page.goto(full.url + path)
        assert violations(page) == [], name
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= LOOKS[look]["viewport"]["width"], name
        area = page.locator(".areas [aria-current]").bounding_box()
        assert 0 <= area["x"] <= width - area["width"], f"{name}: the area shown is in sight"
        picture(page, f"{name}-{look}")
    assert full.errors == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_what_appears_on_demand_can_be_read_too(full, look):
    page = full.page(role="admin", **LOOKS[look])
    page.goto(f"{full.url}/learning")
    page.get_by_role("button", name="Preview a run").click()
    expect(page.locator("#preview")).to_contain_text("rows change")
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert violations(page) == []
    page.locator("#next").evaluate("one => one.scrollIntoView()")
    picture(page, f"learning-preview-{look}")
    page.goto(f"{full.url}/routing")
    page.get_by_label("Prompt").fill("Write a Python function that adds two numbers.")
    page.get_by_role("button", name="Where would it go?").click()
    expect(page.locator("#tried")).to_contain_text("chosen")
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert violations(page) == []
    picture(page, f"routing-try-{look}")
    assert full.errors == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_canary_and_a_model_that_fell_can_be_read_by_everybody(own, look):
    own.run(trial_scenario.changed(own.system))
    own.run(trial_scenario.canary(own.system))
    page = own.page(role="admin", **LOOKS[look])
    page.goto(f"{own.url}/learning")
    page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert violations(page) == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= LOOKS[look]["viewport"]["width"]
    page.goto(f"{own.url}/learning")
    page.locator("#canary").evaluate("one => one.scrollIntoView()")
    picture(page, f"learning-canary-{look}")
    assert own.errors == []


def test_a_canary_is_promoted_by_keyboard(own):
    own.run(trial_scenario.canary(own.system))
    page = own.page(role="admin")
    page.goto(f"{own.url}/learning")
    page.locator("#canary summary", has_text="Promote now").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("looked at the ratings")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Promoted")
    expect(page.locator("#canary")).to_contain_text("The one before: promoted")


def test_a_rater_comes_back_by_keyboard(own):
    own.run(rater_scenario.raters(own.system))
    page = own.page(role="admin")
    page.goto(f"{own.url}/monitor/raters?state=aside")
    page.locator("summary", has_text="Put back").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("was a test of ours")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Put back")


def test_pictures_are_small_enough_to_be_read_over_a_slow_line():
    sizes = {one.name: one.stat().st_size for one in SCREENSHOTS.glob("*.png")}
    for name in PAGES:
        for look in LOOKS:
            assert sizes[f"{name}-{look}.png"] <= MOST_BYTES


def test_pointing_at_a_chart_tells_the_value_in_the_viewers_zone(full):
    page = full.page(role="admin")
    page.goto(f"{full.url}/routing")
    chart = page.locator("figure", has_text="Decisions per model")
    chart.locator("svg > rect[data-tip]").first.hover()
    expect(chart.locator(".plot-tip")).to_have_text(re.compile(r"(local|other)/\w+: \d, from \d+ "))


def test_times_are_in_the_viewers_zone(full):
    page = full.page(role="admin")
    for path in ("/monitor/audit", "/learning", "/patterns", "/knowledge"):
        page.goto(full.url + path)
        shown = page.locator("main time[datetime]:not([data-ago])")
        stamps = shown.evaluate_all("all => all.map(one => [one.dateTime, one.textContent])")
        assert stamps, path
        for stamp, words in stamps:
            moment = datetime.fromisoformat(stamp).astimezone(ZoneInfo("Europe/Berlin"))
            assert f"{moment:%H:%M}" in words, path


def test_every_chart_has_the_same_values_as_a_table(full):
    page = full.page(role="admin")
    for path in ("/trust/pricing-agent", "/learning", "/routing", "/monitor", "/patterns"):
        page.goto(full.url + path)
        drawn = page.locator("figure.plot:has(> svg)")
        assert drawn.count() > 0, path
        for place in range(drawn.count()):
            drawn.nth(place).locator("summary").click()
            expect(drawn.nth(place).locator("tbody tr").first).to_be_visible()


def test_an_alert_is_acknowledged_by_keyboard(own):
    page = own.page(role="reviewer")
    page.goto(f"{own.url}/monitor")
    page.get_by_role("button", name="Acknowledge An entry waits").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("You look after this alert")
    expect(page.locator(".alerts")).to_contain_text("ada looks after it")


def test_a_preview_is_applied_and_taken_back_by_keyboard(own):
    def current():
        return own.run(own.deps.store.get(WORKSPACE, LEARNING_HEADS, "head")).current_id

    page, before = own.page(role="admin"), current()
    page.goto(f"{own.url}/learning")
    page.get_by_role("button", name="Preview a run").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#preview")).to_contain_text("local/medium")
    assert current() == before
    page.locator("#next summary", has_text="Run and apply").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("looked at the preview")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Applied:")
    assert current() != before
    page.goto(f"{own.url}/learning")
    page.locator(".timeline summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("quality fell")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Automatic runs wait")
    assert current() == before


def test_nothing_is_applied_without_a_reason_and_consent(own):
    page = own.page(role="admin")
    page.goto(f"{own.url}/learning")
    page.locator("#next summary", has_text="Run and apply").click()
    page.get_by_role("button", name="Run and apply", exact=True).click()
    expect(page).to_have_url(f"{own.url}/learning")
    reason = page.locator("#reason-apply")
    assert reason.evaluate("one => one.validity.valueMissing")


def test_dead_letters_are_replayed_and_the_audit_log_is_verified(own):
    page = own.page(role="admin")
    page.goto(f"{own.url}/monitor")
    page.get_by_role("button", name="Replay the chosen ones").click()
    expect(page.get_by_role("status").first).to_contain_text("tried again")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody")).to_contain_text("dead_letters.replayed")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.locator("#verified")).to_contain_text("The chain holds")


def test_a_search_marks_its_matches_and_leads_to_the_entry(full):
    page = full.page(role="viewer")
    page.goto(f"{full.url}/knowledge")
    page.get_by_label("Search").fill("invoices")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_have_text("Invoices")
    page.get_by_role("link", name="billing").first.click()
    expect(page.locator("main")).to_contain_text("Approved by ada")
    expect(page.locator(".prose strong")).to_have_text("reissued")


def test_viewers_are_told_why_they_cannot_act(full):
    page = full.page(role="viewer")
    page.goto(f"{full.url}/learning")
    expect(page.locator("#next")).to_contain_text("needs the role admin; yours is viewer")
    assert page.get_by_role("button", name="Roll back").count() == 0


def test_empty_pages_say_what_to_do_and_can_be_read(console):
    page = console.page(role="viewer")
    for path in ("/trust", "/patterns", "/learning", "/knowledge", "/routing", "/monitor"):
        page.goto(console.url + path)
        assert violations(page) == [], path
    assert console.errors == []
