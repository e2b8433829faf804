"""The commit is read from the files of a checkout, whichever way git keeps it."""

import subprocess

import pytest

from shared.adapters.commit_git import read_commit


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_branch_gives_its_commit(checkout):
    assert read_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_packed_branch_gives_its_commit(checkout):
    git(checkout, "tag", "other")
    git(checkout, "pack-refs", "--all")
    assert read_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_detached_head_gives_its_commit(checkout):
    git(checkout, "checkout", "-q", "--detach")
    assert read_commit(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_linked_work_tree_gives_its_own_commit(checkout, tmp_path):
    linked = tmp_path / "linked"
    git(checkout, "worktree", "add", "-q", "-b", "side", str(linked))
    git(linked, "commit", "-q", "--allow-empty", "-m", "second")
    assert read_commit(linked) == git(linked, "rev-parse", "HEAD") != read_commit(checkout)


def test_no_checkout_and_an_empty_one_give_none(tmp_path):
    assert read_commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert read_commit(tmp_path) is None


def test_what_is_no_hash_gives_none(checkout):
    (checkout / ".git" / "HEAD").write_text("anything else")
    assert read_commit(checkout) is None
