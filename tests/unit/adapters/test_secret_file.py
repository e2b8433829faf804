"""A secret that is made once, whole, and read by every process from then on."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.adapters.secret_file import kept_secret
from shared.errors import CorruptData


def test_a_secret_is_made_once_and_kept(tmp_path):
    path = tmp_path / "data" / "secret"
    first = kept_secret(path)
    assert len(first) >= 32
    assert kept_secret(path) == first
    assert kept_secret(tmp_path / "another") != first


def test_only_its_owner_reads_it_and_nothing_else_stays(tmp_path):
    path = tmp_path / "secret"
    kept_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_all_that_start_together_get_the_same(tmp_path):
    for round_number in range(20):
        path, gate = tmp_path / str(round_number), threading.Barrier(8)

        def start(path=path, gate=gate):
            gate.wait()
            return kept_secret(path)

        with ThreadPoolExecutor(8) as pool:
            secrets = [one.result() for one in [pool.submit(start) for _ in range(8)]]
        assert set(secrets) == {path.read_text()}
        assert len(secrets[0]) >= 32


def test_a_secret_that_an_operator_wrote_is_taken_without_its_line_end(tmp_path):
    path = tmp_path / "secret"
    path.write_text("a secret that someone else has made\n")
    assert kept_secret(path) == "a secret that someone else has made"


@pytest.mark.parametrize("content", ["", "\n", "x" * 31])
def test_a_file_that_was_cut_off_signs_nothing(tmp_path, content):
    path = tmp_path / "secret"
    path.write_text(content)
    with pytest.raises(CorruptData, match=str(path)):
        kept_secret(path)
