"""What every part of the report shares: how it is called, and how figures over seeds are shown."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.domain.learning.stats import t_quantile

HERE = Path(__file__).resolve().parent
PRO, TWO = HERE.parent.parent / "demo" / "data", HERE / "data" / "mmlu_2models"


class Options(NamedTuple):
    """How a part is to be run: `seeds` of the plays, `replications` of simulated logs."""

    seeds: int
    replications: int
    out: Path
    """Where plots are written."""


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Returns the mean and the half width of its 95 % interval over the seeds, by Student's t."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {t_quantile(0.975, len(values) - 1) * error:.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body]
