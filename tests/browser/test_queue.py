"""The queue in a real browser: the whole review by keyboard, two at once, and what is refused."""

import re

import pytest
from playwright.sync_api import expect

from functions.console import queue_live
from shared.domain.entries import DECISIONS, ENTRIES
from shared.services import review_search
from shared.services.auditing import verify_audit
from tests.support.browser import violations
from tests.support.entries import words
from tests.support.system import WORKSPACE

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def entry_of(console, entry_id):
    return console.run(console.deps.store.get(WORKSPACE, ENTRIES, entry_id))


def state_of(console, entry_id):
    return entry_of(console, entry_id).state


def decision_of(console, entry_id, revision=1):
    return console.run(console.deps.store.get(WORKSPACE, DECISIONS, f"{entry_id}:{revision:06d}"))


def topic(page):
    return page.locator("#review article h2")


def fill(console, number, **more):
    """Submits entries whose order in the queue is that of their numbers."""
    made = []
    for at in range(number):
        made.append(console.submit(words(at), topic=f"Topic {at}", **more))
        console.clock.advance(1)
    return made


def begin(page):
    """Opens the first free entry and waits until it is shown."""
    page.keyboard.press("Enter")
    expect(topic(page)).to_be_visible()


def toast(page, text):
    return page.locator(".toast", has_text=text)


def test_a_review_by_keyboard_from_the_first_key_to_the_last(console):
    ids = fill(console, 6)
    page = console.page()
    begin(page)
    expect(topic(page)).to_have_text("Topic 0")
    expect(page.locator("#lease")).to_contain_text("held for you until")
    page.keyboard.press("a")
    expect(topic(page)).to_have_text("Topic 1")
    expect(toast(page, "Approved: Topic 0")).to_be_visible()
    page.keyboard.press("r")
    page.keyboard.press("3")
    expect(topic(page)).to_have_text("Topic 2")
    expect(toast(page, "Rejected: Topic 1")).to_be_visible()
    page.keyboard.press("v")
    page.keyboard.type("Name the source.")
    page.keyboard.press("Control+Enter")
    expect(topic(page)).to_have_text("Topic 3")
    page.keyboard.press("s")
    expect(topic(page)).to_have_text("Topic 4")
    page.keyboard.press("e")
    page.locator("#edit-content").fill("In the reviewer's words.")
    page.keyboard.press("Control+Enter")
    expect(topic(page)).to_have_text("Topic 5")
    expect(toast(page, "Approved your edit: Topic 4")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("#review")).to_contain_text("That was the last of this list")
    expect(page.locator("#progress")).to_contain_text("5 decided")
    states = [state_of(console, one) for one in ids]
    assert states == [
        "approved",
        "rejected",
        "revision_requested",
        "pending_approval",
        "approved",
        "approved",
    ]
    assert decision_of(console, ids[1]).code == "duplicate"
    assert decision_of(console, ids[2]).notes == "Name the source."
    edited = entry_of(console, ids[4])
    assert (edited.revision, edited.submitter, edited.edited_by) == (2, "support-agent", "ada")
    assert console.errors == []


def test_a_decision_is_undone_within_ten_seconds_and_the_entry_shown_again(console):
    ids = fill(console, 2)
    page = console.page()
    begin(page)
    page.keyboard.press("a")
    expect(toast(page, "Approved: Topic 0")).to_be_visible()
    page.keyboard.press("u")
    expect(topic(page)).to_have_text("Topic 0")
    assert (state_of(console, ids[0]), entry_of(console, ids[0]).revision) == (
        "pending_approval",
        2,
    )
    assert decision_of(console, ids[0]).undone_at is not None
    page.keyboard.press("r")
    page.keyboard.press("1")
    expect(toast(page, "Rejected: Topic 0")).to_be_visible()
    assert state_of(console, ids[0]) == "rejected"
    assert console.run(verify_audit(console.deps, WORKSPACE)).ok


