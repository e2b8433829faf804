"""While something is made in bulk the collector rests, and afterwards it is as it was."""

import gc
import threading

import pytest

from shared.services.bulk import in_bulk


@pytest.fixture(autouse=True)
def _collector_on():
    gc.enable()
    yield
    gc.enable()


def test_the_collector_rests_while_something_is_made():
    with in_bulk():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_where_making_failed():
    with pytest.raises(LookupError), in_bulk():
        raise LookupError
    assert gc.isenabled()


def test_it_goes_on_only_after_the_last_of_those_at_work():
    begun, finish = threading.Event(), threading.Event()

    def slow():
        with in_bulk():
            begun.set()
            finish.wait(10)

    other = threading.Thread(target=slow)
    other.start()
    begun.wait(10)
    with in_bulk():
        pass
    assert not gc.isenabled()
    finish.set()
    other.join()
    assert gc.isenabled()


def test_one_that_was_off_stays_off():
    gc.disable()
    with in_bulk():
        pass
    assert not gc.isenabled()
