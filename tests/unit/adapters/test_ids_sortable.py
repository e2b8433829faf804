"""Sortable ids: the time first, then chance."""

from shared.adapters import ids_sortable
from shared.adapters.ids_sortable import SortableIds

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def test_an_id_begins_with_its_millisecond_in_base_32(monkeypatch):
    ids = SortableIds()
    for millisecond in (0, 1, 31, 32, 1023, 1024, 1_763_733_600_123, 2**45 - 1):
        monkeypatch.setattr(ids_sortable.time, "time_ns", lambda now=millisecond: now * 1_000_000)
        prefix, _, rest = ids.new("ent").partition("_")
        number = 0
        for letter in rest[:9]:
            number = number * 32 + LETTERS.index(letter)
        assert (prefix, number, len(rest)) == ("ent", millisecond, 20)


def test_ids_sort_by_time_across_every_step(monkeypatch):
    ids, made = SortableIds(), []
    for millisecond in range(1_763_733_600_000, 1_763_733_605_000, 7):
        monkeypatch.setattr(ids_sortable.time, "time_ns", lambda now=millisecond: now * 1_000_000)
        made.append(ids.new("ent"))
    assert made == sorted(made)
    assert len(set(made)) == len(made)
