"""The requests that growth is measured by, one at a time, at the level of the use cases.

Each can be done any number of times in any size: what one needs, another has left behind, so they
are done in their order.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.growth_filling import SELDOM_ACTOR
from bench.growth_rows import (
    DAYS,
    PENDING_EACH,
    SELDOM,
    WORKSPACE,
    World,
    content,
    rare_word,
    term,
)
from shared.adapters.declared_queries import Asked, make_cursor
from shared.domain.access import Caller
from shared.domain.entries import ENTRIES
from shared.domain.knowledge.publication import PUBLICATIONS, publication_id
from shared.domain.records import Filter, Order
from shared.domain.times import to_text
from shared.messages.auditing import AuditParams
from shared.messages.base import PageParams
from shared.messages.rating import RecordFeedback
from shared.messages.reviewing import ClaimEntry, QueueParams, Retract, Reviewed
from shared.messages.serving import RouteRequest
from shared.messages.serving_reading import SearchRequest
from shared.messages.submitting import SubmitEntry
from shared.services import (
    auditing,
    claiming,
    knowledge_versions,
    publishing,
    rating,
    review_reading,
    reviewing,
    submitting,
    training,
)
from shared.services.deps import Deps
from shared.services.serving import routing, searching

_CALLER = Caller(WORKSPACE, "key:reviewer", scopes=frozenset({"admin"}))
_PAGE = 50

Work = Callable[[], Awaitable[object]]


@dataclass
class Player:
    """Does requests in a workspace of a size.

    Args:
        deps: the ports.
        world: who is who.
        size: entries, those that the requests themselves add not counted.
        versions: of the knowledge, once it was filled.
    """

    deps: Deps
    world: World
    size: int
    versions: int
    _done: int = 0
    _claimed: deque[str] = field(default_factory=deque)
    _approved: deque[str] = field(default_factory=deque)
    _published: deque[str] = field(default_factory=deque)
    _retracted: deque[str] = field(default_factory=deque)
    _routed: deque[str] = field(default_factory=deque)

    def works(self) -> dict[str, Work]:
        """Returns the requests by name, in their order."""
        return {
            "submit": self._submit,
            "queue, first page": self._first_page,
            "queue, page in the middle": self._queue_middle,
            "queue, one topic of 100": self._queue_topic,
            "queue, a topic of three": self._queue_seldom,
            "claim the next": self._claim,
            "approve": self._approve,
            "publish": self._publish,
            "statistics": self._stats,
            "an entry with its history": self._view,
            "search, a rare word": self._search_rare,
            "search, a usual word": self._search_usual,
            "search, a word in all": self._search_common,
            "retract": self._retract,
            "take out of search": self._take_out,
            "knowledge, page in the middle": self._versions_middle,
            "audit, first page": self._audit,
            "audit, who did one thing": self._audit_seldom,
            "route": self._route,
            "rate": self._rate,
            "training, dry run": self._dry_run,
        }

    def _number(self) -> int:
        """Returns a published entry, another one each time."""
        self._done += 1
        return 1 + self._done * 7919 % (self.size // PENDING_EACH) * PENDING_EACH

    async def _submit(self) -> object:
        self._done += 1
        text = content(-self.size * 1_000 - self._done)
        command = SubmitEntry(
            topic="topic7", content=text, confidence_score=0.8, submitter="agent1"
        )
        return await submitting.submit_entry(self.deps, _CALLER, command, None)

    async def _first_page(self) -> object:
        return await self._queue(QueueParams(limit=_PAGE))

    async def _queue_middle(self) -> object:
        round_ = PENDING_EACH * DAYS
        middle = (self.world.day(one) == DAYS // 2 for one in range(0, round_, PENDING_EACH))
        number = self.size // 2 // round_ * round_ + PENDING_EACH * list(middle).index(True)
        waiting = (Filter("state", "==", "pending_approval"),)
        asked = Asked(WORKSPACE, ENTRIES.name, waiting, Order("submitted_at"))
        place = to_text(self.world.at(number)), self.world.entry_id(number)
        return await self._queue(QueueParams(limit=_PAGE, cursor=make_cursor(asked, *place)))

    async def _queue_topic(self) -> object:
        self._done += 1
        return await self._queue(QueueParams(limit=_PAGE, topic=f"topic{self._done % 100}"))

    async def _queue_seldom(self) -> object:
        return await self._queue(QueueParams(limit=_PAGE, topic=SELDOM))

    async def _queue(self, params: QueueParams) -> object:
        return await review_reading.queue(self.deps, _CALLER, params)

    async def _claim(self) -> object:
        page = await review_reading.queue(
            self.deps, _CALLER, QueueParams(limit=_PAGE, order="urgency")
        )
        entry_id = next(one.entry_id for one in page.items if one.claim is None)
        self._claimed.append(entry_id)
        return await claiming.claim(self.deps, _CALLER, entry_id, ClaimEntry(), None)

    async def _approve(self) -> object:
        entry_id = self._claimed.popleft()
        self._approved.append(entry_id)
        return await reviewing.decide(
            self.deps, _CALLER, entry_id, Reviewed(), None, verdict="approve", notes="bench"
        )

    async def _publish(self) -> object:
        entry_id = self._approved.popleft()
        self._published.append(entry_id)
        return await publishing.publish_entry(self.deps, WORKSPACE, entry_id)

    async def _stats(self) -> object:
        return await review_reading.stats(self.deps, _CALLER)

    async def _view(self) -> object:
        entry_id = self.world.entry_id(self._number())
        return await submitting.view_entry(self.deps, _CALLER, entry_id, PageParams())

    async def _search_rare(self) -> object:
        return await self._search(rare_word(self._number()))

    async def _search_usual(self) -> object:
        return await self._search(term(self._number()))

    async def _search_common(self) -> object:
        return await self._search(f"{rare_word(self._number())} invoice")

    async def _search(self, text: str) -> object:
        return await searching.search(self.deps, _CALLER, SearchRequest(text=text))

    async def _retract(self) -> object:
        entry_id = self._published.popleft()
        self._retracted.append(entry_id)
        command = Retract(reason="bench")
        return await reviewing.retract(self.deps, _CALLER, entry_id, command, None)

    async def _take_out(self) -> object:
        return await publishing.publish_entry(self.deps, WORKSPACE, self._retracted.popleft())

    async def _versions_middle(self) -> object:
        asked = Asked(WORKSPACE, PUBLICATIONS.name, (), Order("version", descending=True))
        version = self.versions // 2
        params = PageParams(
            limit=_PAGE, cursor=make_cursor(asked, version, publication_id(version))
        )
        return await knowledge_versions.list_versions(self.deps, _CALLER, params)

    async def _audit(self) -> object:
        return await auditing.list_audit(self.deps, _CALLER, AuditParams(limit=_PAGE))

    async def _audit_seldom(self) -> object:
        params = AuditParams(limit=_PAGE, actor=SELDOM_ACTOR)
        return await auditing.list_audit(self.deps, _CALLER, params)

    async def _route(self) -> object:
        self._done += 1
        command = RouteRequest(prompt=f"Explain invoice {self._done}.")
        answer = await routing.route(self.deps, _CALLER, command, None)
        self._routed.append(answer.request_id)
        return answer

    async def _rate(self) -> object:
        command = RecordFeedback(
            request_id=self._routed.popleft(),
            quality_score=4,
            is_correct=True,
            user_id=f"user{len(self._routed)}",
        )
        return await rating.record_feedback(self.deps, _CALLER, command, None)

    async def _dry_run(self) -> object:
        return await training.start_run(self.deps, _CALLER, "bench", None, dry_run=True)

    async def learn(self) -> None:
        """Makes a training run, so that the next one has little to read."""
        await training.start_run(self.deps, _CALLER, "bench", None, dry_run=False)
