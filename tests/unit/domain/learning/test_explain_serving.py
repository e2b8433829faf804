"""What besides the table decides who answers is told: the preference, and kinds of prompts."""

import pytest

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import best
from shared.domain.learning.explain import changes, unchanged
from shared.domain.learning.explain_routing import explained_row
from shared.domain.learning.explain_serving import BY_TABLE, Serving
from shared.domain.learning.preference import Preference
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.snapshot import build_snapshot
from tests.unit.domain.learning.evidence import rating, state_of
from tests.unit.domain.learning.test_explain_routing import JARGON

DEAR, CHEAP = ModelId("p", "dear"), ModelId("p", "cheap")
COSTS = {DEAR: 0.009, CHEAP: 0.001}
CELLS = ("words", "mixed", "figures")


def snapshot_of(*ratings, **config):
    chosen = LearningConfig(default_model=DEAR, **config)
    return build_snapshot(state_of(ratings=ratings, config=chosen), chosen)


def rated(model, right, wrong, cell=""):
    """Returns ratings of a model, `right` of them good."""
    cost = round(COSTS[ModelId("p", model)] * 1e9)
    return [
        rating(model=model, cell=cell, cost_nanousd=cost, times=right),
        rating(model=model, cell=cell, cost_nanousd=cost, times=wrong, quality=1, correct=0),
    ]


def serving(**preference):
    """Returns how a workspace with a preference serves any policy, at these costs."""
    wanted = Preference(**preference)

    def decided(policy: RoutingPolicy, pattern: str, cell: str):
        return best(policy, pattern, (DEAR, CHEAP), cell=cell, preference=wanted, costs=COSTS)

    return Serving(wanted, decided)


BY_KIND = [
    row
    for cell, right in (("words", 280), ("mixed", 240), ("figures", 150))
    for row in [*rated("cheap", right, 300 - right, cell), *rated("dear", 285, 15, cell)]
]


def test_what_kinds_of_prompts_make_of_a_model_is_told_with_its_figures():
    [change] = changes(snapshot_of(*rated("cheap", 290, 10)), snapshot_of(*BY_KIND))
    assert change["new"] == DEAR._asdict()
    scores = {one["cell"]: one["score"] for one in change["evidence"]["old"]["neighbourhoods"]}
    assert scores["words"] > change["evidence"]["old"]["believed"] > scores["figures"]
    [told] = [one for one in change["notes"] if one.startswith("p/cheap is thought to score")]
    assert told == (
        "p/cheap is thought to score 74 of 100 here (half for right answers, half for ratings), "
        "but not with every kind of prompt: "
        f"{round(100 * scores['words'])} in prompts in words, "
        f"{round(100 * scores['mixed'])} in prompts with some figures, "
        f"{round(100 * scores['figures'])} in prompts with many figures."
    )
    assert any(one.startswith("Kinds of prompts decide which models") for one in change["notes"])


def test_where_kinds_of_prompts_are_not_told_apart_nothing_is_said_of_them():
    [change] = changes(None, snapshot_of(*rated("cheap", 290, 10), *rated("dear", 290, 10)))
    assert change["evidence"]["new"]["neighbourhoods"] == []
    assert not any("kind" in one for one in change["notes"])


def test_a_preference_that_decides_otherwise_than_the_table_is_told():
    good = [*rated("cheap", 290, 10), *rated("dear", 290, 10)]
    [change] = changes(None, snapshot_of(*good), serving(quality_floor=0.9))
    assert change["new"] == CHEAP._asdict()
    [told] = [one for one in change["notes"] if one.startswith("In this workspace")]
    assert told == (
        "In this workspace a score of at least 90 of 100 is asked for, and that decides among the "
        "proven models: p/cheap answers. p/cheap scores at least 95 of 100 at $1.00 per 1,000 "
        "requests: the cheapest that surely reaches the score of 90 of 100 that is asked for."
    )
    assert [(one["neighbourhood"], one["new"]) for one in change["evidence"]["served"]] == [
        (cell, CHEAP._asdict()) for cell in CELLS
    ]


def test_a_table_that_changes_behind_a_preference_says_who_answers_all_the_same():
    """It chose the cheap one and chooses the dear one, which a floor had taken all the while."""
    old = snapshot_of(*rated("cheap", 285, 15), *rated("dear", 295, 5), quality_margin=0.3)
    new = snapshot_of(*rated("cheap", 250, 50), *rated("dear", 295, 5))
    [change] = changes(old, new, serving(quality_floor=0.96))
    assert (change["old"], change["new"]) == (CHEAP._asdict(), DEAR._asdict())
    assert change["why"].endswith(
        "so p/dear comes first in the table: p/cheap may be noticeably worse than the best there; "
        "p/dear goes on answering, because in this workspace a score of at least 96 of 100 is "
        "asked for."
    )
    [moved] = changes(old, new, serving(quality_floor=0.9))
    assert moved["why"].endswith(
        "best there; in this workspace a score of at least 90 of 100 is asked for, so p/dear "
        "answers."
    )


