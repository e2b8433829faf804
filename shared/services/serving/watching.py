"""Routing watched: decisions over time, and a prompt tried without recording it. Writes nothing."""

from collections import defaultdict

from shared.domain.access import Caller
from shared.domain.buckets import bucket_of, buckets_over, step_for
from shared.domain.learning.config import ModelId
from shared.domain.learning.explain_routing import explained_row
from shared.domain.models import estimate_tokens
from shared.domain.times import second_text
from shared.messages.serving import RouteRequest
from shared.messages.serving_reading import MetricsParams, RoutingMetrics
from shared.messages.watching import (
    DecisionHistory,
    ModelCounts,
    TriedCandidate,
    TriedPrompt,
)
from shared.services.deps import Deps
from shared.services.serving.candidates import Tokens
from shared.services.serving.current import current_view
from shared.services.serving.deciding import odds_for
from shared.services.serving.policy import metrics_of
from shared.services.serving.recent import Recent, recent_decisions
from shared.services.serving.routing import Decided, choose

BUCKETS = 32


async def routing_history(
    deps: Deps, caller: Caller, params: MetricsParams
) -> tuple[RoutingMetrics, DecisionHistory]:
    """Returns the figures of a window, and the same decisions over time; both from one reading."""
    found = await recent_decisions(deps, caller.workspace, params.window)
    return metrics_of(found), history_of(found)


def history_of(recent: Recent) -> DecisionHistory:
    """Returns decisions, cost and baseline over time."""
    found = recent.decisions
    step = step_for(found[-1].decided_at, found[0].decided_at, BUCKETS) if found else 1
    numbers = [bucket_of(one.decided_at, step) for one in found]
    places = {number: place for place, number in enumerate(buckets_over(numbers))}
    counts: dict[ModelId, list[int]] = defaultdict(lambda: [0] * len(places))
    cost, baseline = [0.0] * len(places), [0.0] * len(places)
    for one, number in zip(found, numbers, strict=True):
        counts[ModelId(one.provider, one.model)][places[number]] += 1
        paid = one.estimated_cost_usd if one.cost_usd is None else one.cost_usd
        if paid is not None and one.baseline_cost_usd is not None and not one.failed:
            cost[places[number]] += paid
            baseline[places[number]] += one.baseline_cost_usd
    models = [
        ModelCounts(provider=name.provider, model=name.model, decisions=row, total=sum(row))
        for name, row in counts.items()
    ]
    return DecisionHistory(
        window=recent.window,
        read=len(found),
        truncated=recent.truncated,
        step_s=step,
        times=[second_text(number * step) for number in places],
        models=sorted(models, key=lambda one: (-one.total, one.provider, one.model)),
        cost_usd=[round(one, 9) for one in cost],
        baseline_cost_usd=[round(one, 9) for one in baseline],
    )


async def try_prompt(deps: Deps, caller: Caller, prompt: str) -> TriedPrompt:
    """Returns where a prompt would go now, without exploring, and what else might answer it.

    Raises:
        InvalidInput: no model is configured.
    """
    view = await current_view(deps, caller.workspace)
    tokens = Tokens(estimate_tokens(prompt), deps.options.expected_output_tokens)
    command = RouteRequest(prompt=prompt, critical=True)
    decided = choose(deps, view, command, prompt, tokens)
    chosen = ModelId(decided.choice.provider, decided.choice.model)
    return TriedPrompt(
        pattern=decided.pattern,
        told_by=decided.told_by,
        complexity=decided.complexity,
        model=chosen,
        confidence=decided.choice.confidence,
        reason=decided.choice.reason,
        input_tokens=tokens.input,
        estimated_cost_usd=decided.allowed.cost_usd(chosen, tokens),
        baseline_cost_usd=decided.allowed.cost_usd(decided.baseline, tokens),
        exploration_rate=deps.options.learning.exploration_rate if view.settings.exploring else 0.0,
        snapshot_id=view.snapshot_id,
        candidates=_candidates(deps, decided, chosen, tokens),
    )


def _candidates(
    deps: Deps, decided: Decided, chosen: ModelId, tokens: Tokens
) -> list[TriedCandidate]:
    view, allowed = decided.view, decided.allowed
    row = view.policy.by_pattern.get(decided.pattern)
    shown = explained_row(row, view.snapshot).ranking if row and view.snapshot else ()
    figures = {one.id: one for one in shown}
    rate = deps.options.learning.exploration_rate if view.settings.exploring else 0.0
    real = odds_for(view, allowed, decided.pattern, decided.cell, tokens, rate)
    chances = dict(zip(real.models, real.propensities, strict=True))
    found = [
        TriedCandidate(
            model=model,
            estimated_cost_usd=allowed.cost_usd(model, tokens),
            propensity=chances[model],
            chosen=model == chosen,
            figures=figures.get(model),
        )
        for model in allowed.models
    ]
    ranks = {model: place for place, model in enumerate(figures)}
    return sorted(found, key=lambda one: (not one.chosen, ranks.get(one.model, len(ranks))))
