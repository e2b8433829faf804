"""Requests and routing metrics of an older system become routing decisions.

Ids follow from the older ones, so a row that was imported is known again. How likely a choice was
is not known of the past: propensity 0, so that estimates that weigh by it leave these out.
"""

import hashlib
from collections.abc import Sequence

from shared.domain.access import Caller
from shared.domain.feedback import ROUTING_DECISIONS, RoutingDecision
from shared.domain.learning.prompts import classify
from shared.domain.older import WORDS_OF_COMPLEXITY, Reader, Rejected
from shared.ports import Transaction
from shared.ports.older import OlderRow
from shared.services.deps import Deps
from shared.services.unit import audited

_NAME, _ID = 200, 200
_PROMPT = 1_000_000
_REASON = 2_000
_MS = 1000.0
_SOME_COMPLEXITY = 0.5


def new_id(prefix: str, source: str, older: str) -> str:
    """Returns the id here of what `source` knows as `older`."""
    named = f"{source}\0{older}".encode()
    return f"{prefix}_{hashlib.sha256(named).hexdigest()[:20]}"


class Several:
    """One fact after the other: of the request, else of its metrics.

    Args:
        parts: rows with what reads them.
    """

    def __init__(self, parts: Sequence[tuple[Reader, OlderRow]]) -> None:
        self._parts = parts

    def text(self, field: str, longest: int) -> str | None:
        """See Reader."""
        return next(
            (found for reader, row in self._parts if (found := reader.text(row, field, longest))),
            None,
        )

    def number(self, field: str, most: float = 1e15) -> float | None:
        """See Reader."""
        for reader, row in self._parts:
            if (found := reader.number(row, field, most=most)) is not None:
                return found
        return None

    def moment(self) -> str:
        """See Reader; the time of the first part that has one."""
        for reader, row in self._parts[:-1]:
            if reader.value(row, "at") is not None:
                return reader.moment(row)
        reader, row = self._parts[-1]
        return reader.moment(row)

    def complexity(self, otherwise: float) -> float:
        """Returns it as a number from 0 to 1, which some have written as a word."""
        for reader, row in self._parts:
            value = reader.value(row, "complexity")
            if isinstance(value, str) and (known := WORDS_OF_COMPLEXITY.get(value.lower())):
                return known
        found = self.number("complexity", most=1.0)
        return otherwise if found is None else found


def older_id(reader: Reader, row: OlderRow) -> str:
    """Returns the id that a row has there.

    Raises:
        Rejected: it has none.
    """
    found = reader.text(row, "id", _ID)
    if found is None:
        raise Rejected("it has no id")
    return found


def decision_of(source: str, parts: Sequence[tuple[Reader, OlderRow]]) -> RoutingDecision:
    """Returns the decision that rows of one request tell of.

    Raises:
        Rejected: they do not tell which model answered, or say what cannot be.
    """
    facts = Several(parts)
    provider, model = facts.text("provider", _NAME), facts.text("model", _NAME)
    if provider is None or model is None:
        raise Rejected("it does not say which provider and model answered")
    prompt = facts.text("prompt", _PROMPT)
    pattern, complexity = classify(prompt) if prompt else ("general", _SOME_COMPLEXITY)
    latency_ms, latency_s = facts.number("latency_ms"), facts.number("latency_s")
    if latency_ms is None and latency_s is not None:
        latency_ms = latency_s * _MS
    return RoutingDecision(
        id=new_id("req", source, older_id(*parts[0])),
        pattern=facts.text("pattern", _NAME) or pattern,
        complexity=facts.complexity(complexity),
        provider=provider,
        model=model,
        confidence=facts.number("confidence", most=1.0) or 0.0,
        explored=False,
        propensity=0.0,
        snapshot_id=None,
        reason=facts.text("reason", _REASON) or f"imported from {source}",
        cost_usd=facts.number("cost_usd"),
        input_tokens=_whole(facts.number("input_tokens")),
        output_tokens=_whole(facts.number("output_tokens")),
        latency_ms=_whole(latency_ms),
        session_id=facts.text("session_id", _ID),
        decided_by=f"import:{source}",
        decided_at=facts.moment(),
    )


def says_the_same(one: RoutingDecision, other: RoutingDecision) -> bool:
    """Tells whether two decisions of one id are of the same request."""
    names = ("provider", "model", "cost_usd", "latency_ms", "decided_at")
    return all(getattr(one, name) == getattr(other, name) for name in names)


async def write_decisions(
    deps: Deps, caller: Caller, source: str, decisions: Sequence[RoutingDecision]
) -> list[RoutingDecision | None]:
    """Writes the decisions that are not there; returns for each the one that was."""

    async def work(tx: Transaction) -> list[RoutingDecision | None]:
        known = await tx.get_many(ROUTING_DECISIONS, [one.id for one in decisions])
        new = [one for one, there in zip(decisions, known, strict=True) if there is None]
        for one in new:
            tx.put(ROUTING_DECISIONS, one)
        if new:
            now = deps.clock.now_text()
            tx.audit(audited(caller, now, "decisions.imported", source, decisions=len(new)))
        return known

    return await deps.store.transact(caller.workspace, work)


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