def test_what_is_too_late_to_undo_stays_decided(console):
    ids = fill(console, 2)
    page = console.page()
    begin(page)
    page.keyboard.press("a")
    expect(toast(page, "Approved: Topic 0")).to_be_visible()
    console.clock.advance(13)
    page.keyboard.press("u")
    expect(toast(page, "too late to undo")).to_be_visible()
    assert state_of(console, ids[0]) == "approved"


def test_two_reviewers_at_once_never_meet_the_same_entry(console):
    ids = fill(console, 8)
    ada, grace = console.page("ada"), console.page("grace")
    begin(ada)
    expect(ada.locator("#lease")).to_contain_text("held")
    expect(grace.locator(".held", has_text="with ada")).to_be_visible()
    begin(grace)
    expect(topic(grace)).to_have_text("Topic 1")
    expect(ada.locator(".held", has_text="with grace")).to_be_visible()
    for page in (ada, grace, ada, grace):
        before = topic(page).inner_text()
        page.keyboard.press("a")
        expect(toast(page, f"Approved: {before}")).to_be_visible()
    decided = [one for one in ids if state_of(console, one) == "approved"]
    assert len(decided) == 4
    reviewers = sorted(decision_of(console, one).reviewer for one in decided)
    assert reviewers == ["ada", "ada", "grace", "grace"]


def test_an_entry_that_somebody_else_decides_leaves_the_page(console):
    fill(console, 3)
    ada, grace = console.page("ada"), console.page("grace")
    begin(grace)
    grace.keyboard.press("a")
    expect(toast(grace, "Approved: Topic 0")).to_be_visible()
    expect(ada.locator("li.item", has_text="Topic 0")).to_have_count(0)
    expect(ada.locator("#waiting")).to_have_text("2")


def test_what_happens_between_two_streams_is_told_by_the_next(console, monkeypatch):
    came_back, place = [], queue_live._place
    monkeypatch.setattr(queue_live, "STREAM_S", 0.0)
    monkeypatch.setattr(queue_live, "_place", lambda one: came_back.append(one) or place(one))
    fill(console, 3)
    ada, grace = console.page("ada"), console.page("grace")
    begin(grace)
    expect(ada.locator(".held", has_text="with grace")).to_be_visible()
    assert came_back


def test_a_claim_that_has_expired_decides_nothing_and_the_entry_comes_back(console):
    ids = fill(console, 2)
    ada = console.page("ada")
    begin(ada)
    expect(ada.locator("#lease")).to_contain_text("held")
    console.clock.advance(601)
    grace = console.page("grace")
    begin(grace)
    expect(topic(grace)).to_have_text("Topic 0")
    expect(grace.locator("#lease")).to_contain_text("held")
    ada.keyboard.press("a")
    expect(toast(ada, "grace reviews entry")).to_be_visible()
    expect(ada.locator("li.item", has_text="Topic 0")).to_have_count(1)
    assert state_of(console, ids[0]) == "pending_approval"


def test_a_new_entry_announces_itself(console):
    fill(console, 1)
    page = console.page()
    expect(page.locator("#waiting")).to_have_text("1")
    page.wait_for_timeout(300)  # until the stream has begun
    console.submit(words(9), topic="Fresh")
    expect(page.get_by_role("button", name="Show what is new")).to_be_visible()
    expect(page.locator("#waiting")).to_have_text("2")


