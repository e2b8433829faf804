"""How the demo puts its agents into teams."""

import random

from demo.dataset import Picture
from demo.trust import TEAM, stated, teams

PICTURES = [Picture("1", "1", "1011000"), Picture("2", "0", "1010101")]


def test_every_agent_looks_at_every_picture_once():
    tasks = teams(PICTURES, random.Random(1))
    for picture in PICTURES:
        places = [place for task in tasks if task.picture is picture for place in task.places]
        assert sorted(places) == list(range(7))


def test_teams_have_their_size_but_for_the_last_one():
    sizes = [len(task.places) for task in teams(PICTURES[:1], random.Random(1))]
    assert sizes == [TEAM, TEAM, 7 - 2 * TEAM]


def test_tasks_have_names_of_their_own_and_the_seed_decides_who_meets():
    one, same, other = (teams(PICTURES, random.Random(seed)) for seed in (1, 1, 2))
    assert len({task.name for task in one}) == len(one)
    assert one == same
    assert one != other


def test_agents_are_as_sure_as_they_were_right_before():
    tasks = teams([PICTURES[0], PICTURES[0]], random.Random(1))
    sure = stated(tasks)
    first, later = {}, {}
    for task in tasks:
        for place in task.places:
            (later if place in first else first)[place] = sure[task.name, place]
    assert set(first.values()) == {0.5}
    labels = PICTURES[0].labels
    assert {place for place, one in later.items() if one == 0.67} == {
        place for place, label in enumerate(labels) if label == "1"
    }
