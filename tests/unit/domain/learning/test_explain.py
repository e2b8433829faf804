"""Every change is told with its reason and figures, and nothing where nothing changed."""

import json

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.evaluation import Evaluation
from shared.domain.learning.explain import changes, insights, unchanged
from shared.domain.learning.snapshot import build_snapshot
from tests.unit.domain.learning.evidence import outcome, rating, state_of

CONFIG = LearningConfig(default_model=ModelId("p", "dear"))
DEAR = [rating(model="dear", cost_nanousd=9_000_000, times=300)]
CHEAP = [rating(model="cheap", cost_nanousd=1_000_000, times=300)]
GOOD, BAD = outcome(times=40), outcome(agent="b", points=0, times=40)


def snapshot_of(ratings=(), outcomes=(), config=CONFIG):
    return build_snapshot(state_of(ratings=ratings, outcomes=outcomes, config=config), config)


def kinds(found):
    return [(one["kind"], one["subject"], one.get("change")) for one in found]


def test_same_snapshot_has_no_changes():
    snapshot = snapshot_of(DEAR + CHEAP, [GOOD, BAD])
    assert changes(snapshot, snapshot) == []


def test_first_snapshot_without_proof_changes_nothing():
    assert changes(None, snapshot_of([rating(times=3)], [outcome()])) == []


def test_first_snapshot_is_compared_with_the_default():
    assert changes(None, snapshot_of(DEAR)) == []
    (change,) = changes(None, snapshot_of(DEAR + CHEAP))
    assert change["old"] == {"provider": "p", "model": "dear"}
    assert change["new"] == {"provider": "p", "model": "cheap"}
    assert change["pattern"] == change["subject"] == "code"
    assert change["why"].startswith("In code, p/cheap was always right")
    assert change["evidence"]["old"]["n"] == change["evidence"]["new"]["n"] == 300


def test_change_from_no_model_has_no_old_one():
    config = LearningConfig()
    (change,) = changes(None, snapshot_of(DEAR, config=config))
    assert change["old"] is None
    assert change["evidence"]["old"] is None


def test_pattern_that_lost_its_evidence_goes_back_to_the_default():
    (change,) = changes(snapshot_of(DEAR + CHEAP), snapshot_of())
    assert change["new"] == {"provider": "p", "model": "dear"}
    assert change["why"] == (
        "No rating of code counts any more, so p/dear answers as the default instead of p/cheap."
    )
    assert change["evidence"] == {"old": None, "new": None}


def test_disabled_and_enabled_agents_are_told():
    good, bad = (
        snapshot_of(outcomes=[outcome(points=1, times=40)]),
        snapshot_of(outcomes=[outcome(points=0, times=40)]),
    )
    down, up = changes(good, bad), changes(bad, good)
    assert kinds(down) == [("trust", "a", "disabled")]
    assert kinds(up) == [("trust", "a", "enabled")]
    assert down[0]["why"] == (
        "Trust in a over all types falls from 0.61 to 0.13, mostly by how many of its "
        "recommendations were approved: 0% of 40 with an outcome were approved (before: 50% of "
        "40); that is below 0.3, so it is disabled."
    )
    told, back = down[0]["notes"]
    assert told == (
        "Every agent starts from 0.5; that still makes up 11% of this score, and what was seen of "
        "it the rest."
    )
    assert back == (
        "It is heard again once its trust is 0.3 or more, or when an administrator reinstates it."
    )
    assert up[0]["why"].startswith("Trust in a over all types rises from 0.13 to 0.61")
    assert up[0]["why"].endswith("so it is enabled again.")


def test_trust_that_moved_little_is_not_told():
    before = snapshot_of(outcomes=[outcome(points=1, times=100)])
    little = snapshot_of(outcomes=[outcome(points=1, times=100), outcome(times=3)])
    more = snapshot_of(outcomes=[outcome(points=1, times=100), outcome(times=60)])
    assert changes(before, little) == []
    assert kinds(changes(before, more)) == [("trust", "a", "moved")]


def test_types_of_an_agent_are_told_where_it_has_several():
    """One type alone has the overall score, and saying that twice says nothing."""
    two = [outcome(times=40), outcome(kind="u", times=40)]
    whys = [one["why"] for one in changes(None, snapshot_of(outcomes=two))]
    assert [one.split(" rises")[0] for one in whys if one.startswith("Trust")] == [
        "Trust in a over all types",
        "Trust in a in t",
        "Trust in a in u",
    ]


def test_agent_without_completed_work_is_told_plainly():
    found = changes(None, snapshot_of(outcomes=[outcome(completed=0, times=60)]))
    assert found[0]["why"] == (
        "Trust in a over all types falls from 0.50 to 0.39: none of its 60 recommendations has an "
        "outcome."
    )


