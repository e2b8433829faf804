"""What learning remembers of the evidence: a few exact sums per group, nothing per day or row.

The loop's fold: state' = fold(state, sums of the new evidence). Addition of whole numbers is
associative and commutative, so neither the batches nor their order leave a trace, and a state
rebuilt from the log is equal byte for byte. A take-back row (sign -1) repeats the day and figures
of the row it takes back, so the two cancel exactly in the decayed sums too, and a group that comes
to nothing vanishes. A rating of less than full standing counts once in the raw sums, and with a
part of its day's weight in the decayed ones. Changes of models are evidence too: the log of them is
folded in as far as it was read, and tells what older ratings still count (see epochs).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import add
from typing import TypeVar

from shared.domain.learning.adding import added
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.decay import rating_weight, weight
from shared.domain.learning.epochs import Changed, Name, faded, faded_logged, fading, proof
from shared.domain.learning.figures import (
    Evidence,
    F,
    Logged,
    LoggedFigures,
    OutcomeFigures,
    OutcomeKey,
    QualityFigures,
    RatingFigures,
    RatingKey,
    SquaredWeights,
)
from shared.domain.learning.labels import Labelled, LabelSums, learned
from shared.domain.learning.sums import OutcomeSums, QualitySums, RatingSums

SECONDS_PER_DAY = 86400


@dataclass(frozen=True, slots=True)
class LearningState:
    """The sums of all evidence up to the watermarks.

    `last_day` is the newest day that evidence was seen of, None before any. Groups may stand below
    zero between a take-back and the row it takes back; readers pass over those. `changes` has what
    stands of those of each model in a pattern, up to `changes_watermark`; what came before the last
    one counts as `keep` ratings at most.
    """

    half_life_days: float
    keep: float = 0.0
    ratings_watermark: int = 0
    outcomes_watermark: int = 0
    changes_watermark: int = 0
    labels_watermark: int = 0
    last_day: int | None = None
    ratings: Mapping[RatingKey, Evidence[RatingFigures]] = field(default_factory=dict)
    logged: Mapping[RatingKey, Logged] = field(default_factory=dict)
    outcomes: Mapping[OutcomeKey, Evidence[OutcomeFigures]] = field(default_factory=dict)
    quality: Mapping[str, QualityFigures] = field(default_factory=dict)
    changes: Mapping[Name, Changed] = field(default_factory=dict)
    labels: LabelSums = field(default_factory=LabelSums)

    @classmethod
    def empty(cls, config: LearningConfig) -> "LearningState":
        """Returns the state before any evidence."""
        return cls(half_life_days=float(config.half_life_days), keep=float(config.drift.keep))

    def fits(self, config: LearningConfig) -> bool:
        """Returns whether the sums were made under `config`; if not, fold from the log's start."""
        return (self.half_life_days, self.keep) == (config.half_life_days, config.drift.keep)


def fold(
    state: LearningState,
    *,
    ratings: Iterable[RatingSums] = (),
    outcomes: Iterable[OutcomeSums] = (),
    quality: Iterable[QualitySums] = (),
    changes: Iterable[tuple[Name, Changed]] = (),
    ratings_watermark: int = 0,
    outcomes_watermark: int = 0,
) -> LearningState:
    """Returns the state with the sums of further evidence added; `state` stays as it was.

    The caller sees to it that each row is folded once: the sums are of the rows in (old watermark,
    new watermark].

    Args:
        state: what was folded before.
        ratings: sums of the new ratings, any order, any number of rows a group and day.
        outcomes: sums of the new outcomes.
        quality: sums of the new ratings by snapshot.
        changes: what stands of the changes of models, from a place on each, in that order; those
            that the state has read already are passed over.
        ratings_watermark: position of the last rating covered; one below the state's is passed
            over.
        outcomes_watermark: likewise for outcomes.
    """
    half_life, days = state.half_life_days, set[int]()
    if state.last_day is not None:
        days.add(state.last_day)
    by_model, by_agent, by_snapshot = dict(state.ratings), dict(state.outcomes), dict(state.quality)
    logged = dict(state.logged)
    new, newest = added(ratings, half_life)
    for key, sums in new.items():
        _put(by_model, key, sums.evidence)
        _put_logged(logged, key, sums.logged)
    if new:
        days.add(newest)
    for outcome in outcomes:
        days.add(outcome.day)
        group = _outcome_key(outcome)
        _put(by_agent, group, _outcome_evidence(outcome, weight(outcome.day, half_life)))
    for one in quality:
        _put_quality(by_snapshot, one)
    known = dict(state.changes)
    fresh = [one for one in changes if one[1].place > state.changes_watermark]
    known.update(fresh)
    return LearningState(
        half_life_days=half_life,
        keep=state.keep,
        ratings_watermark=max(state.ratings_watermark, ratings_watermark),
        outcomes_watermark=max(state.outcomes_watermark, outcomes_watermark),
        changes_watermark=fresh[-1][1].place if fresh else state.changes_watermark,
        labels_watermark=state.labels_watermark,
        last_day=max(days, default=None),
        ratings=by_model,
        logged=logged,
        outcomes=by_agent,
        quality=by_snapshot,
        changes=known,
        labels=state.labels,
    )


