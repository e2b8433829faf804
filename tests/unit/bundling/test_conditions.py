"""What the chosen adapters rule out does not count; whatever is doubtful does."""

import ast
import textwrap

import pytest

from bundling.conditions import alive, truth

CHOICES = {"store": "firestore", "blobs": "gcs"}


def called(source: str) -> set[str]:
    """Returns the functions that a piece of code can call."""
    tree = ast.parse(textwrap.dedent(source))
    nodes = alive(tree, CHOICES)
    return {node.func.id for node in nodes if isinstance(node, ast.Call)}


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("chosen.store == 'firestore'", True),
        ("settings().chosen.store == 'sqlite'", False),
        ("chosen.store != 'sqlite'", True),
        ("chosen.store in ('sqlite', 'postgres')", False),
        ("chosen.blobs not in {'folder'}", True),
        ("not chosen.store == 'firestore'", False),
        ("chosen.store == 'firestore' and chosen.blobs == 'folder'", False),
        ("chosen.store == 'sqlite' or chosen.blobs == 'gcs'", True),
        ("chosen.store == 'sqlite' and unknown", False),
        ("chosen.store == 'firestore' and unknown", None),
        ("chosen.store == 'sqlite' or unknown", None),
        ("unknown", None),
        ("not unknown", None),
        ("chosen.bus == 'pubsub'", None),
        ("chosen.store == other", None),
        ("chosen.store in (other, 'sqlite')", None),
        ("chosen.store < 'x'", None),
        ("'a' < chosen.store < 'x'", None),
        ("TYPE_CHECKING", False),
        ("typing.TYPE_CHECKING", False),
    ],
)
def test_a_condition_is_judged_only_where_the_choices_tell(condition, value):
    assert truth(ast.parse(condition, mode="eval").body, CHOICES) is value


def test_the_branch_of_another_adapter_does_not_count():
    source = """
    def build():
        if chosen.store == "sqlite":
            embedded()
        elif chosen.store == "firestore":
            cloud()
        else:
            other()
    """
    assert called(source) == {"cloud"}


def test_both_branches_of_any_other_condition_count():
    assert called("if chosen.smtp_host:\n    mail()\nelse:\n    log()") == {"mail", "log"}


def test_what_follows_a_branch_that_surely_returns_does_not_count():
    source = """
    def build():
        if chosen.blobs == "gcs":
            return cloud()
        return embedded()
    """
    assert called(source) == {"cloud"}


def test_what_follows_a_branch_that_may_return_counts():
    source = """
    def build():
        if unknown:
            return one()
        return other()
    """
    assert called(source) == {"one", "other"}


def test_what_follows_two_branches_that_both_return_does_not_count():
    source = """
    def build():
        if unknown:
            return one()
        else:
            raise other()
        never()
    """
    assert called(source) == {"one", "other"}


def test_only_the_case_of_the_chosen_adapter_counts():
    source = """
    def build():
        match chosen.store:
            case "sqlite":
                return embedded()
            case "firestore" | "datastore":
                return cloud()
            case _:
                other()
        never()
    """
    assert called(source) == {"cloud"}


def test_a_case_with_a_guard_and_what_may_follow_it_count():
    source = """
    match chosen.store:
        case "firestore" if unknown:
            one()
        case _:
            other()
    """
    assert called(source) == {"one", "other"}


def test_every_case_counts_where_the_choices_do_not_tell():
    source = """
    match something:
        case "a":
            one()
        case "b":
            other()
    after()
    """
    assert called(source) == {"one", "other", "after"}


def test_a_conditional_expression_is_judged_as_a_statement_is():
    assert called("x = cloud() if chosen.blobs == 'gcs' else embedded()") == {"cloud"}
    assert called("x = one() if unknown else other()") == {"one", "other"}


def test_a_case_whose_pattern_is_not_a_text_may_fit():
    source = """
    match chosen.store:
        case Some():
            one()
        case "firestore":
            cloud()
        case "sqlite":
            embedded()
    """
    assert called(source) == {"one", "cloud"}
