"""Reads data sets of full outcomes: a folder with models.csv, train.csv.gz and test.csv.gz."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

from shared.domain.learning.config import ModelId
from shared.domain.learning.simulation import Task, World
from shared.domain.models import Price
from shared.errors import InvalidInput


def read_world(folder: Path) -> World:
    """Returns the data set of a folder.

    models.csv: provider, model, usd_per_m_input, usd_per_m_output. The tasks: category, in_tokens,
    correct (a digit a model), out_tokens (a number a model), prompt.

    Raises:
        InvalidInput: a file is missing, or a row does not fit.
    """
    try:
        with (folder / "models.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        models = tuple(ModelId(row["provider"], row["model"]) for row in rows)
        prices = tuple(
            Price(float(row["usd_per_m_input"]), float(row["usd_per_m_output"])) for row in rows
        )
        train, test = (
            tuple(_tasks(folder / f"{part}.csv.gz", prices)) for part in ("train", "test")
        )
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput(f"{folder} is no data set: {error}") from error
    return World(models, prices, train, test)


def _tasks(path: Path, prices: tuple[Price, ...]) -> Iterator[Task]:
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            asked = int(row["in_tokens"])
            answered = tuple(int(number) for number in row["out_tokens"].split())
            correct = tuple(int(digit) for digit in row["correct"])
            costs = tuple(
                price.cost_usd(asked, length)
                for price, length in zip(prices, answered, strict=True)
            )
            yield Task(row["category"], row["prompt"], asked, correct, answered, costs)
