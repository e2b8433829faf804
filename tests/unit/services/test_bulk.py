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
    assert in_bulk(lambda one, two: (gc.isenabled(), one + two), 1, two=2) == (False, 3)
    assert gc.isenabled()


def test_it_goes_on_where_making_failed():
    with pytest.raises(ZeroDivisionError):
        in_bulk(lambda: 1 / 0)
    assert gc.isenabled()


def test_it_goes_on_only_after_the_last_of_those_at_work():
    begun, finish = threading.Event(), threading.Event()

    def slow():
        begun.set()
        finish.wait(10)

    other = threading.Thread(target=in_bulk, args=(slow,))
    other.start()
    begun.wait(10)
    in_bulk(lambda: None)
    assert not gc.isenabled()
    finish.set()
    other.join()
    assert gc.isenabled()


def test_one_that_was_off_stays_off():
    gc.disable()
    in_bulk(lambda: None)
    assert not gc.isenabled()
