"""Complete: route a prompt, have it answered, and fall back down the ranking where a model fails.

Invariant: what was answered is on record with what it took. Where a fallback answers, the record
names the fallback, `attempts` counts the models that were asked, and the propensity is 0: chance
had no part in that choice, so its ratings count in the means of that model and pattern, and
estimates that weigh by propensity leave them out.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import ROUTING_DECISIONS, PromptEvidence, RoutingDecision
from shared.domain.learning.config import ModelId
from shared.domain.learning.decision import fallback_order
from shared.domain.learning.raters import expectation
from shared.domain.learning.trials import counter
from shared.domain.models import estimate_tokens
from shared.errors import InvalidInput, Unavailable, WhetstoneError
from shared.messages.serving import Attempt, CompleteAnswer, CompleteRequest, Usage
from shared.ports import (
    ChatMessage,
    Completion,
    CompletionProvider,
    CompletionRequest,
    Transaction,
)
from shared.services.counting_once import NO_TURN, Turn, turn_of
from shared.services.deps import Deps
from shared.services.rating_tokens import token_for
from shared.services.serving.candidates import Tokens
from shared.services.serving.routing import (
    Decided,
    answer_fields,
    choose,
    decision_record,
    labels_of,
    usable_view,
)
from shared.services.unit import once, remembered

_OPTIONS = ("temperature", "top_p", "max_tokens", "stop")

logger = logging.getLogger("whetstone.serving")


@dataclass(slots=True)
class Exchange:
    """One request on its way down the ranking.

    `order` are the models to ask, first the chosen one; `record` is the decision as it was made,
    `token` what its answer may be rated with;
    `deadline_s` is a time of the monotonic clock.
    """

    decided: Decided
    record: RoutingDecision
    token: str | None
    order: Sequence[ModelId]
    messages: tuple[ChatMessage, ...]
    options: Mapping[str, float | int | str | list[str]]
    deadline_s: float
    failures: list[Attempt] = field(default_factory=list)
    refusals: int = 0

    def request(self, model: ModelId) -> CompletionRequest:
        """Returns what a model is asked."""
        return CompletionRequest(model.model, self.messages, self.options)

    def failed(self, model: ModelId, error: WhetstoneError, latency_ms: int) -> None:
        """Notes that a model did not answer."""
        self.refusals += isinstance(error, InvalidInput)
        self.failures.append(
            Attempt(
                provider=model.provider,
                model=model.model,
                error=error.detail,
                latency_ms=latency_ms,
            )
        )
        logger.warning("completion.failed", extra=self.failures[-1].model_dump())

    def answering(self, model: ModelId) -> RoutingDecision:
        """Returns the decision with the model that answers, marked where it is a fallback."""
        if not self.failures:
            return self.record
        first = self.failures[0]
        tokens, allowed = self.decided.tokens, self.decided.allowed
        row = self.decided.view.policy.by_pattern.get(self.record.pattern)
        return self.record.model_copy(
            update={
                "provider": model.provider,
                "model": model.model,
                "confidence": row.confidence_of.get(model, 0.0) if row else 0.0,
                "expected": expectation(
                    self.decided.view.policy.belief(self.record.pattern, self.record.cell, model)
                ),
                "explored": False,
                "propensity": 0.0,
                "reason": f"Fallback: {first.provider}/{first.model} did not answer.",
                "estimated_cost_usd": allowed.cost_usd(model, tokens),
                "attempts": len(self.failures) + 1,
                "epoch": self.decided.view.epoch(self.record.pattern, model),
            }
        )

    def exhausted(self) -> RoutingDecision:
        """Returns the decision after nobody answered."""
        update = {"attempts": max(1, len(self.failures)), "failed": True}
        return self.record.model_copy(update=update)

    def error(self) -> WhetstoneError:
        """Returns what the caller is told when nobody answered."""
        facts = {
            "request_id": self.record.id,
            "attempts": [one.model_dump() for one in self.failures],
        }
        if self.failures and self.refusals == len(self.failures):
            return InvalidInput("every model that was asked refuses this request", facts=facts)
        return Unavailable("no model answered; the attempts say why", facts=facts)


async def complete(
    deps: Deps, caller: Caller, command: CompleteRequest, key: IdempotencyKey | None
) -> CompleteAnswer:
    """Returns a model's answer, with the decision, its tokens and its cost on record.

    With a key, a repeated request gets the first answer; two at the same time may both ask a model,
    and then the first to be recorded is the answer of both.

    Raises:
        InvalidInput: no model may answer, or all refuse the request.
        Unavailable: none answered; `attempts` says who was asked, and the failure is on record.
    """
    known = await remembered(deps, caller, key, CompleteAnswer)
    if known is not None:
        return known
    exchange = await begin(deps, caller, command)
    for model, provider, timeout_s in attempts(deps, exchange):
        started_s = deps.clock.monotonic_s()
        try:
            completion = await provider.complete(exchange.request(model), timeout_s=timeout_s)
        except (Unavailable, InvalidInput) as error:
            exchange.failed(model, error, elapsed_ms(deps, started_s))
            continue
        latency_ms = elapsed_ms(deps, started_s)
        record = settled(exchange, exchange.answering(model), completion, latency_ms)
        answer = _answer(record, exchange.token, completion, latency_ms)
        return await once(
            deps, caller, key, CompleteAnswer, _creating(deps, exchange, record, answer)
        )
    await keep(deps, caller, exchange.exhausted())
    raise exchange.error()


async def begin(deps: Deps, caller: Caller, command: CompleteRequest) -> Exchange:
    """Returns the exchange for a request: routed, nothing asked and nothing written yet.

    Raises:
        InvalidInput: the request is not one that can be routed.
        Unavailable: the workspace is read-only.
    """
    messages = _messages(command)
    view = await usable_view(deps, caller.workspace)
    _check_candidates(deps, command)
    expected = deps.options.expected_output_tokens
    tokens = Tokens(
        sum(estimate_tokens(turn.content) for turn in messages),
        min(expected, command.max_tokens or expected),
    )
    decided = choose(deps, view, command, _asked(messages), tokens)
    first = ModelId(decided.choice.provider, decided.choice.model)
    order = fallback_order(decided.view.policy, decided.pattern, decided.allowed.models, first)
    given = {name: getattr(command, name) for name in _OPTIONS}
    record = decision_record(deps, caller, command, decided)
    return Exchange(
        decided=decided,
        record=record,
        token=token_for(deps, view.settings, caller.workspace, record),
        order=order[: deps.options.completion_attempts],
        messages=messages,
        options={name: value for name, value in given.items() if value is not None},
        deadline_s=deps.clock.monotonic_s() + deps.options.completion_deadline_s,
    )


def attempts(deps: Deps, exchange: Exchange) -> Iterator[tuple[ModelId, CompletionProvider, float]]:
    """Yields who to ask next and for how many seconds at most, until the time is up."""
    for model in exchange.order:
        left_s = exchange.deadline_s - deps.clock.monotonic_s()
        if left_s <= 0:
            return
        provider = deps.providers.get(model.provider)
        if provider is None:
            missing = Unavailable(f"the provider {model.provider} is not configured")
            exchange.failed(model, missing, 0)
            continue
        yield model, provider, min(deps.options.completion_timeout_s, left_s)


def settled(
    exchange: Exchange, record: RoutingDecision, completion: Completion, latency_ms: int
) -> RoutingDecision:
    """Returns the decision with what the answer took; the baseline is priced with its tokens."""
    tokens = Tokens(completion.input_tokens, completion.output_tokens)
    allowed = exchange.decided.allowed
    return record.model_copy(
        update={
            "cost_usd": allowed.cost_usd(ModelId(record.provider, record.model), tokens),
            "baseline_cost_usd": allowed.cost_usd(exchange.decided.baseline, tokens),
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
            "latency_ms": latency_ms,
        }
    )


async def keep(
    deps: Deps,
    caller: Caller,
    record: RoutingDecision,
    *,
    ended: bool = True,
    labels: Sequence[PromptEvidence] = (),
) -> None:
    """Writes a decision as it stands now, new or over its earlier state; counts how it `ended`."""

    async def work(tx: Transaction) -> None:
        turn = await turn_of_completion(deps, tx, record) if ended else NO_TURN
        tx.put(ROUTING_DECISIONS, record)
        tx.append(*labels)
        tally(tx, record, turn)

    await deps.store.transact(caller.workspace, work)


def usage(completion: Completion) -> Usage:
    """Returns the tokens as the API shows them."""
    return Usage(
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        estimated=completion.estimated,
    )


def _creating(
    deps: Deps, exchange: Exchange, record: RoutingDecision, answer: CompleteAnswer
) -> Callable[[Transaction], Awaitable[CompleteAnswer]]:
    async def work(tx: Transaction) -> CompleteAnswer:
        turn = await turn_of_completion(deps, tx, record)
        tx.create(ROUTING_DECISIONS, record)
        tx.append(*labels_of(record, exchange.decided))
        tally(tx, record, turn)
        return answer

    return work


async def turn_of_completion(deps: Deps, tx: Transaction, record: RoutingDecision) -> Turn:
    """Returns whether a completion is the first of its session in a trial."""
    return await turn_of(tx, record, "completed", record.id, deps.clock.now_text())


def tally(tx: Transaction, record: RoutingDecision, turn: Turn) -> None:
    """Counts how a completion of a trial's arm has ended, where it is its session's turn."""
    if turn.take(tx) and record.trial is not None and record.arm is not None:
        tx.add(counter(record.trial, record.arm), {"failed" if record.failed else "answered": 1})


def _answer(
    record: RoutingDecision, token: str | None, completion: Completion, latency_ms: int
) -> CompleteAnswer:
    return CompleteAnswer(
        **answer_fields(record, token),
        text=completion.text,
        usage=usage(completion),
        cost_usd=record.cost_usd,
        latency_ms=latency_ms,
        attempts=record.attempts,
        finish_reason=completion.finish_reason,
    )


def _messages(command: CompleteRequest) -> tuple[ChatMessage, ...]:
    if (command.prompt is None) == (command.messages is None):
        pointer = "/prompt" if command.prompt is None else "/messages"
        raise InvalidInput.field(pointer, "give exactly one of prompt and messages")
    turns = [ChatMessage(turn.role, turn.content) for turn in command.messages or ()]
    if command.prompt is not None:
        turns = [ChatMessage("user", command.prompt)]
    if not any(turn.role == "user" and turn.content.strip() for turn in turns):
        raise InvalidInput.field("/messages", "must have a turn of the user that is not empty")
    if command.system:
        turns.insert(0, ChatMessage("system", command.system))
    return tuple(turns)


def _asked(messages: Sequence[ChatMessage]) -> str:
    """Returns the newest turn of the user: what the request is about."""
    return next(turn.content for turn in reversed(messages) if turn.role == "user")


def _check_candidates(deps: Deps, command: CompleteRequest) -> None:
    """Refuses candidates whose provider we cannot call."""
    for place, one in enumerate(command.candidates or ()):
        if one.provider not in deps.providers:
            raise InvalidInput.field(
                f"/candidates/{place}", f"the provider {one.provider} is not configured"
            )


def elapsed_ms(deps: Deps, started_s: float) -> int:
    """Returns whole milliseconds since a time of the monotonic clock."""
    return round((deps.clock.monotonic_s() - started_s) * 1000)
