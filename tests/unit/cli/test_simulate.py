"""`whetstone simulate` plays a folder, and refuses one that is no data set."""

import csv
import gzip
import random
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from shared import bootstrap
from shared.cli.datasets import read_world
from shared.cli.main import main
from shared.cli.plots import COLOURS, Series, svg
from shared.cli.running import run
from shared.cli.simulate import worths
from shared.errors import InvalidInput
from tests.support.logged import logged


@pytest.fixture
def folder(tmp_path):
    chance = random.Random(4)
    (tmp_path / "models.csv").write_text(
        "provider,model,usd_per_m_input,usd_per_m_output\np,cheap,0.1,0.1\np,dear,2,2\n"
    )
    for part, count in (("train", 300), ("test", 80)):
        with gzip.open(tmp_path / f"{part}.csv.gz", "wt", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["prompt_id", "category", "in_tokens", "correct", "out_tokens", "prompt"])
            for number in range(count):
                correct = f"{int(chance.random() < 0.4)}{int(chance.random() < 0.9)}"
                rows.writerow([number, "law", 50, correct, "100 120", f"question {number}"])
    return tmp_path


def test_a_folder_is_played_and_plotted(folder):
    plots = folder / "plots"
    done = CliRunner().invoke(main, ["simulate", str(folder), "--plots", str(plots)])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1].startswith("Whetstone")
    assert "oracle" in done.output
    assert "accuracy on the test prompts: 0." in done.output
    for name in ("regret.svg", "frontier.svg", "learning_curve.svg"):
        assert ET.fromstring((plots / name).read_text()).tag.endswith("svg")


def scaled(world, factor):
    tasks = tuple(
        one._replace(cost_usd=tuple(factor * cost for cost in one.cost_usd)) for one in world.train
    )
    return world._replace(train=tasks)


@pytest.mark.parametrize("factor", [1.0, 1e-6, 1e6])
def test_the_frontier_is_played_from_the_cheapest_model_on_whatever_answers_cost(folder, factor):
    world = scaled(read_world(folder), factor)
    found = worths(world)
    cheap, dear = (sum(t.cost_usd[n] for t in world.train) / len(world.train) for n in (0, 1))
    assert found == sorted(found)
    assert found[0] < dear - cheap
    assert found[0] == pytest.approx(0.3 * cheap)
    assert 30_000 * dear <= found[-1] < 1.36 * 30_000 * dear
    assert worths(scaled(world, 0.0)) == [1.0]


def test_without_a_run_there_is_no_learning_curve(folder):
    plots = folder / "plots"
    asked = ["simulate", str(folder), "--every", "1000", "--plots", str(plots)]
    done = CliRunner().invoke(main, asked)
    assert "accuracy on the test prompts: no run" in done.output
    assert not (plots / "learning_curve.svg").exists()


def test_the_same_seed_prints_the_same(folder):
    first, second = (
        CliRunner().invoke(main, ["simulate", str(folder), "--seed", "3"]).output for _ in range(2)
    )
    assert first == second


def test_costs_follow_from_prices_and_lengths(folder):
    world = read_world(folder)
    assert (len(world.train), len(world.test)) == (300, 80)
    assert world.train[0].cost_usd == pytest.approx((150 * 0.1 / 1e6, 170 * 2 / 1e6))


def test_a_folder_without_the_files_or_with_a_bad_row_is_refused(folder, tmp_path_factory):
    with pytest.raises(InvalidInput, match="no data set"):
        read_world(tmp_path_factory.mktemp("empty"))
    with gzip.open(folder / "test.csv.gz", "wt") as file:
        file.write("prompt_id,category,in_tokens,correct,out_tokens,prompt\n1,law,x,01,1 1,q\n")
    assert CliRunner().invoke(main, ["simulate", str(folder)]).exit_code == 1


def marks(drawn, anchor):
    """Returns what stands at the marks of an axis: `end` for y, `middle` for x and both labels."""
    texts = ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    return [one.text for one in texts if one.get("text-anchor") == anchor]


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (200, 13_010, ["5,000", "10,000"]),
        (0.3979, 0.8915, ["0.4", "0.5", "0.6", "0.7", "0.8"]),
        (0.8091, 0.8588, ["0.81", "0.82", "0.83", "0.84", "0.85"]),
        (-3, 4, ["-2", "0", "2", "4"]),
        (0, 1e-6, [f"{place / 1e7:.7f}" for place in range(0, 11, 2)]),
        (7, 7, ["7"]),
    ],
)
def test_axes_have_round_marks(low, high, told):
    drawn = svg("t", "x", "y", [Series("a", [(low, low), (high, high)])])
    assert marks(drawn, "end") == told
    assert marks(drawn, "middle") == [*told, "x", "y"]


def test_each_model_has_a_name_and_a_colour_of_its_own(folder, tmp_path):
    done = CliRunner().invoke(main, ["simulate", str(folder), "--plots", str(tmp_path)])
    assert done.exit_code == 0, done.output
    drawn = (tmp_path / "frontier.svg").read_text()
    assert all(model.model in drawn for model in read_world(folder).models)
    assert len(set(COLOURS)) == len(COLOURS) >= 11


def test_names_in_a_plot_are_escaped():
    drawn = svg("<a&b>", "x", "y", [Series("<script>", [(1, 1)])])
    assert "<script>" not in drawn
    assert ET.fromstring(drawn).tag.endswith("svg")


def test_without_a_folder_the_own_log_is_replayed_and_plotted(tmp_path, monkeypatch):
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "data"))
    bootstrap.reset()
    run(lambda deps: logged(deps.store, 2000))
    bootstrap.reset()
    done = CliRunner().invoke(main, ["simulate", "--plots", str(tmp_path / "plots")])
    bootstrap.reset()
    assert done.exit_code == 0, done.output
    assert len([line for line in done.output.splitlines() if " to " in line]) > 15
    for name in ("learning_curve.svg", "own_frontier.svg"):
        assert ET.fromstring((tmp_path / "plots" / name).read_text()).tag.endswith("svg")


def test_a_log_that_supports_no_estimate_is_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("WHETSTONE_DATA_DIR", str(tmp_path / "data"))
    bootstrap.reset()
    run(lambda deps: logged(deps.store, 20))
    bootstrap.reset()
    done = CliRunner().invoke(main, ["simulate", "--plots", str(tmp_path / "plots")])
    bootstrap.reset()
    assert done.exit_code == 0, done.output
    assert "learning_curve: nothing to draw" in done.output
