"""Shows what `whetstone simulate` found in a workspace's own log: two tables, two plots."""

from pathlib import Path

import click

from shared.cli.plots import Series, svg
from shared.cli.running import run
from shared.domain.learning.offpolicy_figures import Estimates, Interval, PolicyEstimate
from shared.services.replaying import Replay, replay

WORTHS = tuple(0.0001 * 2.5**step for step in range(14))
"""What an answer may be worth, in US dollars: from a hundredth of a cent to about 15 dollars."""


_NAMED = 5


def replayed(workspace: str, plots: Path | None) -> None:
    """Replays the log of a workspace, prints what it says, and draws it where asked for."""
    found = run(lambda deps: replay(deps, workspace, WORTHS), workspace)
    click.echo(f"{'learned from':>14}{'served':>9}  right answers of what was learned (95 %)")
    for step in found.steps:
        served = "" if step.logged is None else f"{step.logged:9.4f}"
        click.echo(f"{step.learned_from:14,}{served:>9}  {_shown(step.estimate)}")
    click.echo(f"{'worth, USD':>14}{'$/1,000':>9}  right answers under this trade-off (95 %)")
    for one in found.frontier:
        cost = _dr(one.estimate.cost_usd)
        price = f"{cost.mean * 1000:9.3f}" if cost else ""
        click.echo(f"{one.answer_worth_usd:14.4g}{price:>9}  {_shown(one.estimate)}")
    if found.unpriced:
        names = ", ".join(map(str, found.unpriced[:_NAMED]))
        more = len(found.unpriced) - _NAMED
        click.echo(
            f"No price is known of {names}{f' and {more} more' if more > 0 else ''}: trade-offs "
            "do not tell them apart. Name them under `providers` in the settings."
        )
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        _write(plots, found)


def _dr(found: Estimates | None) -> Interval | None:
    return found.dr if found else None


def _shown(estimate: PolicyEstimate) -> str:
    right = _dr(estimate.correctness)
    if right is None:
        return estimate.refused or "no interval can be given"
    return f"{right.mean:.4f} ({right.low:.4f} to {right.high:.4f})"


def _write(plots: Path, found: Replay) -> None:
    curve = [
        (float(step.learned_from), right)
        for step in found.steps
        if (right := _dr(step.estimate.correctness))
    ]
    trade = sorted(
        (cost.mean * 1000, right)
        for one in found.frontier
        if (right := _dr(one.estimate.correctness)) and (cost := _dr(one.estimate.cost_usd))
    )
    names = {
        "learning_curve": ("Right answers on the next slice of the log", "ratings learned from"),
        "own_frontier": ("Estimated cost and correctness", "USD per 1,000 requests"),
    }
    for (name, (title, x_label)), dots in zip(names.items(), (curve, trade), strict=True):
        if not dots:
            click.echo(f"{name}: nothing to draw, the log supports no estimate")
            continue
        series = [
            Series("estimate", [(x, one.mean) for x, one in dots]),
            Series("95 %, low", [(x, one.low) for x, one in dots]),
            Series("95 %, high", [(x, one.high) for x, one in dots]),
        ]
        (plots / f"{name}.svg").write_text(svg(title, x_label, "correct", series))
        click.echo(f"wrote {plots / name}.svg")
