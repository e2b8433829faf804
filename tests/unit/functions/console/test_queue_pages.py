"""The queue's pages and actions as its script meets them: lists, holds, decisions, many at once."""

import re

import pytest

from functions.console.queue import PAGE, REASONS, QueueFilter
from functions.console.queue_actions import RejectForm
from shared.domain.entries import DECISIONS, ENTRIES
from shared.messages.reviewing import MAX_BULK
from shared.services import review_search
from tests.support.entries import submit
from tests.support.system import WORKSPACE, play
from tests.unit.functions.console.test_pages import browser

SCRIPT = {"HX-Request": "true"}


def playing(tmp_path, scenario, *people, role="reviewer"):
    """Plays a scenario with one browser for each person."""

    async def run(system):
        browsers = [await browser(system, subject=one, role=role) for one in people or ("ada",)]
        for one in browsers:
            one.headers.update(SCRIPT)
        await scenario(system, *browsers)

    play(tmp_path, run)


def listed(text):
    return re.findall(r'<li class="item" data-id="(\w+)"', text)


async def entry_of(system, entry_id):
    return await system.store.get(WORKSPACE, ENTRIES, entry_id)


async def seen(http, entry_id):
    """Returns what a decision names of the entry as the page shows it."""
    text = (await http.get(f"/queue/{entry_id}")).text
    found = re.search(r'data-revision="(\d+)" data-hash="(\w+)"', text)
    return {"revision": found[1], "content_hash": found[2]}


# --- the list -------------------------------------------------------------------------------------


def test_the_address_of_a_list_says_what_it_is_narrowed_to_and_nothing_else():
    wanted = QueueFilter(q="a b", topic="billing", cursor="c", open="ent_1")
    assert wanted.url() == "/queue?q=a+b&topic=billing"
    assert wanted.url(cursor="next") == "/queue?q=a+b&topic=billing&cursor=next"
    assert QueueFilter().url() == "/queue"
    assert QueueFilter(order="oldest").url() == "/queue?order=oldest"


def test_an_order_alone_narrows_nothing():
    assert not QueueFilter(order="newest").narrowed
    assert QueueFilter(min_confidence=0.5).narrowed


def test_a_list_goes_on_page_by_page_and_shows_every_entry_once(tmp_path):
    async def scenario(system, http):
        made = {await submit(system, at) for at in range(PAGE + 3)}
        first = (await http.get("/queue")).text
        assert len(listed(first)) == PAGE
        address = re.search(r'data-next="([^"]+)"', first)[1].replace("&amp;", "&")
        second = (await http.get(address)).text
        assert "<html" not in second
        assert "data-next" not in second
        assert {*listed(first), *listed(second)} == made

    playing(tmp_path, scenario)


def test_filters_narrow_the_list_and_a_filter_without_a_fit_says_so(tmp_path):
    async def scenario(system, http):
        await submit(system, 1)
        mine = await submit(system, 2, topic="shipping", tags=["freight"], submitter="bot")
        sure = await submit(system, 3, confidence_score=0.99)
        for query, expected in (
            ("topic=shipping", [mine]),
            ("tag=freight", [mine]),
            ("submitter=bot", [mine]),
            ("min_confidence=0.95", [sure]),
            ("q=word2x1", [mine]),
        ):
            assert listed((await http.get(f"/queue?{query}")).text) == expected, query
        del http.headers["HX-Request"]
        page = (await http.get("/queue?topic=none")).text
        assert "Nothing fits this filter" in page
        assert 'href="/queue">Show all' in page
        assert "Nothing waits for a decision" not in page

    playing(tmp_path, scenario)


def test_a_search_that_was_cut_short_without_a_fit_offers_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(review_search, "WALKED", 1)
    monkeypatch.setattr(review_search, "_STEP", 1)

    async def scenario(system, http):
        for number in (1, 2):
            await submit(system, number)
        del http.headers["HX-Request"]
        page = (await http.get("/queue?q=nowhere")).text
        assert "Nothing fits so far" in page
        assert page.count("Look further") == 2, "beside the list and in the middle"
        assert "1 entry looked through, none fits." in page
        assert "Nothing fits this filter" not in page

    playing(tmp_path, scenario)


def test_an_empty_queue_says_how_entries_get_there(tmp_path):
    async def scenario(system, http):
        del http.headers["HX-Request"]
        assert "POST /v1/entries" in (await http.get("/queue")).text

    playing(tmp_path, scenario)