ATTACKS = (
    "<script>window.owned=1</script><img src=x onerror=window.owned=1>",
    '[x](javascript:window.owned=1) ![y](x" onerror="window.owned=1)',
    '"><svg onload=window.owned=1>',
    "</textarea><script>window.owned=1</script>",
    "{{ 7*7 }} ${window.owned=1}",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_field_of_an_entry_runs_anything(console, attack):
    near = "one two three four five six seven eight nine ten eleven twelve thirteen"
    first = console.submit(f"{near} {attack}", topic=f"{attack[:190]}a", submitter=attack)
    second = console.submit(
        f"{near} fourteen {attack}",
        topic=attack[:199],
        submitter=attack,
        tags=[attack[:99]],
        metadata={attack: attack, "deep": {attack: [attack]}},
    )
    page = console.page()
    page.goto(f"{console.url}/queue?open={second}&q={'x' * 3}")
    page.goto(f"{console.url}/queue?open={second}")
    expect(topic(page)).to_have_text(attack[:199])
    page.keyboard.press("e")
    assert page.locator("#edit-content").input_value() == f"{near} fourteen {attack}"
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    expect(page.locator("#bulk-form")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_be_visible()
    page.goto(f"{console.url}/queue?q={attack.replace('#', '%23').replace('&', '%26')}")
    expect(page.locator("#q")).to_be_visible()
    assert page.evaluate("window.owned") is None
    assert [one for one in console.errors if "Content Security Policy" in one] == []
    assert state_of(console, first) == "pending_approval"


def test_another_site_cannot_decide_in_a_reviewers_name(console):
    ids = fill(console, 1)
    page = console.page()
    action = f"{console.url}/queue/{ids[0]}/approve"
    answer = page.request.post(action, form={"revision": "1"}, headers={"Origin": console.url})
    assert answer.status == 403
    token = page.locator('meta[name="csrf"]').get_attribute("content")
    evil = {"Origin": "http://evil.test", "X-CSRF-Token": token}
    assert page.request.post(action, form={"revision": "1"}, headers=evil).status == 403
    other = page.context.new_page()
    other.set_content(f'<form method="post" action="{action}"><button>Win</button></form>')
    other.get_by_role("button").click()
    other.wait_for_load_state()
    assert state_of(console, ids[0]) == "pending_approval"


def test_many_are_decided_at_once_after_a_preview(console):
    fill(console, 3)
    spam = [console.submit(f"Buy {words(50)} now {at}", topic="Spam") for at in range(3)]
    page = console.page()
    page.goto(f"{console.url}/queue?topic=Spam")
    page.keyboard.press("b")
    expect(page.locator("#bulk-title")).to_have_text("Decide 3 entries at once")
    page.locator("#bulk-form input[type=checkbox]").last.uncheck()
    page.get_by_role("button", name="Decide these").click()
    expect(page.locator("#bulk-title")).to_have_text("2 decided")
    states = sorted(state_of(console, one) for one in spam)
    assert states == ["pending_approval", "rejected", "rejected"]


def test_a_cluster_of_near_duplicates_is_decided_at_once(console):
    text = " ".join(f"word{at}" for at in range(40))
    alike = [console.submit(f"{text} {end}") for end in ("alpha", "beta", "gamma")]
    page = console.page()
    page.goto(f"{console.url}/queue?open={alike[2]}")
    expect(topic(page)).to_be_visible()
    page.keyboard.press("c")
    expect(page.locator("#bulk-title")).to_have_text("Decide 3 entries at once")
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^All alike")).click()
    expect(page.locator("#bulk-title")).to_have_text("Decide 3 entries at once")


def test_the_revision_before_and_near_entries_are_compared(console):
    text = " ".join(f"word{at}" for at in range(40))
    console.submit(f"{text} alpha")
    second = console.submit(f"{text} beta")
    page = console.page()
    page.goto(f"{console.url}/queue?open={second}")
    expect(page.locator(".compare ins")).to_have_text("beta")
    expect(page.locator(".compare del")).to_have_text("alpha")


def test_a_blind_review_hides_who_submitted_and_how_sure_they_are(console):
    console.settings(blind_review=True)
    entry_id = console.submit(words(1), submitter="famous-agent", confidence=0.83)
    page = console.page()
    page.goto(f"{console.url}/queue?open={entry_id}")
    expect(topic(page)).to_have_text("billing")
    shown = page.content()
    assert "famous-agent" not in shown
    assert "83 %" not in shown.replace("risk 17 %", "")
    assert page.locator("#submitter").count() == 0


def test_a_risky_entry_waits_for_a_second_person(console):
    console.settings(two_approvals_above_risk=0.5)
    entry_id = console.submit(words(1), confidence=0.2)
    ada = console.page("ada")
    begin(ada)
    expect(ada.locator("#review")).to_contain_text("yours is the first approval")
    ada.keyboard.press("a")
    expect(toast(ada, "First of two approvals")).to_be_visible()
    assert state_of(console, entry_id) == "pending_approval"
    grace = console.page("grace")
    begin(grace)
    expect(grace.locator("#review")).to_contain_text("ada has approved it")
    grace.keyboard.press("a")
    expect(toast(grace, "Approved")).to_be_visible()
    assert state_of(console, entry_id) == "approved"


def test_decisions_that_nobody_can_have_thought_about_get_a_gentle_note(console):
    for at in range(12):
        console.submit(f"{words(at)} " * 60, topic=f"Topic {at}")
        console.clock.advance(1)
    page = console.page()
    begin(page)
    for number in range(9):
        expect(topic(page)).to_have_text(f"Topic {number}")
        page.keyboard.press("a")
    expect(page.locator("#caution")).to_contain_text("faster than these texts can be read")


def test_many_quick_decisions_that_are_all_the_same_get_a_gentle_note(console):
    fill(console, 21)
    page = console.page(clock=True)
    begin(page)
    for number in range(20):
        expect(topic(page)).to_have_text(f"Topic {number}")
        expect(page.locator("#caution")).to_be_hidden()
        page.clock.run_for(2_000)
        page.keyboard.press("a")
    expect(page.locator("#caution")).to_contain_text("all the same, and quick")


def test_a_viewer_looks_and_decides_nothing(console):
    ids = fill(console, 1)
    page = console.page("eve", role="viewer")
    begin(page)
    expect(topic(page)).to_have_text("Topic 0")
    expect(page.locator("#review")).to_contain_text("You may look, but not decide here.")
    page.keyboard.press("a")
    assert entry_of(console, ids[0]).claim is None
    assert state_of(console, ids[0]) == "pending_approval"


def test_a_list_that_is_looked_through_in_parts_never_says_that_all_is_done(console, monkeypatch):
    monkeypatch.setattr(review_search, "WALKED", 2)
    monkeypatch.setattr(review_search, "_STEP", 1)
    for at in range(9):
        needle = " needle" if at in {0, 8} else ""
        console.submit(words(at) + needle, topic=f"Topic {at}")
        console.clock.advance(1)
    page = console.page()
    page.goto(f"{console.url}/queue?q=needle&order=oldest")
    expect(page.locator("#items .more")).to_contain_text("2 entries looked through")
    begin(page)
    expect(topic(page)).to_have_text("Topic 0")
    expect(page.locator("#items .more")).to_contain_text("2 more entries looked through, none fits")
    page.keyboard.press("a")
    expect(page.locator("#review")).to_contain_text("Nothing fits so far")
    page.locator("#review button", has_text="Look further").click()
    expect(page.locator("#review")).to_contain_text("Nothing fits so far")
    page.keyboard.press("Enter")
    expect(topic(page)).to_have_text("Topic 8")
    page.keyboard.press("a")
    expect(page.locator("#review")).to_contain_text("All done")


def test_the_page_works_without_a_key_pressed(console):
    ids = fill(console, 1)
    page = console.page()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(toast(page, "Approved: Topic 0")).to_be_visible()
    expect(page.locator("#review")).to_contain_text("All done")
    assert state_of(console, ids[0]) == "approved"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_queue_is_for_everybody(console, scheme):
    text = " ".join(f"word{at}" for at in range(40))
    console.submit(f"{text} alpha", tags=["a-tag"], metadata={"source": "x"})
    console.submit(f"{text} beta", confidence=0.3)
    page = console.page(color_scheme=scheme, reduced_motion="reduce")
    assert violations(page) == []
    begin(page)
    expect(topic(page)).to_be_visible()
    assert violations(page) == []
    dialogs = {"r": "reject", "v": "revise", "e": "edit", "?": "keys", "b": "bulk"}
    for key, dialog in dialogs.items():
        page.keyboard.press(key)
        expect(page.locator(f"#{dialog}")).to_be_visible()
        assert violations(page) == [], dialog
        page.keyboard.press("Escape")
    nobody = console.context(color_scheme=scheme).new_page()
    nobody.goto(f"{console.url}/sign-in")
    assert violations(nobody) == []
