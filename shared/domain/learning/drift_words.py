"""Where a model stands and how it has changed, in sentences for people who know no statistics."""

from shared.domain.learning.changes import DriftChange, DriftGroup, Withdrawal
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import FALLS, Figures, evidence
from shared.domain.learning.spelling import in_100, in_ratings
from shared.domain.times import day_text


def told(group: DriftGroup, config: DriftConfig) -> str:
    """Returns where a group stands, in a sentence, and in another what was taken back last."""
    stands = _stands(group, config)
    return f"{stands} {told_withdrawal(group.withdrawn)}" if group.withdrawn else stands


def _stands(group: DriftGroup, config: DriftConfig) -> str:
    who = f"{group.provider}/{group.model} on {group.pattern}"
    if group.fallen_from is not None:
        was = shown(group.fallen_from)
        return f"{who} fell from {was} and has not recovered: {shown(group.now)} since."
    match group.status:
        case "unproven":
            earned = FALLS * evidence(group.watch.falls)
            return (
                f"{who} looks worse, {shown(group.after)} after {shown(group.before)}, "
                f"but that is not proven: chance alone may look like this once in {earned:,.0f} "
                f"ratings, and a change is told from once in {1 / config.false_alarm_rate:,.0f}."
            )
        case "risen":
            return f"{who} is better than it was: {shown(group.now)} since the change."
        case "new":
            return f"{who} has too few ratings to fall from anything: {shown(group.now)}."
        case _:
            return f"{who} looks as it did: {shown(group.now)}."


def told_change(change: DriftChange) -> str:
    """Returns a change in a sentence, and in another that it was taken back, if it was."""
    verb = "fell" if change.direction == "fall" else "rose"
    proven = (
        f"{change.provider}/{change.model} on {change.pattern} {verb} from "
        f"{shown(change.before)} to {shown(change.after)}; while nothing changes this comes up at "
        f"most once in {change.needed:,.0f} ratings."
    )
    return f"{proven} {told_withdrawal(change.withdrawn)}" if change.withdrawn else proven


def told_withdrawal(found: Withdrawal) -> str:
    """Returns in a sentence that a change was taken back, and why."""
    what = f"The {found.direction} of {day_text(found.day)} was taken back on {day_text(found.on)}"
    if found.left == 0:
        return f"{what}, as all {in_ratings(found.of)} that proved it were taken back."
    gone = found.of - found.left
    if gone == 0:
        return (
            f"{what}, as what it was held against has changed: the {in_ratings(found.of)} that "
            "proved it do not differ from that, with all that came since."
        )
    were = "was" if gone == 1 else "were"
    return (
        f"{what}, as {gone:,} of the {in_ratings(found.of)} that proved it {were} taken back, and "
        "what is left does not show it, with all that came since."
    )


def shown(seen: Figures) -> str:
    """Returns ratings as people read them: their score, half right answers and half ratings."""
    if seen.n == 0:
        return "no rating"
    return f"a score of {in_100(seen.value)} of 100 ({in_ratings(seen.n)})"
