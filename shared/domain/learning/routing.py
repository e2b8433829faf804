"""The routing policy: which model each pattern of prompts goes to, and on what evidence.

Where the loop closes: ratings become a policy here, the policy decides requests (`decision.py`),
those are rated. The policy is a function of (state, configuration) and of nothing else; a pattern
in which no model has proved itself has no choice and stays with the default, so that without enough
evidence nothing changes.
"""

from functools import cached_property
from itertools import groupby

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.beliefs import Beliefs, build_beliefs
from shared.domain.learning.cells import Belief, Observed
from shared.domain.learning.config import LearningConfig, ModelField, ModelId
from shared.domain.learning.ranking import PatternPolicy, ranked
from shared.domain.learning.standings import observed, standing
from shared.domain.learning.state import LearningState, pooled, without_epochs


class RoutingPolicy(Learned):
    """The whole table, in order of pattern. `default_model` answers where a row has no choice.

    In the patterns of `shaken`, where a model has changed a short while ago, at least a share
    `shaken_rate` of the requests explores: what was known of the others may be old too.
    """

    default_model: ModelField | None = None
    rows: tuple[PatternPolicy, ...] = ()
    beliefs: Beliefs = Beliefs()
    boldness: Figure = 0.8
    confidence_level: Figure = 0.8
    shaken: tuple[str, ...] = ()
    shaken_rate: Figure = 0.0

    @cached_property
    def _believed(self) -> dict[tuple[str, ModelId], Belief]:
        """What was told already of groups that have ratings."""
        return {}

    @cached_property
    def by_pattern(self) -> dict[str, PatternPolicy]:
        """The rows by pattern."""
        return {row.pattern: row for row in self.rows}

    def choice(self, pattern: str) -> ModelId | None:
        """Returns where requests of a pattern go unless they explore; None without a default."""
        row = self.by_pattern.get(pattern)
        return row.choice if row and row.choice else self.default_model

    def belief(self, pattern: str, cell: str, model: ModelId) -> Belief:
        """Returns what is believed of a model in a neighbourhood of a pattern ("": in all)."""
        found = self._believed.get((pattern, model))
        if found is None:
            row = self.by_pattern.get(pattern)
            seen = row.seen.get(model) if row else None
            found = self.beliefs.of(pattern, model, seen)
            if seen is not None:
                self._believed[pattern, model] = found
        return self.beliefs.moved(found, cell, model)


def build_policy(state: LearningState, config: LearningConfig) -> RoutingPolicy:
    """Returns the policy that the evidence supports; equal inputs give equal policies."""
    rows = []
    evidence = pooled(state)
    groups: dict[tuple[str, ModelId], Observed] = {}
    for pattern, keys in groupby(sorted(evidence), key=lambda key: key.pattern):
        standings = [found for key in keys if (found := standing(key, evidence[key]))]
        if standings:
            rows.append(ranked(pattern, standings, config))
        groups.update(((pattern, found.id), observed(found)) for found in standings)
    ratings = without_epochs(state).ratings
    cells = {
        (key.pattern, key.cell, found.id): observed(found)
        for key in sorted(ratings)
        if key.cell and (found := standing(key, ratings[key])) and (key.pattern, found.id) in groups
    }
    shaken = _shaken(state, config)
    return RoutingPolicy(
        default_model=config.default_model,
        rows=tuple(rows),
        beliefs=build_beliefs(groups, cells, config.beliefs),
        boldness=config.beliefs.boldness,
        confidence_level=config.confidence_level,
        shaken=shaken,
        shaken_rate=config.drift.explore if shaken else 0.0,
    )


def _shaken(state: LearningState, config: LearningConfig) -> tuple[str, ...]:
    """Returns the patterns in which a model has changed a short while ago, by days of evidence.

    A change that was withdrawn is none.
    """
    since = (state.last_day or 0) - config.drift.new_for_days
    changes = state.changes.items()
    return tuple(sorted({name[0] for name, one in changes if one.since and one.day >= since}))
