"""The queue on Firestore, narrowed by what no index serves: no page leaves open what it is."""

import re

import pytest

from shared.adapters import firestore_queries, store_firestore
from shared.messages.reviewing import QueueParams
from shared.services import review_reading, review_search
from tests.support.entries import submit
from tests.support.other_stores import on_firestore
from tests.support.system import caller
from tests.unit.functions.console.test_queue_pages import listed, playing

pytestmark = pytest.mark.contract

LOOKED = 6
WHERE_SURE = {1, 11}


@pytest.fixture(autouse=True)
def little_is_looked_through(request, monkeypatch):
    on_firestore(request, monkeypatch)
    monkeypatch.setattr(firestore_queries, "CHUNK", 3)
    for module in (store_firestore, review_reading):
        monkeypatch.setattr(module, "MOST_LOOKED_THROUGH", LOOKED)


async def thirteen(system):
    """Submits entries of which two are sure; returns those."""
    sure = []
    for number in range(13):
        made = await submit(system, number, confidence_score=0.5 + 0.49 * (number in WHERE_SURE))
        sure += [made] if number in WHERE_SURE else []
        system.clock.advance(1)
    return sure


def test_a_page_is_full_or_the_last_or_says_how_far_it_has_looked(tmp_path):
    async def scenario(system, http):
        first, second = await thirteen(system)
        who, pages, cursor = caller("ada", role="reviewer"), [], None
        while True:
            asked = QueueParams(limit=2, order="oldest", min_confidence=0.95, cursor=cursor)
            page = await review_reading.queue(system.deps, who, asked)
            pages.append(([one.entry_id for one in page.items], page.looked_through))
            cursor = page.next_cursor
            if cursor is None:
                break
        assert pages == [([first], LOOKED), ([second], LOOKED), ([], None)]
        full = QueueParams(limit=2, order="oldest")
        assert (await review_reading.queue(system.deps, who, full)).looked_through is None

    playing(tmp_path, scenario)


def test_the_console_says_so_too_and_offers_to_look_further(tmp_path):
    async def scenario(system, http):
        wanted = await thirteen(system)
        shown, said = [], []
        address = "/queue?order=oldest&min_confidence=0.95"
        while address:
            text = (await http.get(address)).text
            shown += listed(text)
            said += re.findall(r'<p class="hint">(.+?)</p>.*?>(Look further)<', text)
            further = re.search(r'data-next="([^"]+)"', text)
            address = further and further[1].replace("&amp;", "&")
        assert shown == wanted
        assert said == [
            ("6 entries looked through.", "Look further"),
            ("6 more entries looked through.", "Look further"),
        ]

    playing(tmp_path, scenario)


def test_many_at_once_are_those_of_the_part_that_was_looked_through(tmp_path):
    async def scenario(system, http):
        await thirteen(system)
        form = {"order": "oldest", "min_confidence": "0.95"}
        text = (await http.post("/queue/bulk-preview", data=form)).text
        assert "what fits among the first 6; there are more" in text
        text = (await http.post("/queue/bulk-preview", data={**form, "min_confidence": "1"})).text
        assert "Nothing among the first 6 entries fits and is free" in text

    playing(tmp_path, scenario)


def test_a_search_by_words_counts_what_was_left_out_before_it_looked(tmp_path, monkeypatch):
    monkeypatch.setattr(review_search, "WALKED", 2 * LOOKED)

    async def scenario(system, http):
        await thirteen(system)
        params = QueueParams(order="oldest", min_confidence=0.95)
        who = caller("ada", role="reviewer")
        found = await review_search.search(system.deps, who, "nowhere", params)
        assert (found.items, found.walked) == ((), 2 * LOOKED)
        assert found.next_cursor

    playing(tmp_path, scenario)