def test_a_blind_workspace_neither_shows_nor_filters_by_what_it_hides(tmp_path):
    async def scenario(system, http):
        await system.change_settings(blind_review=True)
        one = await submit(system, 1, submitter="bot", confidence_score=0.42)
        system.clock.advance(1)
        two = await submit(system, 2, confidence_score=0.97)
        for query in ("", "?submitter=bot", "?min_confidence=0.9", "?q=word1x1&submitter=x"):
            text = (await http.get(f"/queue{query}")).text
            assert one in listed(text), query
            assert "says" not in text
            assert "bot" not in re.sub(r'data-next="[^"]*"', "", text)
        assert listed((await http.get("/queue?order=confidence")).text) == [one, two]
        item = (await http.get(f"/queue/{one}")).text
        assert "submitter hidden" in item
        assert "bot" not in item

    playing(tmp_path, scenario)


def test_an_entrys_address_opens_the_queue_at_it(tmp_path):
    async def scenario(system, http):
        entry_id = await submit(system)
        del http.headers["HX-Request"]
        answer = await http.get(f"/queue/{entry_id}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/queue?open={entry_id}")
        page = (await http.get(answer.headers["location"])).text
        assert f'data-open="{entry_id}"' in page

    playing(tmp_path, scenario)


def test_an_entry_that_does_not_exist_is_told_in_a_fragment(tmp_path):
    async def scenario(system, http):
        answer = await http.get("/queue/ent_none")
        assert answer.status_code == 404
        assert "<html" not in answer.text
        assert "Not found" in answer.text

    playing(tmp_path, scenario)


# --- one entry ------------------------------------------------------------------------------------


def test_a_hold_keeps_others_off_until_it_is_given_back(tmp_path):
    async def scenario(system, ada, grace):
        entry_id = await submit(system)
        claim = (await ada.post(f"/queue/{entry_id}/claim")).json()
        refused = await grace.post(f"/queue/{entry_id}/claim")
        assert refused.status_code == 409
        assert "ada" in refused.text
        await ada.post(f"/queue/{entry_id}/release", data={"claim_token": claim["claim_token"]})
        assert (await grace.post(f"/queue/{entry_id}/claim")).status_code == 200

    playing(tmp_path, scenario, "ada", "grace")


def test_renewing_a_hold_moves_its_end_and_keeps_its_token(tmp_path):
    async def scenario(system, http):
        entry_id = await submit(system)
        first = (await http.post(f"/queue/{entry_id}/claim")).json()
        system.clock.advance(60)
        again = (await http.post(f"/queue/{entry_id}/claim")).json()
        assert again["claim_token"] == first["claim_token"]
        assert again["expires_at"] > first["expires_at"]

    playing(tmp_path, scenario)


@pytest.mark.parametrize(
    "stale", [{"revision": "2"}, {"content_hash": "0" * 64}, {"claim_token": "999"}]
)
def test_a_decision_on_something_else_than_was_read_is_a_conflict(tmp_path, stale):
    async def scenario(system, http):
        entry_id = await submit(system)
        form = {**await seen(http, entry_id), **stale}
        answer = await http.post(f"/queue/{entry_id}/approve", data=form)
        assert answer.status_code == 409
        assert (await entry_of(system, entry_id)).state == "pending_approval"

    playing(tmp_path, scenario)


def test_nobody_decides_in_anothers_name(tmp_path):
    async def scenario(system, http):
        entry_id = await submit(system)
        form = {**await seen(http, entry_id), "reviewer": "grace"}
        answer = await http.post(f"/queue/{entry_id}/approve", data=form)
        assert answer.status_code in {403, 422}
        assert (await entry_of(system, entry_id)).state == "pending_approval"

    playing(tmp_path, scenario)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "Wrong"), ("  ", "Wrong"), ("It is 14 days.", "Wrong: It is 14 days.")],
)
def test_a_rejection_says_its_code_in_words_and_then_the_reviewers_own(text, reason):
    assert RejectForm(code="wrong", text=text).reason() == reason


def test_every_code_has_a_key_of_its_own_from_1_to_7():
    assert len(REASONS) == 7
    assert len(set(REASONS.values())) == 7


def test_a_rejection_keeps_its_code_for_the_figures(tmp_path):
    async def scenario(system, http):
        entry_id = await submit(system)
        form = {**await seen(http, entry_id), "code": "outdated", "text": "Since May."}
        assert (await http.post(f"/queue/{entry_id}/reject", data=form)).status_code == 200
        decision = await system.store.get(WORKSPACE, DECISIONS, f"{entry_id}:000001")
        assert (decision.code, decision.notes) == ("outdated", "Out of date: Since May.")

    playing(tmp_path, scenario)


def test_a_reason_that_is_too_long_with_its_code_is_told_and_decides_nothing(tmp_path):
    async def scenario(system, http):
        entry_id = await submit(system)
        form = {**await seen(http, entry_id), "code": "outdated", "text": "x" * 4000}
        assert (await http.post(f"/queue/{entry_id}/reject", data=form)).status_code == 422
        assert (await entry_of(system, entry_id)).state == "pending_approval"
        form["text"] = "x" * 3900
        assert (await http.post(f"/queue/{entry_id}/reject", data=form)).status_code == 200

    playing(tmp_path, scenario)


