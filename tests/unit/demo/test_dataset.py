"""The committed data is what its README says."""

import pytest

from demo.dataset import FLAGSHIP, FOLDER, load
from demo.evaluation import score

LARGEST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def data():
    return load()


def test_data_is_small_and_names_its_licences():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert all(path.name in readme for path in FOLDER.glob("*.*") if path.name != "README.md")
    assert {path.name for path in (FOLDER / "licenses").iterdir()} == {
        "Apache-2.0.txt",
        "scifact-CC-BY-4.0-and-ODC-By-1.0.md",
        "truth-inference-at-scale-MIT.txt",
    }


def test_what_is_learned_from_and_what_is_tested_on_are_apart(data):
    train, test = ({one.prompt_id for one in prompts} for prompts in (data.train, data.test))
    assert (len(train), len(test)) == (4262, 1714)
    assert train.isdisjoint(test)
    assert {one.category for one in data.train} == {one.category for one in data.test}


def test_every_prompt_has_an_outcome_of_every_model(data):
    for one in (*data.train, *data.test):
        assert len(one.correct) == len(one.out_tokens) == len(one.cost_usd) == 10


def test_the_flagship_comes_first_and_has_its_published_figures(data):
    assert data.models[0].id == FLAGSHIP
    scores = score(data.test, [0] * len(data.test))
    assert round(scores.accuracy, 4) == 0.7036
    assert round(scores.usd_per_1000, 4) == 0.5428


def test_reordering_keeps_each_outcome_with_its_model(data):
    place = data.place("google", "gemini-1.5-flash-002")
    scores = score(data.test, [place] * len(data.test))
    assert round(scores.accuracy, 4) == 0.6359
    assert round(scores.usd_per_1000, 4) == 0.0396


def test_place_knows_no_other_models(data):
    with pytest.raises(ValueError, match="not in list"):
        data.place("google", "unknown")


def test_every_claim_cites_an_abstract_that_is_there_and_cited(data):
    cited = {one.abstract_id for one in data.abstracts if one.cited}
    assert {one.abstract_id for one in data.claims} == cited
    assert (len(data.abstracts), len(cited), len(data.claims)) == (40, 34, 84)


def test_every_agent_said_something_of_every_picture(data):
    assert len(data.pictures) == 108
    assert {len(one.labels) for one in data.pictures} == {39}
    assert set("".join(one.labels + one.truth for one in data.pictures)) == {"0", "1"}
