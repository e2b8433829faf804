"""Evaluators: who contradicts the others, or tells nothing apart, counts less."""

import pytest

from shared.domain.learning.config import LearningConfig
from shared.domain.learning.evaluators import FULL, LEAST, counts, reliabilities
from shared.domain.learning.trust import build_cards
from tests.unit.domain.learning.evidence import outcome, state_of

AGENTS = {"good": 18, "fair": 12, "bad": 3}
"""How many of 20 recommendations are approved by who looks."""


def told(evaluator: str, approved: dict[str, int], size: int = 20):
    for agent, count in approved.items():
        yield outcome(agent=agent, evaluator=evaluator, times=count)
        yield outcome(agent=agent, evaluator=evaluator, points=0, times=size - count)


def found(*rows):
    return reliabilities(state_of(outcomes=[one for row in rows for one in row]).outcomes)


def test_a_single_evaluator_is_believed() -> None:
    assert found(told("ann", AGENTS)) == {"ann": FULL}


def test_evaluators_who_agree_count_nearly_in_full() -> None:
    counts = found(told("ann", AGENTS), told("ben", AGENTS), told("cyd", AGENTS))
    assert min(counts.values()) > 0.9 * FULL


def test_who_turns_every_verdict_round_counts_least() -> None:
    turned = {agent: 20 - count for agent, count in AGENTS.items()}
    counts = found(told("ann", AGENTS), told("ben", AGENTS), told("eve", turned))
    assert counts["eve"] == LEAST
    assert counts["ann"] == counts["ben"] > 0.9 * FULL


def test_who_approves_everything_tells_little() -> None:
    everything = dict.fromkeys(AGENTS, 20)
    counts = found(told("ann", AGENTS), told("ben", AGENTS), told("yes", everything))
    assert counts["yes"] < 0.5 * FULL < counts["ann"]


def test_being_strict_is_not_held_against_anyone() -> None:
    strict = {"good": 14, "fair": 8, "bad": 0}
    counts = found(told("ann", AGENTS), told("ben", AGENTS), told("dot", strict))
    assert counts["dot"] > 0.9 * FULL


def test_a_hostile_evaluator_moves_trust_less_than_his_share_of_the_verdicts() -> None:
    honest = [*told("ann", AGENTS), *told("ben", AGENTS)]
    turned = list(told("eve", {agent: 20 - count for agent, count in AGENTS.items()}))
    config = LearningConfig()
    before = {one.agent_id: one for one in build_cards(state_of(outcomes=honest), config)}
    after = {one.agent_id: one for one in build_cards(state_of(outcomes=honest + turned), config)}
    for agent, count in (("good", 18), ("bad", 3)):
        plain = (2 * count + (20 - count) + 2.5) / 65
        moved = abs(after[agent].accuracy - before[agent].accuracy)
        assert moved < 0.25 * abs(plain - before[agent].accuracy)
    assert after["good"].evaluator_weight == pytest.approx(0.7, abs=0.05)
    assert "evaluators who count" in after["good"].why


MANY = {"best": 18, "good": 15, "fair": 11, "weak": 7, "poor": 3}


def many(*rows):
    """Returns the evidence of eight honest evaluators, and of these."""
    honest = [one for number in range(8) for one in told(f"ok{number}", MANY)]
    return state_of(outcomes=[*honest, *(one for row in rows for one in row)])


def scores(state):
    return {one.agent_id: one.accuracy for one in build_cards(state, LearningConfig())}


@pytest.mark.parametrize("said", [{"weak": 20}, {"best": 0}])
def test_who_is_honest_but_of_one_agent_counts_less_for_that_one_alone(said) -> None:
    state = many(told("eve", {**MANY, **said}), told("mal", {**MANY, **said}))
    weights, [agent] = counts(state.outcomes), said
    assert weights["eve", agent, "t"] < 0.4 * FULL
    assert weights["eve", "good", "t"] > 0.9 * FULL
    assert weights["ok1", agent, "t"] > 0.8 * FULL
    plain = abs(2 * (said[agent] - MANY[agent]) / 205)
    assert abs(scores(state)[agent] - scores(many())[agent]) < 0.4 * plain


def test_evaluators_who_promote_one_agent_together_do_not_become_the_measure() -> None:
    promoting = {agent: 20 if agent == "weak" else 0 for agent in MANY}
    state = many(told("eve", promoting), told("mal", promoting))
    weights = counts(state.outcomes)
    assert max(weights["eve", agent, "t"] for agent in MANY) < 0.4 * FULL
    assert min(weights["ok1", agent, "t"] for agent in MANY) > 0.8 * FULL
    before, after = scores(many()), scores(state)
    assert max(abs(before[agent] - after[agent]) for agent in MANY) < 0.04


def test_of_two_who_disagree_on_one_agent_both_count_less_for_it() -> None:
    state = state_of(outcomes=[*told("ann", MANY), *told("ben", {**MANY, "weak": 20})])
    weights = counts(state.outcomes)
    assert max(weights["ann", "weak", "t"], weights["ben", "weak", "t"]) < 0.6 * FULL
    assert min(weights["ann", "best", "t"], weights["ben", "best", "t"]) > 0.7 * FULL
