"""Why a pattern goes where it goes is said in plain words whose numbers are those beside them."""

import random
import re

import pytest

from shared.domain.learning.config import LearningConfig, ModelId, TierRule
from shared.domain.learning.explain import changes, unchanged
from shared.domain.learning.explain_routing import explained_row
from shared.domain.learning.snapshot import ChangedModel, build_snapshot
from tests.unit.domain.learning.evidence import DAY, rating, state_of

CONFIG = LearningConfig(default_model=ModelId("p", "dear"))
JARGON = re.compile(
    r"bound|posterior|prior|interval|effective|significan|varian|decay", re.IGNORECASE
)


def rated(model, right, wrong=0, *, cost=1_000_000, quality=5, day=DAY, pattern="code"):
    """Returns ratings of a model, those that were wrong with a quality of 1."""
    found = [rating(pattern, model, cost_nanousd=cost, quality=quality, times=right, day=day)]
    if wrong:
        found += [
            rating(pattern, model, cost_nanousd=cost, correct=0, quality=1, times=wrong, day=day)
        ]
    return found


def snapshot_of(*ratings, config=CONFIG):
    rows = [row for one in ratings for row in one]
    return build_snapshot(state_of(ratings=rows, config=config), config)


DEAR = rated("dear", 280, 20, cost=9_000_000)
CHEAP = rated("cheap", 279, 21)
NO_DEFAULT = LearningConfig()
OTHER_DEFAULT = LearningConfig(default_model=ModelId("p", "new"))

