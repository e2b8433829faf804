"""Callers who do not give up: every request has an Idempotency-Key and is sent until it succeeds.

What they were answered is what must be there afterwards, once.
"""

import itertools
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.support.waiting import until
from tests.support.world import World

RETRIED = frozenset({429, 500, 502, 503, 504})
PACE_S = 0.5
"""Seconds between two turns of one caller: the emulator pushes slower than callers could write."""

PATIENCE_S = 120.0
"""Seconds after which a caller takes a request for lost."""

_numbers = itertools.count(1)


@dataclass
class Answered:
    """What was answered 2xx."""

    entries: dict[str, str] = field(default_factory=dict)
    """Contents by id."""
    verdicts: dict[str, str] = field(default_factory=dict)
    """What was decided, by entry."""
    routed: list[str] = field(default_factory=list)
    rated: dict[str, str] = field(default_factory=dict)
    """Ids of ratings by request."""
    outcomes: list[str] = field(default_factory=list)
    conversations: int = 0
    retries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How often something had to be sent again, by the reason."""

    def turns(self) -> int:
        """Returns how many turns of the loop are through."""
        return self.conversations

    def requests(self) -> int:
        """Returns how many requests of the first half of a turn were answered, and all turns."""
        return len(self.entries) + len(self.verdicts) + len(self.rated) + self.conversations


class SteadyWriters:
    """Threads that go round the loop until they are told to stop; a context manager.

    Args:
        world: whose workspace they write to.
        count: threads.
    """

    def __init__(self, world: World, count: int = 2) -> None:
        self.told = Answered()
        self.failures: list[BaseException] = []
        self._world = world
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE_S)
        if failure[0] is None:
            assert self.failures == []
            assert not any(thread.is_alive() for thread in self._threads)

    def wait_turns(self, more: int) -> None:
        """Waits until they went round so many times more."""
        wanted = self.told.turns() + more

        def round_again() -> bool:
            assert self.failures == []
            return self.told.turns() >= wanted

        until(round_again, self.told.requests)

    def _write(self) -> None:
        server = self._world.server
        try:
            with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as http:
                while not self._stop.is_set():
                    self._turn(http)
                    self._stop.wait(PACE_S)
        except BaseException as error:
            self.failures.append(error)
            raise

    def _turn(self, http: httpx.Client) -> None:
        number = next(_numbers)
        body = {**self._world.entry(), "topic": f"turn {number}"}
        entry_id = self._sent(http, "/v1/entries", body)["entry_id"]
        self._keep("entries", entry_id, body["content"])
        verdict = "reject" if number % 4 == 0 else "approve"
        why = {"reason": "Out of date."} if verdict == "reject" else {}
        self._sent(http, f"/v1/approvals/{entry_id}/{verdict}", {"reviewer": "ada", **why})
        self._keep("verdicts", entry_id, verdict)
        asked = {"prompt": "Write a Python function.", "pattern": "code"}
        request_id = self._sent(http, "/v1/route", asked)["request_id"]
        rating = {"request_id": request_id, "quality_score": 4, "is_correct": True}
        feedback_id = self._sent(http, "/v1/feedback", rating)["feedback_id"]
        self._keep("rated", request_id, feedback_id)
        workflow = f"steady-{number}"
        proposed = self._world.recommendation(workflow)
        made = self._sent(http, "/v1/recommendations", proposed)["recommendation_id"]
        settled = {"recommendation_id": made, "status": "approved", "quality_score": 90}
        outcome = {"workflow_id": workflow, "overall_quality_score": 80}
        self._sent(http, "/v1/outcomes", {**outcome, "recommendations": [settled]})
        self._sent(http, "/v1/conversations/completed", {"count": 1})
        with self._guard:
            self.told.routed.append(request_id)
            self.told.outcomes.append(workflow)
            self.told.conversations += 1

    def _sent(self, http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Sends a request under one key until it is answered for good."""
        headers = {"Idempotency-Key": f"steady-{next(_numbers)}"}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = http.post(path, json=body, headers=headers)
                why = str(answer.status_code)
            except httpx.TransportError as error:
                answer, why = None, type(error).__name__
            if answer is not None and answer.is_success:
                return dict(answer.json())
            if answer is not None and answer.status_code not in RETRIED:
                raise AssertionError((path, answer.status_code, answer.text))
            assert time.monotonic() < deadline, (path, why)
            with self._guard:
                self.told.retries[why] += 1
            time.sleep(0.1)

    def _keep(self, what: str, name: str, value: str) -> None:
        with self._guard:
            getattr(self.told, what)[name] = value
