"""Route: which model should answer, decided in memory, and one record of it written.

The hot path. Invariant: nothing is read from the store here, and what is answered is on record
first. The decision log is append-only by itself, so a decision leaves no audit record.
"""

from dataclasses import dataclass
from typing import Any

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import ROUTING_DECISIONS, PromptEvidence, RoutingDecision
from shared.domain.learning.config import ModelId
from shared.domain.learning.decision import Choice
from shared.domain.learning.labellers import caller_hash
from shared.domain.learning.labels import NOTHING, is_sampled, spelled, words_of
from shared.domain.learning.neighbourhoods import cell_of
from shared.domain.learning.prompts import classify_read, complexity_of, read
from shared.domain.learning.raters import expectation
from shared.domain.learning.trials import unit_of
from shared.domain.models import estimate_tokens
from shared.errors import Unavailable
from shared.messages.serving import CompleteRequest, RouteAnswer, RouteRequest
from shared.messages.watching import ToldBy
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.rating_tokens import token_for
from shared.services.serving.assigning import assigned
from shared.services.serving.candidates import Allowed, Tokens, allowed_models
from shared.services.serving.current import View, current_view
from shared.services.serving.deciding import odds_for
from shared.services.unit import once


@dataclass(frozen=True, slots=True)
class Decided:
    """A choice with all that it was made from; `view` is that of the arm it takes part in."""

    request_id: str
    view: View
    allowed: Allowed
    choice: Choice
    tokens: Tokens
    baseline: ModelId
    pattern: str
    cell: str
    complexity: float
    told_by: ToldBy
    trial_id: str | None = None
    arm: str | None = None
    label: str | None = None
    """Hashes of the prompt's words, where its stated pattern is to be learned from."""


async def route(
    deps: Deps, caller: Caller, command: RouteRequest, key: IdempotencyKey | None
) -> RouteAnswer:
    """Returns which model should answer, once the decision is on record.

    Raises:
        InvalidInput: no model may answer.
        Unavailable: the workspace is read-only, so that nothing can be put on record.
    """
    view = await usable_view(deps, caller.workspace)
    expected = command.expected_output_tokens or deps.options.expected_output_tokens
    tokens = Tokens(estimate_tokens(command.prompt), expected)
    decided = choose(deps, view, command, command.prompt, tokens)
    record = decision_record(deps, caller, command, decided)
    token = token_for(deps, view.settings, caller.workspace, record)
    answer = RouteAnswer(**answer_fields(record, token))

    async def work(tx: Transaction) -> RouteAnswer:
        tx.create(ROUTING_DECISIONS, record)
        tx.append(*labels_of(record, decided))
        return answer

    return await once(deps, caller, key, RouteAnswer, work)


async def usable_view(deps: Deps, workspace: str) -> View:
    """Returns what is current in a workspace that may be written to.

    Raises:
        Unavailable: it is read-only.
    """
    view = await current_view(deps, workspace)
    if view.settings.read_only:
        raise Unavailable("this workspace is read-only for now: a decision could not be recorded")
    return view


def choose(
    deps: Deps, view: View, command: RouteRequest | CompleteRequest, prompt: str, tokens: Tokens
) -> Decided:
    """Returns the choice for a prompt; writes nothing.

    Raises:
        InvalidInput: no model may answer.
    """
    allowed = allowed_models(view, command.candidates, command.max_cost, tokens)
    learning = deps.options.learning
    reading = read(prompt)
    telling = view.snapshot.telling if view.snapshot is not None else NOTHING
    told = None if command.pattern else telling.pattern_of_text(reading.words)
    if told is None:
        found, complexity = classify_read(reading)
        pattern = command.pattern or found
    else:
        pattern, complexity = told, complexity_of(reading, told)
    cell = cell_of(prompt, told_apart=learning.beliefs.neighbourhoods)
    explores = view.settings.exploring and not command.critical
    rate = learning.exploration_rate if explores else 0.0
    request_id = deps.ids.new("req")
    is_label = (
        command.pattern is not None
        and learning.labels.learn
        and is_sampled(request_id, telling.known(command.pattern))
    )
    part = assigned(
        view,
        allowed,
        unit_of(command.session_id, request_id),
        lambda seen: odds_for(seen, allowed, pattern, cell, tokens, rate),
        critical=command.critical,
    )
    choice = part.draw(deps.ids.uniform())
    default = learning.default_model
    if default is None or default not in allowed.models:
        default = allowed.models[0]
    return Decided(
        request_id,
        part.view,
        allowed,
        choice,
        tokens,
        default,
        pattern,
        cell,
        complexity,
        "caller" if command.pattern else "rules" if told is None else "labels",
        part.trial_id,
        part.arm,
        spelled(words_of(reading.words)) if is_label else None,
    )


def labels_of(record: RoutingDecision, decided: Decided) -> list[PromptEvidence]:
    """Returns what is logged of a prompt whose pattern was stated: one row, or none."""
    if decided.label is None:
        return []
    caller = caller_hash(record.decided_by)
    return [PromptEvidence(record.decided_at, record.id, record.pattern, decided.label, caller)]


def decision_record(
    deps: Deps, caller: Caller, command: RouteRequest | CompleteRequest, decided: Decided
) -> RoutingDecision:
    """Returns the record of a decision, with a new `req_` id."""
    choice, allowed, tokens = decided.choice, decided.allowed, decided.tokens
    return RoutingDecision(
        id=decided.request_id,
        pattern=decided.pattern,
        complexity=decided.complexity,
        cell=decided.cell,
        provider=choice.provider,
        model=choice.model,
        confidence=choice.confidence,
        expected=expectation(
            decided.view.policy.belief(
                decided.pattern, decided.cell, ModelId(choice.provider, choice.model)
            )
        ),
        explored=choice.explored,
        propensity=choice.propensity,
        snapshot_id=decided.view.snapshot_id,
        reason=choice.reason,
        estimated_cost_usd=allowed.cost_usd(ModelId(choice.provider, choice.model), tokens),
        baseline_cost_usd=allowed.cost_usd(decided.baseline, tokens),
        session_id=command.session_id,
        trial=decided.trial_id,
        arm=decided.arm,
        decided_by=caller.subject,
        decided_at=deps.clock.now_text(),
        epoch=decided.view.epoch(decided.pattern, ModelId(choice.provider, choice.model)),
        thinned=decided.view.policy.beliefs.thinned,
        revision=deps.options.revision,
    )


def answer_fields(record: RoutingDecision, token: str | None) -> dict[str, Any]:
    """Returns the fields of a RouteAnswer; `token` is what the answer may be rated with."""
    return {
        "request_id": record.id,
        "provider": record.provider,
        "model": record.model,
        "pattern": record.pattern,
        "complexity": record.complexity,
        "confidence": record.confidence,
        "explored": record.explored,
        "propensity": record.propensity,
        "snapshot_id": record.snapshot_id,
        "reason": record.reason,
        "estimated_cost_usd": record.estimated_cost_usd,
        "rating_token": token,
    }