def test_new_agent_is_compared_with_neutral_trust():
    found = changes(None, snapshot_of(outcomes=[GOOD]))
    assert found[0]["old"] == 0.5
    assert found[0]["new"] > 0.9


def test_patterns_are_discovered_and_retired():
    none, some = snapshot_of(outcomes=[BAD]), snapshot_of(outcomes=[GOOD, BAD])
    discovered = [one for one in changes(none, some) if one["kind"] == "pattern"]
    retired = [one for one in changes(some, none) if one["kind"] == "pattern"]
    assert kinds(discovered) == [("pattern", "expert:t:a", "discovered")]
    assert (discovered[0]["old"], discovered[0]["new"]) == (None, 1.0)
    assert kinds(retired) == [("pattern", "expert:t:a", "retired")]
    assert (retired[0]["old"], retired[0]["new"]) == (1.0, None)
    assert retired[0]["why"] == (
        "expert:t:a no longer stands out from what is usual beyond chance; before, 100% of 40 were "
        "approved."
    )


def test_every_change_is_json_with_a_sentence():
    found = changes(None, snapshot_of(DEAR + CHEAP, [GOOD, BAD]))
    assert {one["kind"] for one in found} == {"routing", "trust", "pattern"}
    for one in found:
        assert one["why"].endswith(".")
        assert one["evidence"]
        assert {"kind", "subject", "old", "new", "why", "evidence"} <= one.keys()
    assert json.loads(json.dumps(found)) == found


def told(ratings, outcomes, old=None):
    state = state_of(ratings=ratings, outcomes=outcomes, config=CONFIG)
    snapshot = build_snapshot(state, CONFIG)
    before = Evaluation(state).of(old.policy if old else None).figures()
    return insights(
        snapshot, changes(old, snapshot), before, Evaluation(state).of(snapshot.policy).figures()
    )


def test_insights_count_and_say_what_happened():
    overconfident = outcome(agent="c", points=1, confidence_millis=950, times=60)
    unpriced = rating("math", "free", cost_nanousd=None, times=20)
    found = told([*DEAR, *CHEAP, rating("poetry"), unpriced], [GOOD, BAD, overconfident])
    assert found["rules_updated"] == 2
    assert (found["patterns_discovered"], found["patterns_confirmed"]) == (1, 0)
    assert found["patterns_retired"] == 0
    sentences = " ".join(found["key_insights"])
    assert "so it is disabled" in found["key_insights"][0]
    assert "In code, p/cheap was always right" in sentences
    assert "The expected cost per 1,000 requests goes from $" in sentences
    assert "a is an expert in t" in sentences
    actions = " ".join(found["recommended_actions"])
    assert "Review b" in actions
    assert "Ask c to lower its stated confidence: it says 95% and 50% are approved." in actions
    assert "Collect more ratings for poetry" in actions
    assert "Set prices for p/free" in actions
    assert json.loads(json.dumps(found)) == found


def test_insights_pool_each_models_accuracy():
    wrong = rating("math", "cheap", correct=0, quality=2, times=100)
    found = told([*DEAR, *CHEAP, wrong], [])["model_accuracy"]
    assert [one["model"] for one in found] == ["dear", "cheap"]
    assert found[1] == {
        "provider": "p",
        "model": "cheap",
        "n": 400,
        "correctness": 0.75,
        "mean_quality": 4.25,
    }


def test_patterns_that_stay_are_confirmed():
    found = told([], [GOOD, BAD], old=snapshot_of(outcomes=[GOOD, BAD]))
    assert (found["patterns_discovered"], found["patterns_confirmed"]) == (0, 1)


def test_moving_agents_are_named():
    rows = [
        outcome(agent="z", points=2 * (day % 60 < day), day=20_600 + day, offset=day)
        for day in range(100)
    ]
    assert "z is improving." in told([], rows)["key_insights"]


def test_small_costs_are_told_with_digits_that_say_something():
    dear, cheap = (
        rating(model=name, cost_nanousd=cost, times=300)
        for name, cost in (("dear", 3_000), ("cheap", 2_000))
    )
    [said] = [one for one in told([dear, cheap], [])["key_insights"] if "expected cost" in one]
    assert said.endswith("from $0.0025 to $0.0020 (-20%).")


def test_nothing_learned_says_nothing():
    found = told([], [])
    assert found["key_insights"] == found["recommended_actions"] == found["model_accuracy"] == []
    assert found["rules_updated"] == 0


def test_a_pattern_that_begins_to_weaken_is_told():
    before = snapshot_of(outcomes=[GOOD])
    [card] = before.patterns
    falling = card.model_copy(update={"state": "weakening", "words": "It is weakening."})
    after = before.model_copy(update={"patterns": (falling,)})
    [told] = [one for one in changes(before, after) if one["kind"] == "pattern"]
    assert (told["change"], told["why"]) == ("weakening", "It is weakening.")
    assert (told["old"], told["new"]) == (card.success_rate,) * 2
    assert not [one for one in changes(after, after) if one["kind"] == "pattern"]


