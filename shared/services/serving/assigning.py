"""Which arm of a trial a request takes part in, and with what probability its model was chosen.

A session (else the request) falls at a fixed place of the trial, by a keyed hash, so that people
see one policy as long as the trial runs. Who takes part does not depend on the arm, or the arms
would not be alike: never a critical request, and none that may not go to every arm's model.

Invariant: the propensity that is logged is the probability over the assignment too, the mixture
over all arms. A later run does not know which arm a request would have been in under another key,
and weighing by one arm's probability alone would count what only the other arm chooses many times.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.learning.config import ModelId
from shared.domain.learning.decision import Choice, Odds
from shared.domain.learning.trials import Arm, arm_at, position
from shared.services.serving.candidates import Allowed
from shared.services.serving.current import ServedArm, View

OddsOf = Callable[[View], Odds]
"""How the request is decided under a view."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What decides a request: a view, and the arm where the request takes part in a trial."""

    view: View
    odds: Odds
    trial_id: str | None = None
    arm: str | None = None
    by_chance: Callable[[ModelId], float] | None = None

    def draw(self, u: float) -> Choice:
        """Returns the choice, with its propensity over the arms; `u` is uniform in [0, 1)."""
        choice = self.odds.draw(u)
        if self.by_chance is None:
            return choice
        propensity = min(1.0, self.by_chance(ModelId(choice.provider, choice.model)))
        return choice._replace(propensity=propensity)


def assigned(
    view: View, allowed: Allowed, unit: str, odds_of: OddsOf, *, critical: bool
) -> Assigned:
    """Returns what decides a request.

    Args:
        view: what is current, with the trial that runs.
        allowed: the models that may answer.
        unit: what stays in its arm: the session, else the request.
        odds_of: how the request is decided under a view.
        critical: such requests take part in nothing.
    """
    trial = view.trial
    if trial is None or critical or not _open_to_all(trial.arms, allowed):
        return Assigned(view, odds_of(view))
    arm = arm_at([one.arm for one in trial.arms], position(trial.key, unit))
    outside = max(0.0, 1 - sum(one.arm.share for one in trial.arms))

    def by_chance(model: ModelId) -> float:
        inside = sum(one.arm.share * _probability(_odds(one, odds_of), model) for one in trial.arms)
        return inside + (outside * _probability(odds_of(view), model) if outside > 0 else 0.0)

    if arm is None:
        return Assigned(view, odds_of(view), by_chance=by_chance)
    served = next(one for one in trial.arms if one.arm.name == arm.name)
    return Assigned(served.view, _odds(served, odds_of), trial.id, arm.name, by_chance)


def _open_to_all(arms: tuple[ServedArm, ...], allowed: Allowed) -> bool:
    return all(one.model is None or one.model in allowed.models for one in arms)


def _odds(served: ServedArm, odds_of: OddsOf) -> Odds:
    if served.model is None:
        return odds_of(served.view)
    return Odds((served.model,), (1.0,), _told(served.arm), {})


def _told(arm: Arm) -> str:
    return f"The arm {arm.name} of an experiment: all its requests go to this model."


def _probability(odds: Odds, model: ModelId) -> float:
    return next(
        (odds.propensities[place] for place, one in enumerate(odds.models) if one == model), 0.0
    )
