"""The last page: what was learned, in one table."""

from rich.table import Table

from demo.evaluation import Scores
from demo.routing import Routed, references
from demo.stage import Stage


def print_summary(stage: Stage, before: Routed, after: Routed, took_s: float) -> None:
    stage.heading("What was learned")
    stage.console.print(_routing_table(stage, before, after))
    stage.console.print(_facts_table(stage, took_s))


def _routing_table(stage: Stage, before: Routed, after: Routed) -> Table:
    table = Table(title=f"Routing of {len(stage.data.test):,} prompts that were not learned from")
    table.add_column("policy")
    table.add_column("right", justify="right")
    table.add_column("USD per 1,000", justify="right")
    table.add_row("before learning", *_cells(before.scores))
    table.add_row("[bold]after learning", *_cells(after.scores))
    table.add_section()
    for name, scores in references(stage).items():
        table.add_row(f"[dim]{name}", *_cells(scores))
    return table


def _cells(scores: Scores) -> tuple[str, str]:
    return f"{scores.accuracy:.2%}", f"{scores.usd_per_1000:.4f}"


def _facts_table(stage: Stage, took_s: float) -> Table:
    facts = stage.facts
    entries, trust = facts["entries"], facts["trust"]
    accuracy = [100 * one for one in facts["difference"]["accuracy"]]
    cost = facts["difference"]["usd_per_1000"]
    rollback = facts["rollback"]
    rows = {
        "entries": f"{entries['submitted']} submitted, {entries['known']} known before, "
        f"{entries['approve']} approved, {entries['reject']} rejected, "
        f"{entries['request_revision']} revised",
        "search": f"recall@3 {facts['search']['recall_at_3']:.3f} "
        f"over {facts['search']['claims']} claims",
        "evidence": f"{facts['evidence']['ratings']:,} ratings",
        "accuracy": "{:+.2f} points, 95 % interval {:+.2f} to {:+.2f}".format(*accuracy),
        "cost": f"{cost[0] / before_cost(facts):+.1%}, $ {cost[0]:+.4f} per 1,000, "
        f"95 % interval {cost[1]:+.4f} to {cost[2]:+.4f}",
        "trust": f"{trust['agents']} agents, {trust['disabled']} disabled, "
        f"Spearman {trust['rho_unseen']:+.2f} with accuracy on unseen pictures",
        "patterns": f"{facts['patterns']} hold",
        "rollback": f"{rollback['same_as_before']:,} of {rollback['prompts']:,} prompts as before",
        "audit": f"{facts['audit']['checked']:,} records, "
        + ("the chain holds" if facts["audit"]["ok"] else "BROKEN"),
        "waiting": f"{facts['waiting']} entries for you to decide, on the console's page Queue",
        "time": f"{took_s:.0f} s",
    }
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, text in rows.items():
        table.add_row(f"[dim]{name}", text)
    return table


def before_cost(facts: dict[str, dict[str, float]]) -> float:
    """Returns the cost of a thousand prompts before learning."""
    return facts["before"]["usd_per_1000"]
