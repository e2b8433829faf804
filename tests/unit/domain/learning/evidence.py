"""Makes sums of evidence for the tests of this folder, from single rows as the log has them."""

from collections.abc import Iterable, Sequence

from shared.domain.learning.bundles import NO_BUNDLE
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.state import SECONDS_PER_DAY, LearningState, fold
from shared.domain.learning.sums import (
    FULL_STANDING,
    MAX_COST,
    OutcomeSums,
    QualitySums,
    RatingSums,
    inverse_weight,
)

DAY = 20700


def rating(
    pattern: str = "code",
    model: str = "m",
    *,
    provider: str = "p",
    day: int = DAY,
    quality: int = 5,
    correct: int = 1,
    cost_nanousd: int | None = 1_000_000,
    times: int = 1,
    sign: int = 1,
    cell: str = "",
    propensity: float = 0.0,
    output_tokens: int | None = None,
    standing: int = FULL_STANDING,
    epoch: int = 0,
    bundle: int = NO_BUNDLE,
) -> RatingSums:
    """Returns the sums of `times` equal ratings; without a propensity they carry no weight."""
    n = sign * times
    w, cost = inverse_weight(propensity), min(cost_nanousd or 0, MAX_COST)
    weighted = n if w else 0
    return RatingSums(
        pattern=pattern,
        provider=provider,
        model=model,
        cell=cell,
        day=day,
        n=n,
        quality=n * quality,
        quality_squared=n * quality**2,
        correct=n * correct,
        cost_nanousd=n * (cost_nanousd or 0),
        costed=0 if cost_nanousd is None else n,
        latency_ms=n * 500,
        timed=n,
        input_tokens=0 if output_tokens is None else n * 100,
        output_tokens=n * (output_tokens or 0),
        tokened=0 if output_tokens is None else n,
        weighted=weighted,
        weight=n * w,
        w_quality=n * w * quality,
        w_correct=n * w * correct,
        w_cost=n * w * cost,
        w_costed=0 if cost_nanousd is None else n * w,
        standing=standing,
        epoch=epoch,
        bundle=bundle,
    )


def outcome(
    agent: str = "a",
    kind: str = "t",
    *,
    points: int = 2,
    completed: int = 1,
    day: int = DAY,
    offset: int = 100,
    quality: int = 800,
    timely: int = 1,
    agreed: int = 0,
    confident: int = 0,
    confidence_millis: int = 700,
    evaluator: str = "ann",
    ease: int = 0,
    times: int = 1,
) -> OutcomeSums:
    """Returns the sums of `times` equal outcomes; one not completed counts as attempted only."""
    done = times * completed
    earned = day * SECONDS_PER_DAY + offset if done and points else 0
    return OutcomeSums(
        agent_id=agent,
        recommendation_type=kind,
        agreed=agreed,
        confident=confident,
        band=min(confidence_millis // 100, 9),
        evaluator=evaluator,
        day=day,
        attempted=times,
        completed=done,
        points=done * points,
        points_squared=done * points**2,
        quality=done * quality,
        quality_squared=done * quality**2,
        timely=done * timely,
        confidence_millis=done * confidence_millis,
        ease=done * ease,
        offset=done * offset,
        offset_squared=done * offset**2,
        offset_points=done * offset * points,
        first_second=earned,
        last_second=earned,
    )


def quality_of(scores: Sequence[int], snapshot_id: str = "snap_1") -> QualitySums:
    """Returns the sums of ratings with these scores; those of 4 and above were correct."""
    return QualitySums(
        snapshot_id=snapshot_id,
        n=len(scores),
        quality=sum(scores),
        quality_squared=sum(score**2 for score in scores),
        correct=sum(score >= 4 for score in scores),
    )


def state_of(
    *,
    ratings: Iterable[RatingSums] = (),
    outcomes: Iterable[OutcomeSums] = (),
    config: LearningConfig | None = None,
) -> LearningState:
    """Returns the state after this evidence and no other."""
    start = LearningState.empty(config or LearningConfig())
    return fold(start, ratings=ratings, outcomes=outcomes)
