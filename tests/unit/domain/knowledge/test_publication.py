"""Objects of published revisions and their vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.knowledge.publication import (
    blob_key,
    bytes_of_vector,
    vector_key,
    vector_of_bytes,
)
from shared.errors import CorruptData


@given(vector=st.lists(st.floats(width=32, allow_nan=False), max_size=40))
def test_a_vector_is_read_as_it_was_written(vector):
    assert vector_of_bytes(bytes_of_vector(vector)) == tuple(vector)
    assert len(bytes_of_vector(vector)) == 4 * len(vector)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_vector_that_was_cut_off_is_corrupt(size):
    with pytest.raises(CorruptData):
        vector_of_bytes(b"x" * size)


def test_a_vector_lies_beside_its_revision_by_model():
    assert blob_key("w", "ent_1", 2) == "workspaces/w/knowledge/ent_1/2.json"
    assert vector_key("w", "ent_1", 2, "m-64") == "workspaces/w/knowledge/ent_1/2.m-64.f32"
    assert vector_key("w", "ent_1", 2, "n-64") != vector_key("w", "ent_1", 2, "m-64")