def test_a_table_that_changes_says_which_kinds_of_prompts_go_where():
    [change] = changes(
        snapshot_of(), snapshot_of(*BY_KIND, quality_margin=0.3), serving(answer_worth_usd=0.05)
    )
    assert change["why"].endswith(
        "so prompts in words go to p/cheap, prompts with some figures go to p/dear, prompts with "
        "many figures go to p/dear."
    )


def test_prompts_that_only_a_preference_sends_elsewhere_are_a_change():
    """The table stays with the cheap one, and at this worth the dear one becomes worth it."""
    old = snapshot_of(*rated("cheap", 285, 15), *rated("dear", 280, 20))
    new = snapshot_of(*BY_KIND, quality_margin=0.3)
    assert old.policy.choice("code") == new.policy.choice("code") == CHEAP
    worth = serving(answer_worth_usd=0.05)
    [change] = changes(old, new, worth)
    assert (change["old"], change["new"]) == (CHEAP._asdict(), DEAR._asdict())
    assert change["why"].startswith(
        "In code, p/dear answers prompts with some figures and prompts with many figures instead "
        "of p/cheap, because in this workspace a perfect answer is worth $0.05: p/dear scores"
    )
    kinds = (
        "prompts in words go to p/cheap, prompts with some figures go to p/dear, prompts with many "
        "figures go to p/dear."
    )
    assert any(one.endswith(kinds) for one in change["notes"])
    assert changes(old, new) == []
    for one in [change["why"], *change["notes"]]:
        assert not JARGON.search(one)


def test_without_kinds_of_prompts_a_preference_is_told_once():
    beliefs = {"neighbourhoods": False}
    new = snapshot_of(*rated("cheap", 290, 10), *rated("dear", 290, 10), beliefs=beliefs)
    [change] = changes(None, new, serving(answer_worth_usd=1.0))
    assert [one["neighbourhood"] for one in change["evidence"]["served"]] == [""]


def test_where_nothing_can_answer_nothing_is_told_of_the_preference():
    nobody = Serving(Preference(quality_floor=0.5), lambda *_: None)
    [change] = changes(None, snapshot_of(*rated("cheap", 290, 10)), nobody)
    assert "served" not in change["evidence"]


def test_a_row_tells_who_answers_under_the_preference():
    new = snapshot_of(*BY_KIND, quality_margin=0.3)
    row = explained_row(new.policy.by_pattern["code"], new, serving(answer_worth_usd=0.05))
    assert row.choice == CHEAP
    assert any("prompts in words go to p/cheap" in one for one in row.notes)
    assert row.ranking[0].why.startswith("First: p/cheap was right")
    plain = explained_row(new.policy.by_pattern["code"], new)
    assert not any("workspace" in one for one in plain.notes)


@pytest.mark.parametrize(
    ("preference", "tail"),
    [({}, "goes on answering."), ({"quality_floor": 0.5}, "stays in the table.")],
)
def test_what_stays_is_told_as_the_tables_where_that_is_not_what_decides(preference, tail):
    old = snapshot_of(*rated("dear", 290, 10))
    new = snapshot_of(*rated("dear", 291, 10), *rated("cheap", 3, 0))
    [held] = unchanged(old, new, serving(**preference))
    assert held["why"].endswith(tail)


def test_a_model_that_was_removed_is_said_to_answer_only_who_names_it():
    new = snapshot_of(*rated("cheap", 290, 10), *rated("dear", 290, 10))
    told = "p/cheap is not among the configured models, so it answers only requests that name it"
    removed = BY_TABLE._replace(configured=frozenset([DEAR]))
    [change] = changes(None, new, removed)
    assert change["notes"][0].startswith(told)
    assert explained_row(new.policy.rows[0], new, removed).notes[0].startswith(told)
    for known in (BY_TABLE, BY_TABLE._replace(configured=frozenset([DEAR, CHEAP]))):
        [change] = changes(None, new, known)
        assert not any(told in one for one in change["notes"])


def test_a_model_that_was_removed_does_not_go_on_answering():
    thin = [rating(model="new", cost_nanousd=1, times=3), *rated("cheap", 290, 10)]
    new = snapshot_of(*thin)
    [stays] = unchanged(new, new, BY_TABLE._replace(configured=frozenset([DEAR])))
    assert stays["why"].endswith("so p/cheap stays in the table.")
    [goes_on] = unchanged(new, new)
    assert goes_on["why"].endswith("so p/cheap goes on answering.")
