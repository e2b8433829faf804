"""A real browser over a real server, for tests of the pages."""

import pytest

from tests.support.browser import Console, started_browser


@pytest.fixture(scope="module")  # while it runs, no other loop can run in this thread
def browser():
    with started_browser() as found:
        yield found


@pytest.fixture
def console(tmp_path, browser):
    """A console with an empty workspace; its clock moves only when a test says so."""
    with Console(tmp_path, browser) as made:
        yield made