GOLDEN = {
    "cheaper and as good": (
        None,
        snapshot_of(DEAR, CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; p/dear was right 93 "
            "times in 100, rated 4.7 of 5 (300 ratings) at $9.00, so p/cheap takes over: it is "
            "as good, give or take 3 of 100 in the score, and costs less."
        ),
    ),
    "better": (
        snapshot_of(DEAR, CHEAP),
        snapshot_of(DEAR, rated("cheap", 280, 60)),
        (
            "In code, p/dear was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 92 in 100) at $9.00 per 1,000 answers; p/cheap was right 82 "
            "times in 100, rated 4.3 of 5 (340 ratings) at $1.00, so p/dear takes over: p/cheap "
            "may be noticeably worse than the best there."
        ),
    ),
    "of unknown cost": (
        None,
        snapshot_of(rated("dear", 280, 20, cost=None), CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; p/dear was right 93 "
            "times in 100, rated 4.7 of 5 (300 ratings) at unknown cost, so p/cheap takes over: "
            "what the other costs is not known."
        ),
    ),
    "at the same cost": (
        None,
        snapshot_of(rated("dear", 279, 21), rated("cheap", 280, 20)),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 92 in 100) at $1.00 per 1,000 answers; p/dear was right 93 "
            "times in 100, rated 4.7 of 5 (300 ratings) at $1.00, so p/cheap takes over: it has "
            "proved more at the same cost."
        ),
    ),
    "better and cheaper by little": (
        None,
        snapshot_of(rated("dear", 270, 30, cost=1_004_000), CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.000 per 1,000 answers; p/dear was right 90 "
            "times in 100, rated 4.6 of 5 (300 ratings) at $1.004, so p/cheap takes over: "
            "p/dear may be noticeably worse than the best there."
        ),
    ),
    "too few ratings": (
        None,
        snapshot_of(rated("dear", 4, cost=9_000_000), CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; p/dear has 4 of the 5 "
            "ratings that are needed, so p/cheap takes over."
        ),
    ),
    "old ratings": (
        None,
        snapshot_of(rated("dear", 20, day=DAY - 120), rated("dear", 1), CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; the 21 ratings of "
            "p/dear count as 4.8 today and 5 are needed, so p/cheap takes over."
        ),
    ),
    "not rated well enough": (
        None,
        snapshot_of(rated("dear", 40, quality=3), CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; p/dear was rated 3.0 "
            "of 5 (40 ratings) and 3.5 is needed, so p/cheap takes over."
        ),
    ),
    "not right often enough": (
        None,
        snapshot_of([*rated("dear", 20), rating(model="dear", correct=0, times=20)], CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; p/dear was right 50 "
            "times in 100 (40 ratings) and 70 are needed, so p/cheap takes over."
        ),
    ),
    "never rated": (
        None,
        snapshot_of(CHEAP),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers; p/dear has no ratings "
            "there, so p/cheap takes over."
        ),
    ),
    "first": (
        None,
        snapshot_of(CHEAP, config=NO_DEFAULT),
        (
            "In code, p/cheap was right 93 times in 100, rated 4.7 of 5 (300 ratings, with 80 % "
            "certainty at least 91 in 100) at $1.00 per 1,000 answers, so p/cheap takes over; "
            "nothing was settled before."
        ),
    ),
    "no longer proved": (
        snapshot_of(CHEAP),
        snapshot_of(rated("cheap", 20, 20)),
        (
            "No model has proved itself in code any more (p/cheap was rated 3.0 of 5 (40 "
            "ratings) and 3.5 is needed), so p/dear answers as the default instead of p/cheap."
        ),
    ),
    "no longer rated": (
        snapshot_of(CHEAP),
        snapshot_of(rated("other", 2)),
        (
            "No model has proved itself in code any more (p/cheap has no ratings there), so "
            "p/dear answers as the default instead of p/cheap."
        ),
    ),
    "another default": (
        snapshot_of(rated("cheap", 2)),
        snapshot_of(rated("cheap", 2), config=OTHER_DEFAULT),
        (
            "No model has proved itself in code, so the default answers, and that was changed "
            "from p/dear to p/new."
        ),
    ),
    "nothing left": (
        snapshot_of(CHEAP, config=NO_DEFAULT),
        snapshot_of(config=NO_DEFAULT),
        (
            "No rating of code counts any more, so the first model of the list answers as the "
            "default instead of p/cheap."
        ),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_each_kind_of_change_has_its_sentence(name):
    old, new, why = GOLDEN[name]
    [change] = changes(old, new)
    assert change["why"] == why


HELD_BACK = {
    "too few ratings": (
        snapshot_of(DEAR, rated("cheap", 4)),
        (
            "Nothing changes in code: p/cheap has 4 of the 5 ratings that are needed, so p/dear "
            "goes on answering."
        ),
    ),
    "not sure enough": (
        snapshot_of(DEAR, rated("cheap", 18, 1)),
        (
            "Nothing changes in code: p/cheap costs less, but 19 ratings are too few to be sure "
            "that it is not noticeably worse than the best, so p/dear goes on answering."
        ),
    ),
    "nothing proved": (
        snapshot_of(rated("cheap", 10, 10)),
        (
            "Nothing changes in code: p/cheap was rated 3.0 of 5 (20 ratings) and 3.5 is needed, "
            "so p/dear goes on answering."
        ),
    ),
    "nothing to answer with": (
        snapshot_of(rated("cheap", 3), config=NO_DEFAULT),
        (
            "Nothing changes in code: p/cheap has 3 of the 5 ratings that are needed, so the first "
            "model of the list goes on answering."
        ),
    ),
}


@pytest.mark.parametrize("name", HELD_BACK)
def test_what_does_not_change_for_lack_of_evidence_is_told(name):
    new, why = HELD_BACK[name]
    [told] = unchanged(None, new)
    assert (told["why"], told["old"]) == (why, told["new"])
    assert told["evidence"]["held_back"]["model"] == "cheap"
    assert changes(None, new) == []


def test_a_model_that_is_dearer_or_bad_is_not_told_as_held_back():
    settled = snapshot_of(rated("dear", 300), rated("slow", 3, cost=90_000_000))
    bad = snapshot_of(rated("dear", 300, cost=9_000_000), rated("cheap", 1, 2))
    unknown = snapshot_of(rated("dear", 300), rated("free", 3, cost=None))
    alone = snapshot_of(rated("dear", 3))
    worse = snapshot_of(DEAR, rated("cheap", 260, 40))
    assert worse.policy.by_pattern["code"].ranking[1].tier == "HIGH"
    for one in (settled, bad, unknown, alone, worse):
        assert unchanged(None, one) == []


def test_a_row_that_changes_is_not_told_as_unchanged():
    assert unchanged(None, snapshot_of(CHEAP, rated("new", 3, cost=1000))) == []


def test_notes_say_what_figures_rest_on_and_what_would_undo_the_change():
    new = snapshot_of(rated("dear", 4, cost=9_000_000), rated("cheap", 20))
    [change] = changes(None, new)
    assert change["notes"] == [
        "At the latest, 6 wrong answers in a row of p/cheap would undo this.",
        "p/dear needs 1 more good rating to be chosen again.",
        (
            "How good p/cheap is thought to be here comes to 72 % from its ratings here, to 0 % "
            "from those in other patterns and to 28 % from what is thought of an untried model."
        ),
        (
            "How good p/dear is thought to be here comes to 31 % from its ratings here, to 0 % "
            "from those in other patterns and to 69 % from what is thought of an untried model."
        ),
    ]


def test_so_many_wrong_answers_undo_a_change_indeed():
    for times in (5, 9, 20, 50):
        right = rated("cheap", times)
        [change] = changes(None, snapshot_of(right))
        [said] = [int(found[1]) for one in change["notes"] if (found := re.search(UNDO, one))]
        assert snapshot_of(rated("cheap", times, said)).policy.choice("code") == ModelId(
            "p", "dear"
        )


UNDO = r"latest, (\d+) wrong"


def test_a_model_that_changed_is_told_so():
    new = snapshot_of(DEAR, CHEAP)
    changed = ChangedModel(pattern="code", provider="p", model="dear", epoch=1, day="2026-09-01")
    [change] = changes(None, new.model_copy(update={"changed": (changed,)}))
    note = "p/dear changed on 2026-09-01, so its ratings from before count little."
    assert note in change["notes"]
    assert change["evidence"]["old"]["changed_on"] == "2026-09-01"
    assert change["evidence"]["new"]["changed_on"] is None


def test_a_change_that_was_taken_back_is_told_so():
    facts = {"pattern": "code", "provider": "p", "model": "dear", "epoch": 1}
    changed = ChangedModel(**facts, day=None, withdrawn="2026-09-02")
    new = snapshot_of(DEAR, CHEAP).model_copy(update={"changed": (changed,)})
    [change] = changes(None, new)
    assert "A change of p/dear was taken back on 2026-09-02" in " ".join(change["notes"])
    assert change["evidence"]["old"]["changed_on"] is None
    assert change["evidence"]["old"]["withdrawn_on"] == "2026-09-02"


def test_evidence_has_both_tiers_and_both_ends_of_correctness():
    [change] = changes(snapshot_of(rated("cheap", 4)), snapshot_of(DEAR, CHEAP))
    figures = change["evidence"]["new"]
    assert (figures["tier_before"], figures["tier"]) == ("LOW", "HIGH")
    assert change["evidence"]["old"]["tier_before"] is None
    assert figures["correctness_lower"] < figures["correctness"] < figures["correctness_upper"]


def _drawn(draw, pattern):
    models = draw.sample(["cheap", "dear", "mid", "odd"], draw.randint(1, 4))
    for model in models:
        cost = draw.choice([None, draw.randint(10_000, 10**8)])
        right, wrong = draw.randint(0, 60), draw.randint(1, 12)
        day = DAY - draw.choice([0, 0, 45, 150])
        yield rated(model, right, wrong, cost=cost, day=day, pattern=pattern)


def _table(draw):
    return snapshot_of(*(one for name in ("code", "math") for one in _drawn(draw, name)))


@pytest.mark.parametrize("seed", range(60))
def test_every_change_names_both_models_and_its_numbers_are_the_figures(seed):
    draw = random.Random(seed)
    old, new = _table(draw), _table(draw)
    for one in changes(old, new) + unchanged(old, new):
        names = [f"{side['provider']}/{side['model']}" for side in (one["old"], one["new"])]
        assert all(name in one["why"] for name in names)
        assert one["why"].endswith(".")
        assert not JARGON.search(" ".join([one["why"], *one.get("notes", [])]))
        known = {f"p/{seen['model']}": seen for seen in one["evidence"].values() if seen}
        for name, right, quality in re.findall(SEEN, one["why"]):
            assert abs(int(right) - 100 * known[name]["correctness"]) <= 1
            assert abs(float(quality) - known[name]["mean_quality"]) <= 0.0501
        for name, least in re.findall(LEAST, one["why"]):
            assert 0 <= 100 * known[name]["correctness_lower"] - int(least) < 1
        for name, usd in re.findall(COST, one["why"]):
            assert float(usd) == pytest.approx(1000 * known[name]["mean_cost_usd"], rel=0.05)
        counts = {seen["n"] for seen in known.values()}
        assert {
            int(n) for n in re.findall(r"(\d+) ratings?\b(?! that are needed)", one["why"])
        } <= (counts | {5})


SEEN = r"(p/\w+) was right (\d+) times in 100, rated ([\d.]+) of 5"
LEAST = r"(p/\w+) was right [^;]*at least (\d+) in 100"
COST = r"(p/\w+) was right [^;]*?\) at \$([\d.]+\d)"


def test_a_row_is_explained_with_every_model_of_its_ranking():
    new = snapshot_of(DEAR, CHEAP, rated("mid", 10, 1, cost=5_000_000), rated("new", 2))
    row = explained_row(new.policy.by_pattern["code"], new)
    assert row.why == new.policy.by_pattern["code"].why
    assert row.why == (
        "Cheaper and about as good in code: p/cheap costs $1.00 per 1,000 answers against $9.00 "
        "and is right 93 times in 100, rated 4.7 of 5; the best, p/dear, right 93 times in 100, "
        "rated 4.7 of 5."
    )
    assert row.choice == ModelId("p", "cheap")
    assert [one.why.split(":")[0] for one in row.ranking] == [
        "Chosen",
        "Stands by",
        "Stands by",
        "Not chosen",
    ]
    assert row.ranking[2].why.endswith("it may be noticeably worse than the best here.")
    assert row.ranking[3].why == "Not chosen: p/new has 2 of the 5 ratings that are needed."
    assert row.notes[0].startswith("At the latest, ")
    for one in row.ranking:
        share = one.rests_on
        assert share.own + share.elsewhere + share.prior == pytest.approx(1, abs=2e-6)


def test_a_row_without_a_choice_says_what_is_missing():
    new = snapshot_of(rated("cheap", 3), rated("cheap", 300, pattern="math"))
    row = explained_row(new.policy.by_pattern["code"], new)
    assert row.why == "No model has proved itself in code yet, so p/dear answers as the default."
    assert row.notes == ("Not yet: p/cheap has 3 of the 5 ratings that are needed.",)
    assert row.ranking[0].rests_on.elsewhere > 0.9


def test_ratings_that_count_less_are_noted():
    [change] = changes(None, snapshot_of(rated("cheap", 30, day=DAY - 90), rated("cheap", 1)))
    assert change["notes"][-1] == (
        "The 31 ratings of p/cheap count as 15: old ones, those from before a change and "
        "those of raters who are doubted count less."
    )


def test_an_unknown_cost_is_told_as_such():
    [change] = changes(None, snapshot_of(rated("cheap", 20, cost=None)))
    assert " in 100) at unknown cost; p/dear has no ratings there" in change["why"]


def test_a_mean_above_the_bar_is_told_with_what_it_may_really_be():
    new = snapshot_of(rated("odd", 6, 2), DEAR)
    whys = {one.model: one.why for one in explained_row(new.policy.by_pattern["code"], new).ranking}
    assert whys["odd"] == (
        "Not chosen: p/odd was rated 4.0 of 5 (8 ratings), which may really be only 3.4, and 3.5 "
        "is needed."
    )
    strict = LearningConfig(medium=TierRule(n=5, quality=1, correctness=0.74))
    new = snapshot_of(rated("rough", 60, 20), config=strict)
    why = explained_row(new.policy.by_pattern["code"], new).ranking[0].why
    assert why == (
        "Not chosen: p/rough was right 75 times in 100 (80 ratings), which may really be only 70, "
        "and 74 are needed."
    )