def test_a_revision_is_not_asked_for_without_words(tmp_path):
    async def scenario(system, http):
        entry_id = await submit(system)
        form = {**await seen(http, entry_id), "notes": " "}
        answer = await http.post(f"/queue/{entry_id}/request-revision", data=form)
        assert answer.status_code == 422

    playing(tmp_path, scenario)


def test_only_who_decided_may_undo_it(tmp_path):
    async def scenario(system, ada, grace):
        entry_id = await submit(system)
        await ada.post(f"/queue/{entry_id}/approve", data=await seen(ada, entry_id))
        undo = {"revision": "1"}
        assert (await grace.post(f"/queue/{entry_id}/undo", data=undo)).status_code == 403
        assert (await ada.post(f"/queue/{entry_id}/undo", data=undo)).status_code == 200
        assert (await entry_of(system, entry_id)).state == "pending_approval"

    playing(tmp_path, scenario, "ada", "grace")


# --- many at once ---------------------------------------------------------------------------------


def previewed(text):
    return re.findall(r'name="seen" value="([^"]+)"', text)


def test_a_preview_leaves_out_what_others_hold(tmp_path):
    async def scenario(system, ada, grace):
        mine, theirs, free = [await submit(system, at) for at in range(3)]
        await ada.post(f"/queue/{mine}/claim")
        await grace.post(f"/queue/{theirs}/claim")
        text = (await ada.post("/queue/bulk-preview", data={})).text
        assert {one.partition(":")[0] for one in previewed(text)} == {mine, free}

    playing(tmp_path, scenario, "ada", "grace")


def test_a_preview_says_when_there_is_more_than_one_decision_takes(tmp_path):
    async def scenario(system, http):
        for at in range(MAX_BULK + 1):
            await submit(system, at)
        text = (await http.post("/queue/bulk-preview", data={"topic": "billing"})).text
        assert len(previewed(text)) == MAX_BULK
        assert f"the first {MAX_BULK}; there are more" in text

    playing(tmp_path, scenario)


def test_a_preview_of_very_long_entries_says_how_many_it_has_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr("shared.services.paging.MOST_CONTENT", 1000)

    async def scenario(system, http):
        for at in range(3):
            await submit(system, at, content=f"{at} " + "long " * 80)
        text = (await http.post("/queue/bulk-preview", data={})).text
        assert len(previewed(text)) == 2
        assert "the first 2; there are more" in text

    playing(tmp_path, scenario)


def test_what_has_moved_on_since_the_preview_is_left_as_it_is(tmp_path):
    async def scenario(system, ada, grace):
        one, two = await submit(system, 1), await submit(system, 2)
        text = (await ada.post("/queue/bulk-preview", data={})).text
        await grace.post(f"/queue/{one}/approve", data=await seen(grace, one))
        form = {"verdict": "reject", "code": "wrong", "seen": previewed(text)}
        told = (await ada.post("/queue/bulk", data=form)).text
        assert "1 decided, 1 left as they were" in told
        assert one in told
        states = [(await entry_of(system, name)).state for name in (one, two)]
        assert states == ["approved", "rejected"]

    playing(tmp_path, scenario, "ada", "grace")


@pytest.mark.parametrize(
    "form",
    [
        {"verdict": "request_revision", "seen": ["ent_1:1:x"]},
        {"verdict": "reject", "seen": ["ent_1:1:x"]},
        {"verdict": "approve", "seen": []},
        {"verdict": "approve", "seen": ["ent_1"]},
        {"verdict": "approve", "seen": ["ent_1:one:x"]},
        {"verdict": "approve", "seen": [f"ent_1:{'1' * 5000}:x"]},
    ],
)
def test_many_are_not_decided_without_a_reason_or_a_preview(tmp_path, form):
    async def scenario(system, http):
        assert (await http.post("/queue/bulk", data=form)).status_code == 422

    playing(tmp_path, scenario)


def test_a_cluster_is_the_entry_and_those_like_it_that_wait(tmp_path):
    async def scenario(system, http):
        text = " ".join(f"part{at}" for at in range(40))
        decided = await submit(system, content=f"{text} one")
        await http.post(f"/queue/{decided}/approve", data=await seen(http, decided))
        two, three = [await submit(system, content=f"{text} {end}") for end in ("two", "three")]
        await submit(system, 9)
        form = {"scope": "cluster", "entry_id": three}
        shown = previewed((await http.post("/queue/bulk-preview", data=form)).text)
        assert {one.partition(":")[0] for one in shown} == {two, three}
        form["entry_id"] = "ent_none"
        assert "Nothing here waits" in (await http.post("/queue/bulk-preview", data=form)).text

    playing(tmp_path, scenario)
