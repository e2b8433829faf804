"""What the demo tells the monitor of the models that it asks."""

from demo.dataset import Model, Prompt
from demo.routing import accuracy_points

MODELS = [Model("one", "small", 1, 1), Model("two", "large", 2, 2), Model("two", "idle", 2, 2)]


def prompt(*correct):
    return Prompt("1", "law", "Which?", correct, (1, 1, 1), (0.1, 0.1, 0.1))


def test_each_asked_model_is_told_with_its_share_of_right_answers():
    drawn = [(prompt(True, False, True), place) for place in (0, 1)]
    drawn += [(prompt(False, False, True), 0)]
    told = {one["model"]: one["value"] for one in accuracy_points(MODELS, drawn)}
    assert told == {"small": 0.5, "large": 0.0}
