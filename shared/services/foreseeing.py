"""What the current and the proposed policy would have earned on the logged traffic.

Both are taken as they would decide now: with the workspace's preference and today's prices, and
without exploring. Reads nothing but what the caller has at hand.
"""

from collections import defaultdict
from collections.abc import Mapping

from shared.domain.access import WorkspaceSettings
from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import Best, best
from shared.domain.learning.explain_serving import Serving
from shared.domain.learning.offpolicy import Chooser, compare
from shared.domain.learning.offpolicy_figures import OffPolicy
from shared.domain.learning.preference import Preference
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.state import LearningState
from shared.domain.models import Price


def serving_of(
    state: LearningState,
    *,
    settings: WorkspaceSettings,
    prices: Mapping[ModelId, Price],
    expected_output_tokens: int,
) -> Serving:
    """Returns how policies are served in a workspace.

    A request of unknown length counts as one of the pattern's mean length.

    Args:
        state: the sums of the evidence.
        settings: the workspace's preference.
        prices: those of the catalogue.
        expected_output_tokens: length of the answers of a model that has given none.
    """
    preference = Preference(settings.answer_worth_usd, settings.quality_floor)
    lengths, models = _input_tokens(state), _models(state, prices)
    catalogue = tuple(prices)

    def decided(policy: RoutingPolicy, pattern: str, cell: str) -> Best | None:
        candidates = models.get(pattern, catalogue)
        if not candidates or (not policy.choice(pattern) and not prices):
            return None
        costs = {}
        for model, price in prices.items() if preference.asks else ():
            answer = policy.belief(pattern, cell, model).output_tokens
            length = expected_output_tokens if answer is None else round(answer)
            costs[model] = price.cost_usd(round(lengths.get(pattern, 0.0)), length)
        return best(policy, pattern, candidates, cell=cell, preference=preference, costs=costs)

    return Serving(preference, decided, frozenset(prices))


def foresee(
    state: LearningState,
    current: RoutingPolicy,
    proposed: RoutingPolicy,
    *,
    config: LearningConfig,
    serving: Serving,
) -> OffPolicy:
    """Returns the estimates of both policies and of their difference.

    Args:
        state: the sums of the evidence.
        current: what is served now.
        proposed: what the run would make current.
        config: when the log says enough.
        serving: how policies decide.
    """

    def chooser(policy: RoutingPolicy) -> Chooser:
        def choose(pattern: str, cell: str) -> ModelId | None:
            found = serving.best(policy, pattern, cell)
            return found and found.greedy

        return choose

    return compare(state, chooser(current), chooser(proposed), config.off_policy)


def _models(
    state: LearningState, prices: Mapping[ModelId, Price]
) -> Mapping[str, tuple[ModelId, ...]]:
    """Returns the models that may answer: the catalogue's in its order, then who else did."""
    logged: dict[str, dict[ModelId, None]] = defaultdict(lambda: dict.fromkeys(prices))
    for key in sorted(state.logged):
        logged[key.pattern][ModelId(key.provider, key.model)] = None
    return {pattern: tuple(models) for pattern, models in logged.items()}


def _input_tokens(state: LearningState) -> dict[str, float]:
    """Returns the mean length of a pattern's prompts, where lengths are known."""
    sums: dict[str, tuple[int, int]] = {}
    for key, evidence in state.ratings.items():
        tokens, count = sums.get(key.pattern, (0, 0))
        figures = evidence.decayed
        sums[key.pattern] = tokens + figures.input_tokens, count + figures.tokened
    return {pattern: tokens / count for pattern, (tokens, count) in sums.items() if count > 0}
