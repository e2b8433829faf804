"""The lock is read whole, and written in parts."""

from pathlib import Path

import pytest

from bundling.lock import Locked, read_lock, requirements

ROOT = Path(__file__).resolve().parents[3]
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64

LOCK = f"""\
# a comment
Typing_Extensions==4.1.0 ; python_version < '3.13' \\
    --hash={B} \\
    --hash={A}
    # via
    #   other
other==2.0.1 \\
    --hash={A}
    # via project
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK, "utf-8")
    return path


def test_names_are_canonical_and_hashes_sorted(lock):
    assert read_lock(lock) == {
        "typing-extensions": Locked("typing-extensions", "4.1.0", (A, B)),
        "other": Locked("other", "2.0.1", (A,)),
    }


def test_requirements_are_sorted_and_carry_their_hashes(lock):
    text = requirements(read_lock(lock), ["typing-extensions", "other"])
    assert text == (
        f"other==2.0.1 \\\n    --hash={A}\n"
        f"typing-extensions==4.1.0 \\\n    --hash={A} \\\n    --hash={B}\n"
    )


def test_what_is_not_locked_cannot_be_required(lock):
    with pytest.raises(KeyError, match="third"):
        requirements(read_lock(lock), ["third"])


@pytest.mark.parametrize("entry", ["third==1.0\n", f"other==3.0 \\\n    --hash={A}\n"])
def test_a_package_without_hash_or_twice_is_refused(lock, entry):
    lock.write_text(LOCK + entry, "utf-8")
    with pytest.raises(ValueError, match="needs exactly one entry with hashes"):
        read_lock(lock)


def test_the_projects_own_lock_is_read_without_loss():
    text = (ROOT / "requirements.lock").read_text("utf-8")
    locked = read_lock(ROOT / "requirements.lock")
    assert sum(len(one.hashes) for one in locked.values()) == text.count("--hash=sha256:")
