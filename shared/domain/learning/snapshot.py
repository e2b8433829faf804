"""A snapshot: everything that one run learned, as one immutable document with one spelling.

Promise 5 of the design: a snapshot is a function of (evidence up to the watermarks, configuration),
so the one rebuilt from the log has the same bytes, and the same id.
"""

import hashlib
from functools import cached_property

from pydantic import ValidationError

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.labels import NOTHING, Telling, build_telling
from shared.domain.learning.patterns import PatternCard, build_patterns, retired_patterns
from shared.domain.learning.routing import RoutingPolicy, build_policy
from shared.domain.learning.state import LearningState, pooled
from shared.domain.learning.trust import ALL_TYPES, TrustCard, build_cards, neutral
from shared.domain.times import day_text
from shared.errors import CorruptData

SCHEMA_VERSION = 1
ID_PREFIX = "snap_"
_ID_DIGITS = 20


class Totals(Learned):
    """How much evidence stands behind a snapshot: rows as they are now, not decayed."""

    ratings: int
    mean_quality: Figure | None
    correctness: Figure | None
    groups: int
    recommendations: int
    completed: int
    approval_rate: Figure | None
    agents: int


class ChangedModel(Learned):
    """A model that has changed in a pattern: how often, and when last (YYYY-MM-DD).

    `day` is None where no change stands any more, `withdrawn` the day on which the newest one fell
    with its proof, None where it stands.
    """

    pattern: str
    provider: str
    model: str
    epoch: int
    day: str | None
    withdrawn: str | None = None


class Snapshot(Learned):
    """What a run learned; `retired` are the patterns that held once and no longer do.

    `as_of` is the day of the newest evidence (YYYY-MM-DD), None before any. `changed` are the
    models of which older ratings count little, as the log of changes says up to its watermark.
    """

    schema_version: int = SCHEMA_VERSION
    config: LearningConfig
    ratings_watermark: int
    outcomes_watermark: int
    changes_watermark: int = 0
    labels_watermark: int = 0
    as_of: str | None
    policy: RoutingPolicy
    trust: tuple[TrustCard, ...]
    patterns: tuple[PatternCard, ...]
    retired: tuple[PatternCard, ...] = ()
    totals: Totals
    changed: tuple[ChangedModel, ...] = ()
    telling: Telling = NOTHING

    @cached_property
    def epochs(self) -> dict[tuple[str, str, str], int]:
        """How many changes are known, by pattern, provider and model; 0 is left out.

        Those that were withdrawn are counted, so that what is decided now is old after the next.
        """
        return {(one.pattern, one.provider, one.model): one.epoch for one in self.changed}

    def card(self, agent_id: str, recommendation_type: str = ALL_TYPES) -> TrustCard:
        """Returns an agent's card for a type.

        Where it has none there, its overall one; where it is unknown, a neutral one.
        Looks through all cards: who asks often keeps a dictionary.
        """
        cards = {one.recommendation_type: one for one in self.trust if one.agent_id == agent_id}
        return cards.get(recommendation_type) or cards.get(ALL_TYPES) or neutral(agent_id)


def build_snapshot(state: LearningState, config: LearningConfig) -> Snapshot:
    """Returns what the evidence in `state` supports under `config`.

    Raises:
        ValueError: the sums were made under another half-life; fold the evidence anew first.
    """
    if not state.fits(config):
        msg = f"sums with half-life {state.half_life_days} d do not fit {config.half_life_days} d"
        raise ValueError(msg)
    patterns = build_patterns(state, config)
    return Snapshot(
        config=config,
        ratings_watermark=state.ratings_watermark,
        outcomes_watermark=state.outcomes_watermark,
        changes_watermark=state.changes_watermark,
        labels_watermark=state.labels_watermark,
        as_of=None if state.last_day is None else day_text(state.last_day),
        policy=build_policy(state, config),
        trust=tuple(build_cards(state, config)),
        patterns=tuple(patterns),
        retired=tuple(retired_patterns(state, config, patterns)),
        totals=_totals(state),
        changed=tuple(
            ChangedModel(
                pattern=pattern,
                provider=provider,
                model=model,
                epoch=change.epoch,
                day=day_text(change.day) if change.since else None,
                withdrawn=day_text(change.withdrawn) if change.withdrawn else None,
            )
            for (pattern, provider, model), change in sorted(state.changes.items())
        ),
        telling=build_telling(state.labels) if config.labels.learn else NOTHING,
    )


def _totals(state: LearningState) -> Totals:
    ratings = [evidence.raw for evidence in pooled(state).values()]
    outcomes = [evidence.raw for evidence in state.outcomes.values()]
    n = sum(raw.n for raw in ratings)
    completed = sum(raw.completed for raw in outcomes)
    return Totals(
        ratings=n,
        mean_quality=sum(raw.quality for raw in ratings) / n if n > 0 else None,
        correctness=sum(raw.correct for raw in ratings) / n if n > 0 else None,
        groups=len(ratings),
        recommendations=sum(raw.attempted for raw in outcomes),
        completed=completed,
        approval_rate=sum(raw.points for raw in outcomes) / (2 * completed) if completed else None,
        agents=len({key.agent_id for key in state.outcomes}),
    )


def to_bytes(snapshot: Snapshot) -> bytes:
    """Returns the one spelling: JSON without spaces, names in the order of their declaration."""
    return snapshot.model_dump_json().encode()


def snapshot_id(workspace: str, data: bytes) -> str:
    """Returns `snap_` and the first 20 hex digits of the SHA-256 over workspace and content.

    The workspace takes part, so that equal content in two workspaces is two snapshots.
    """
    return ID_PREFIX + checksum(workspace.encode() + b"\n" + data)[:_ID_DIGITS]


def checksum(data: bytes) -> str:
    """Returns the SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


def from_bytes(data: bytes, *, workspace: str, expected_id: str) -> Snapshot:
    """Returns the snapshot that `to_bytes` wrote and `expected_id` names.

    Raises:
        CorruptData: other content, other workspace, or a schema that this version does not know.
    """
    if snapshot_id(workspace, data) != expected_id:
        msg = f"the content of {expected_id} does not match its id: roll back to another snapshot"
        raise CorruptData(msg)
    try:
        snapshot = Snapshot.model_validate_json(data)
    except ValidationError as error:
        msg = f"{expected_id} is not a snapshot: {error.error_count()} fields do not fit"
        raise CorruptData(msg) from error
    if snapshot.schema_version > SCHEMA_VERSION:
        found = snapshot.schema_version
        msg = f"{expected_id} has schema {found}, this version reads {SCHEMA_VERSION}"
        raise CorruptData(msg)
    return snapshot