def fold_labels(state: LearningState, rows: Sequence[tuple[int, Labelled]]) -> LearningState:
    """Returns the state with the next labelled prompts learned from; `state` stays as it was.

    Args:
        state: what was folded before.
        rows: those behind the state's place, with their places, in order. What does not fill a
            block is left for the next time.
    """
    labels, taken = learned(state.labels, [row for _, row in rows])
    if not taken:
        return state
    return replace(state, labels=labels, labels_watermark=rows[taken - 1][0])


def _outcome_evidence(sums: OutcomeSums, w: int) -> Evidence[OutcomeFigures]:
    start = sums.day * SECONDS_PER_DAY
    raw = OutcomeFigures(
        sums.attempted,
        sums.completed,
        sums.points,
        sums.points_squared,
        sums.quality,
        sums.quality_squared,
        sums.timely,
        sums.confidence_millis,
        start * sums.completed + sums.offset,
        start * start * sums.completed + 2 * start * sums.offset + sums.offset_squared,
        start * sums.points + sums.offset_points,
        sums.ease,
    )
    ww = w * w
    squares = SquaredWeights(
        ww * raw.attempted, ww * raw.completed, ww * raw.time, ww * raw.time_squared
    )
    decayed = OutcomeFigures._make([w * figure for figure in raw])
    return Evidence(raw, decayed, squares, sums.first_second, sums.last_second)


def _outcome_key(sums: OutcomeSums) -> OutcomeKey:
    return OutcomeKey._make(getattr(sums, name) for name in OutcomeKey._fields)


V = TypeVar("V", RatingFigures, LoggedFigures, OutcomeFigures, SquaredWeights, QualityFigures)


def _plus(one: V, other: V) -> V:
    return type(one)._make(map(add, one, other))


def combine(one: Evidence[F], other: Evidence[F]) -> Evidence[F]:
    """Returns the sums over both; also merges groups for reading (all of an agent, of a type)."""
    firsts = [second for second in (one.first_second, other.first_second) if second]
    return Evidence(
        _plus(one.raw, other.raw),
        _plus(one.decayed, other.decayed),
        _plus(one.squares, other.squares),
        min(firsts, default=0),
        max(one.last_second, other.last_second),
    )


K = TypeVar("K")


def _put(groups: dict[K, Evidence[F]], key: K, new: Evidence[F]) -> None:
    old = groups.get(key)
    merged = new if old is None else combine(old, new)
    groups[key] = merged
    if merged.is_nothing:
        del groups[key]


def _put_quality(by_snapshot: dict[str, QualityFigures], new: QualitySums) -> None:
    total = QualityFigures(new.n, new.quality, new.quality_squared, new.correct)
    merged = _plus(by_snapshot.get(new.snapshot_id, QualityFigures()), total)
    by_snapshot[new.snapshot_id] = merged
    if not any(merged):
        del by_snapshot[new.snapshot_id]


def _put_logged(logged: dict[RatingKey, Logged], key: RatingKey, new: Logged) -> None:
    old = logged.get(key)
    merged = new if old is None else _both(old, new)
    logged[key] = merged
    if not (any(merged.whole) or merged.bundles):
        del logged[key]


def _both(one: Logged, other: Logged) -> Logged:
    """Returns the sums over both; a bundle that comes to nothing vanishes, as groups do."""
    bundles = dict(one.bundles)
    for bundle, figures in other.bundles.items():
        merged = _plus(bundles.get(bundle, LoggedFigures()), figures)
        bundles[bundle] = merged
        if not any(merged):
            del bundles[bundle]
    return Logged(_plus(one.whole, other.whole), bundles)


def pooled(state: LearningState) -> dict[RatingKey, Evidence[RatingFigures]]:
    """Returns the ratings by (pattern, provider, model): all neighbourhoods and epochs together."""
    groups: dict[RatingKey, Evidence[RatingFigures]] = {}
    for key, evidence in without_epochs(state).ratings.items():
        place = key._replace(cell="") if key.cell else key
        known = groups.get(place)
        groups[place] = evidence if known is None else combine(known, evidence)
    return groups


def without_epochs(state: LearningState) -> LearningState:
    """Returns the state as readers take it: what was before a change counts little, by group.

    The ratings that proved a change stand beside it, as they were decided on before it was known.
    """
    if not state.changes and not any(key.epoch for key in chain(state.ratings, state.logged)):
        return state
    days = state.half_life_days
    unit = rating_weight(state.last_day or 0, days)
    old = fading(state.ratings, state.changes, unit, state.keep)
    ratings: dict[RatingKey, Evidence[RatingFigures]] = {}
    for key, evidence in state.ratings.items():
        share = old.of(key)
        _put(ratings, key._replace(epoch=0), faded(evidence, share) if share else evidence)
    rated = {key[:3] for key in ratings}
    for name, changed in state.changes.items():
        if changed.since and name in rated:
            _put(ratings, RatingKey(*name), proof(changed, rating_weight(changed.day, days)))
    logged: dict[RatingKey, Logged] = {}
    for key, sums in state.logged.items():
        share = old.of(key)
        _put_logged(logged, key._replace(epoch=0), faded_logged(sums, share) if share else sums)
    return replace(state, ratings=ratings, logged=logged, changes={})
