"""A missing backend is a skipped test on a developer's machine, and a failure on CI."""

import pytest

from tests.support.backends import missing


def test_a_missing_backend_fails_on_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no emulator"):
        missing("no emulator")


def test_a_missing_backend_skips_elsewhere(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no emulator"):
        missing("no emulator")
