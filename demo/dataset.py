"""The real data that the demo plays: see demo/data/README.md for its sources and licences."""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "data"

FLAGSHIP = ("google", "gemini-1.5-pro-002")
"""What an operator without evidence would take; the demo's first candidate."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its list price in US dollars per million tokens."""

    provider: str
    name: str
    usd_per_m_input: float
    usd_per_m_output: float

    @property
    def id(self) -> tuple[str, str]:
        """Provider and name."""
        return self.provider, self.name


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with what each model made of it, in the order of the models.

    Lengths in tokens, costs in US dollars.
    """

    prompt_id: str
    category: str
    text: str
    correct: tuple[bool, ...]
    out_tokens: tuple[int, ...]
    cost_usd: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Abstract:
    """A paper's abstract; `cited` says that one of the claims rests on it."""

    abstract_id: str
    title: str
    text: str
    cited: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and the one abstract that it cites."""

    claim_id: str
    abstract_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's true species and what each agent said of it."""

    item: str
    truth: str
    labels: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything; the flagship is the first model."""

    models: Sequence[Model]
    train: Sequence[Prompt]
    test: Sequence[Prompt]
    abstracts: Sequence[Abstract]
    claims: Sequence[Claim]
    pictures: Sequence[Picture]

    def place(self, provider: str, name: str) -> int:
        """Returns the place of a model in `models`, and so in a prompt's outcomes.

        Raises:
            ValueError: it is none of ours.
        """
        return [one.id for one in self.models].index((provider, name))


def load(folder: Path = FOLDER) -> Dataset:
    """Returns the data of a folder."""
    listed = [
        Model(
            row["provider"],
            row["model"],
            float(row["usd_per_m_input"]),
            float(row["usd_per_m_output"]),
        )
        for row in _rows(folder / "models.csv")
    ]
    order = sorted(range(len(listed)), key=lambda place: listed[place].id != FLAGSHIP)
    models = [listed[place] for place in order]
    return Dataset(
        models=models,
        train=list(_prompts(folder / "train.csv.gz", models, order)),
        test=list(_prompts(folder / "test.csv.gz", models, order)),
        abstracts=list(_abstracts(folder / "abstracts.jsonl.gz")),
        claims=[
            Claim(row["claim_id"], row["abstract_id"], row["claim"])
            for row in _rows(folder / "claims.csv")
        ],
        pictures=[
            Picture(row["item"], row["truth"], row["labels"])
            for row in _rows(folder / "bluebird.csv")
        ],
    )


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def _rows(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(_text(path).splitlines(keepends=True))


def _prompts(path: Path, models: Sequence[Model], order: Sequence[int]) -> Iterator[Prompt]:
    for row in _rows(path):
        in_tokens = int(row["in_tokens"])
        lengths = [int(one) for one in row["out_tokens"].split()]
        out_tokens = tuple(lengths[place] for place in order)
        yield Prompt(
            prompt_id=row["prompt_id"],
            category=row["category"],
            text=row["prompt"],
            correct=tuple(row["correct"][place] == "1" for place in order),
            out_tokens=out_tokens,
            cost_usd=tuple(
                (in_tokens * one.usd_per_m_input + length * one.usd_per_m_output) / 1e6
                for one, length in zip(models, out_tokens, strict=True)
            ),
        )


def _abstracts(path: Path) -> Iterator[Abstract]:
    for line in _text(path).splitlines():
        row = json.loads(line)
        yield Abstract(row["id"], row["title"], row["text"], row["cited"])
