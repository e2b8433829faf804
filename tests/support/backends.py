"""Where a test needs a server that this machine does not have."""

import os
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Ends the test: as a failure on CI, which must have everything, elsewhere as skipped.

    Args:
        reason: what is missing, and how to get it.
    """
    if os.environ.get("CI"):
        pytest.fail(f"on CI nothing may be missing: {reason}", pytrace=False)
    pytest.skip(reason)
