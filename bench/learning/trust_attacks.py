"""Hostile evaluators: how far an agent's trust moves, and whether its rank among agents does.

The ten models of MMLU-Pro are the agents, each workflow is one of its questions that three of them
answer, and somebody records the outcome. The system's own modules: rows of evidence are folded, and
the trust cards built from them (`evaluators`, `trust`); ease is told by the last cards (`crowd`).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.learning.report import PRO, Options, spread, table
from shared.cli.datasets import read_world
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.crowd import ease
from shared.domain.learning.simulation import FIRST_DAY, World
from shared.domain.learning.state import SECONDS_PER_DAY, LearningState, fold
from shared.domain.learning.sums import OutcomeSums
from shared.domain.learning.trust import ALL_TYPES, build_cards

WORKFLOWS, A_RUN, ANSWERS = 1000, 100, 3
EVALUATORS = 20
SHARES = (0.05, 0.10, 0.20)

Says = Callable[[int, int, random.Random], int]
"""(right 0 or 1, 1 for the praised, -1 for the rival and 0 for others, draws) to 0 or 1."""

HABITS: Sequence[Says] = (
    lambda right, _, __: right,
    lambda right, _, draw: int(right or draw.random() < 0.25),
    lambda right, _, draw: int(right and draw.random() >= 0.15),
    lambda right, _, draw: right ^ int(draw.random() < 0.15),
)

ATTACKS: Mapping[str, Says] = {
    "praise one": lambda right, which, _: int(which > 0 or right),
    "run one down": lambda right, which, _: int(which >= 0 and right),
    "praise one, run all others down": lambda _, which, __: int(which > 0),
    "approve everything": lambda _, __, ___: 1,
    "the opposite": lambda right, _, __: 1 - right,
    "praise one, half honest": lambda right, which, draw: int(
        right or (which > 0 and draw.random() < 0.5)
    ),
}


class Trusted(NamedTuple):
    """What one play came to: each agent's score, and its rank from 1 for the most trusted."""

    scores: list[float]

    def rank(self, agent: int) -> int:
        """Returns an agent's rank."""
        return 1 + sum(one > self.scores[agent] for one in self.scores)


def one_play(world: World, attack: str, share: float, seed: int, *, told_apart: bool) -> Trusted:
    """Returns the trust after all workflows; without `told_apart` evaluators have one name."""
    praised, rival = targets(world)
    config = LearningConfig()
    state, standings = LearningState.empty(config), dict[str, float]()
    waiting: list[OutcomeSums] = []
    names = [str(model) for model in world.models]
    tasks = random.Random(seed).sample(world.train, WORKFLOWS)
    for number, task in enumerate(tasks, start=1):
        draw = random.Random(f"{seed}:{number}")
        agents = draw.sample(range(len(names)), ANSWERS)
        who, hostile = draw.randrange(EVALUATORS), draw.random() < share
        if hostile:
            who %= max(1, round(EVALUATORS * share))
        says = ATTACKS[attack] if hostile else HABITS[who % len(HABITS)]
        said = {
            agent: says(task.correct[agent], (agent == praised) - (agent == rival), draw)
            for agent in agents
        }
        evaluator = f"{'bad' if hostile else 'ok'}{who}" if told_apart else "somebody"
        for agent in agents:
            surprises = [
                said[other] - standings[names[other]]
                for other in agents
                if other != agent and names[other] in standings
            ]
            eased = ease(sum(surprises), len(surprises))
            waiting.append(row(names[agent], said[agent], evaluator, eased, number))
        if number % A_RUN == 0:
            state, waiting = fold(state, outcomes=waiting), []
            cards = build_cards(state, config)
            standings = {
                one.agent_id: one.accuracy for one in cards if one.recommendation_type != ALL_TYPES
            }
    overall = {
        one.agent_id: one.overall
        for one in build_cards(state, config)
        if one.recommendation_type == ALL_TYPES
    }
    return Trusted([overall[name] for name in names])


def targets(world: World) -> tuple[int, int]:
    """Returns who is praised, the fifth best on train, and who is run down, the best."""
    shares = [sum(column) for column in zip(*(task.correct for task in world.train), strict=True)]
    order = sorted(range(len(shares)), key=lambda place: -shares[place])
    return order[4], order[0]


def row(agent: str, right: int, evaluator: str, eased: float, number: int) -> OutcomeSums:
    """Returns the evidence that an outcome leaves, as the sums of one row."""
    points, second = 2 * right, number * SECONDS_PER_DAY // A_RUN
    offset = second % SECONDS_PER_DAY
    day = FIRST_DAY + second // SECONDS_PER_DAY
    quality = 900 if right else 300
    return OutcomeSums(
        agent_id=agent,
        recommendation_type="answer",
        agreed=0,
        confident=0,
        band=5,
        evaluator=evaluator,
        day=day,
        attempted=1,
        completed=1,
        points=points,
        points_squared=points**2,
        quality=quality,
        quality_squared=quality**2,
        timely=1,
        confidence_millis=500,
        ease=round(eased * 1000),
        offset=offset,
        offset_squared=offset**2,
        offset_points=offset * points,
        first_second=day * SECONDS_PER_DAY + offset if points else 0,
        last_second=day * SECONDS_PER_DAY + offset if points else 0,
    )


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    world = read_world(PRO)
    seeds = range(options.seeds)
    plain = {
        told: [one_play(world, "", 0.0, seed, told_apart=told) for seed in seeds]
        for told in (False, True)
    }
    rows = [_row("nobody", 0.0, plain[told], plain[False], world, told=told) for told in plain]
    for attack in ATTACKS:
        for share in SHARES:
            for told in (False, True):
                plays = [one_play(world, attack, share, seed, told_apart=told) for seed in seeds]
                rows.append(_row(attack, share, plays, plain[told], world, told=told))
    praised, rival = targets(world)
    head = ("attack", "share", "defence", "score of the praised", "moved by", "its rank")
    down = ("score of the rival", "moved by", "its rank", "others moved by")
    return [
        "# Hostile evaluators (trust of ten agents)",
        "",
        *table((*head, *down), rows),
        "",
        f"{EVALUATORS} evaluators of four habits (exact, generous, strict, noisy) record",
        f"{WORKFLOWS} outcomes of {ANSWERS} agents each, the answers of models to MMLU-Pro; a",
        f"share of them comes from hostile ones instead. Praised is {world.models[praised]}, the",
        f"rival is {world.models[rival]}. Moved: against the play of the same seed without attack",
        "(with nobody hostile: against the play without the defence). Without the defence",
        "evaluators are not told apart.",
        f"{options.seeds} seeds; ± is half of the 95 % interval of the mean.",
    ]


def _row(
    attack: str,
    share: float,
    plays: Sequence[Trusted],
    plain: Sequence[Trusted],
    world: World,
    *,
    told: bool,
) -> list[str]:
    shown = [attack, f"{share:.0%}", "as shipped" if told else "none"]
    for place in targets(world):
        moved = [a.scores[place] - b.scores[place] for a, b in zip(plays, plain, strict=True)]
        shown += [
            spread([one.scores[place] for one in plays], 3),
            spread(moved, 3),
            spread([float(one.rank(place)) for one in plays], 1),
        ]
    rest = [place for place in range(len(world.models)) if place not in targets(world)]
    others = [
        sum(abs(a.scores[place] - b.scores[place]) for place in rest) / len(rest)
        for a, b in zip(plays, plain, strict=True)
    ]
    return [*shown, spread(others, 3)]