def test_a_pattern_that_was_new_is_told_when_it_is_confirmed():
    fresh = snapshot_of(outcomes=[outcome(times=16)])
    firm = snapshot_of(outcomes=[GOOD])
    [told] = [one for one in changes(fresh, firm) if one["kind"] == "pattern"]
    assert (told["change"], fresh.patterns[0].state) == ("confirmed", "new")
    assert told["why"] == (
        "a is an expert in t: 100% of 40 were approved (with 95% certainty at least 93%, above "
        "the bar of 75%). It is confirmed: it holds on more outcomes than it takes."
    )


def test_a_retired_pattern_is_told_as_its_card_says():
    was = snapshot_of(outcomes=[GOOD])
    [card] = was.patterns
    now = snapshot_of().model_copy(
        update={"retired": (card.model_copy(update={"words": "Over."}),)}
    )
    assert [one["why"] for one in changes(was, now) if one["kind"] == "pattern"] == ["Over."]


def test_trust_says_which_side_moved_it():
    late = [outcome(timely=0, times=40)]
    [change] = changes(snapshot_of(outcomes=[GOOD]), snapshot_of(outcomes=late))
    assert change["why"] == (
        "Trust in a over all types falls from 0.94 to 0.71, mostly by how many of its "
        "recommendations came in time: its score for that went from 0.94 to 0.06; 100% of 40 with "
        "an outcome were approved (before: 100% of 40)."
    )
    assert (change["evidence"]["old"]["overall"], change["evidence"]["new"]["overall"]) == (
        change["old"],
        change["new"],
    )


def test_trust_says_what_it_was_corrected_by():
    card = snapshot_of(outcomes=[GOOD]).trust[0]
    before, [other] = snapshot_of(), snapshot_of(outcomes=[GOOD]).trust[:1]
    easy = other.model_copy(update={"ease": 0.2, "evaluator_weight": 0.4})
    [change] = changes(before, before.model_copy(update={"trust": (easy,)}))
    assert card.overall == change["new"]
    assert change["notes"][:2] == [
        "Its tasks were easier than usual by 20%, which is taken off.",
        "Those who judged it count 40% of a proven judge.",
    ]


def test_trust_that_moved_on_little_is_told_as_not_concluded():
    [told] = unchanged(None, snapshot_of(outcomes=[outcome(times=6)]))
    assert told["why"] == (
        "Nothing is concluded about a: it has made 6 of the 10 recommendations that takes, and "
        "its trust went from 0.50 to 0.77 so far."
    )
    assert (told["kind"], told["old"], told["new"]) == ("trust", 0.5, 0.772727)
    assert unchanged(None, snapshot_of(outcomes=[GOOD])) == []


def test_trust_that_is_enabled_at_the_same_score_is_told_so():
    [card] = snapshot_of(outcomes=[GOOD]).trust[:1]
    before = snapshot_of().model_copy(
        update={"trust": (card.model_copy(update={"disabled": True}),)}
    )
    [change] = changes(before, before.model_copy(update={"trust": (card,)}))
    assert change["why"].startswith("Trust in a over all types stays at 0.94: 100% of 40 ")
    assert change["why"].endswith("so it is enabled again.")


def test_a_score_that_crosses_the_bar_by_little_is_seen_to_have_crossed_it():
    [card] = snapshot_of(outcomes=[GOOD]).trust[:1]
    was, now = (
        snapshot_of().model_copy(
            update={"trust": (card.model_copy(update={"overall": score, "disabled": disabled}),)}
        )
        for score, disabled in ((0.304, False), (0.2994, True))
    )
    [down], [up] = changes(was, now), changes(now, was)
    assert "falls from 0.304 to 0.299, mostly" in down["why"]
    assert down["why"].endswith("that is below 0.3, so it is disabled.")
    assert "rises from 0.299 to 0.304" in up["why"]


def test_an_agent_enabled_below_the_bar_is_told_that_it_has_too_few_outcomes():
    """As where the least number of outcomes was raised since."""
    rows = [outcome(points=0, times=12)]
    config = LearningConfig.model_validate({"trust": {"min_n": 20}})
    [change] = changes(snapshot_of(outcomes=rows), snapshot_of(outcomes=rows, config=config))
    assert change["why"].endswith(
        "(before: 0% of 12); that is too few to disable an agent by now, so it is enabled again."
    )


def test_trust_after_millions_of_failures_is_told():
    before, after = snapshot_of(), snapshot_of(outcomes=[outcome(points=0, times=10_000_000)])
    [change] = [one for one in changes(before, after) if one["kind"] == "trust"]
    assert "0% of 10,000,000 with an outcome were approved" in change["why"]
