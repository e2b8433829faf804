"""`whetstone knowledge embed`: what was published without an embedding gets one."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from shared import bootstrap
from shared.cli.main import main
from shared.errors import Unavailable
from shared.messages.reviewing import Approve
from shared.services import publishing, reviewing
from tests.fakes.word_embedder import WordEmbedder
from tests.support.entries import submit
from tests.support.system import WORKSPACE, System, caller, play


@pytest.fixture
def embed(tmp_path, monkeypatch):
    """Publishes three entries without embeddings; returns how to run the command."""

    async def publish(system):
        for number in range(3):
            entry_id = await submit(system, number)
            ada = caller("ada", role="reviewer")
            await reviewing.decide(
                system.deps, ada, entry_id, Approve(), None, verdict="approve", notes=""
            )
            await publishing.publish_entry(system.deps, WORKSPACE, entry_id)

    play(tmp_path, publish)

    def run(embedder):
        deps = replace(System(tmp_path, seed=1).deps, embedder=embedder)
        with monkeypatch.context() as patched:
            patched.setattr(bootstrap, "deps", lambda: deps)
            return CliRunner().invoke(main, ["knowledge", "embed"])

    return run


def test_all_that_is_published_is_embedded_and_then_nothing_is_left(embed):
    made = WordEmbedder()
    for _ in range(2):
        result = embed(made)
        assert (result.exit_code, result.output) == (
            0,
            "all that is published has an embedding\n",
        )
        assert made.calls == [("document", 3)]


def test_an_embedder_that_is_away_is_told_with_what_is_left(embed):
    made = WordEmbedder()
    made.failure = Unavailable("no answer")
    result = embed(made)
    assert result.exit_code == 1
    assert "3 or more are without an embedding" in result.output


def test_without_an_embedder_it_says_what_to_set(embed):
    result = embed(None)
    assert result.exit_code == 1
    assert "WHETSTONE_EMBEDDER" in result.output
