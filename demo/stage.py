"""What the acts of the demo share: server, data, random numbers, the page and its facts."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress

from demo.client import Api, each
from demo.dataset import Dataset, Prompt

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")

WAIT_S = 30.0
_POLL_S = 0.1
_ROUND = re.compile(r"\.round(\d+)$")


@dataclass(slots=True)
class Stage:
    """Everything that an act needs.

    Args:
        machine: models, agents and callers.
        person: the reviewer.
        data: what is played.
        seed: of every random number.
        console: where figures are printed.
        progress: the bar below them.
        round: how often the demo was played on this server, from 1.
        facts: every figure, for the summary and for `--json`.
    """

    machine: Api
    person: Api
    data: Dataset
    seed: int
    console: Console
    progress: Progress
    round: int = 1
    facts: Json = field(default_factory=dict)

    def rng(self, purpose: str) -> random.Random:
        """Returns random numbers of their own for each purpose."""
        return random.Random(f"{self.seed}:{purpose}")

    def pattern(self, prompt: Prompt) -> str:
        """Returns the pattern that the demo gives a prompt: its subject, new in each round."""
        return prompt.category if self.round == 1 else f"{prompt.category}.round{self.round}"

    def key(self, what: str) -> str:
        """Returns an Idempotency-Key of this round."""
        return f"demo-{self.seed}-{self.round}-{what}"

    def heading(self, text: str) -> None:
        """Starts an act on the page."""
        self.console.print()
        self.console.rule(f"[bold]{text}", align="left")

    def say(self, text: str) -> None:
        """Prints a line."""
        self.console.print(text, highlight=False)

    async def each(
        self, what: str, items: Iterable[T], work: Callable[[T], Awaitable[R]]
    ) -> list[R]:
        """Returns the results of `work` in the order of the items, with a bar of their own."""
        todo = list(items)
        task = self.progress.add_task(what, total=len(todo))
        try:
            return await each(todo, work, lambda: self.progress.advance(task))
        finally:
            self.progress.remove_task(task)


def round_after(patterns: Iterable[str]) -> int:
    """Returns the number of the next round on a server that has ratings of these patterns."""
    found = [_ROUND.search(name) for name in patterns]
    return 1 + max((int(one[1]) if one else 1 for one in found), default=0)


async def until(what: str, ask: Callable[[], Awaitable[T | None]]) -> T:
    """Returns what `ask` answers as soon as it is not None.

    Raises:
        ClickException: it is None for half a minute.
    """
    deadline = time.monotonic() + WAIT_S
    while (answer := await ask()) is None:
        if time.monotonic() > deadline:
            raise click.ClickException(f"waited {WAIT_S:.0f} s in vain until {what}")
        await asyncio.sleep(_POLL_S)
    return answer
