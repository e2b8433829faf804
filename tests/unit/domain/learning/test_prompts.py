"""The classifier names what is plain, admits what is not, and reads no more than it must."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.prompts import HEAD, PATTERNS, TAIL, classify


@pytest.mark.parametrize(
    ("prompt", "pattern"),
    [
        ("Write a Python function that reverses a linked list.", "code"),
        ("Why does this fail?\n```\nfor (;;) { x(); }\n```", "code"),
        ("def area(r):\n    return r * r\nWhat is wrong here?", "code"),
        ("import numpy\nWhat does that do?", "code"),
        ("Refactor this class to use async await.", "code"),
        ("Fix the bug in my SQL query: SELECT * FROM users WHERE id = 1", "code"),
        ("Solve the equation 3x + 4 = 19.", "math"),
        ("What is the probability of two sixes with two dice?", "math"),
        ("A train goes 60 km in half an hour. How much is 2 * 60?", "math"),
        ("Find the derivative of x^3 + 2.", "math"),
        ("Extract the names from this CSV into a JSON list.", "data"),
        ("Sort the rows of the following table by the second column.", "data"),
        ("Who discovered penicillin?", "factual"),
        ("When was the University of Bologna founded?", "factual"),
        ("What is the capital of Mongolia?", "factual"),
        ("Explain why bees matter, and compare the pros and cons of keeping them.", "reasoning"),
        ("Here is a riddle: what has keys and opens no lock? Reason about it.", "reasoning"),
        ("Summarize this article in two sentences.", "summarization"),
        ("Give me a summary of the main points below.", "summarization"),
        ("Translate 'good morning' into French.", "translation"),
        ("Please provide a translation to German of this letter.", "translation"),
        ("Write a poem about the sea in autumn.", "creative"),
        ("Tell a short story about a dragon who is a fictional accountant.", "creative"),
        ("Hello!", "conversation"),
        ("Hey, how are you today?", "conversation"),
        ("Thanks, bye!", "conversation"),
    ],
)
def test_plain_tasks_are_named(prompt, pattern):
    assert classify(prompt)[0] == pattern


@pytest.mark.parametrize(
    "prompt",
    ["", "   ", "asdf qwer", "blue", "今日は何をしましょうか", "Guten Tag", "2024-01-31", "\ud800"],
)
def test_unclear_prompts_are_other(prompt):
    assert classify(prompt)[0] == "other"


@given(st.text(max_size=400))
def test_any_text_gets_a_known_pattern_and_a_complexity_within_range(text):
    pattern, complexity = classify(text)
    assert pattern in PATTERNS
    assert 0 <= complexity <= 1
    assert classify(text) == (pattern, complexity)


@given(st.text(max_size=300), st.text(max_size=300))
def test_middle_of_a_long_prompt_is_not_read(one, other):
    head, tail = "Translate this. ".ljust(HEAD), "x" * TAIL
    assert (
        classify(head + one.ljust(300) + tail)[0]
        == classify(head + other.ljust(300) + tail)[0]
        == "translation"
    )


def test_task_at_the_end_of_a_long_prompt_is_seen():
    assert classify("word " * 20_000 + "Summarize the main points above.")[0] == "summarization"


def test_case_does_not_matter():
    assert classify("TRANSLATE THIS INTO SPANISH") == classify("translate this into spanish")


def test_empty_prompt_is_trivial():
    assert classify("")[1] == classify(" \n")[1] == 0
    assert 0 < classify("今日は")[1] < 0.5


def test_demanding_prompts_are_more_complex():
    simple = classify("Who wrote Faust?")[1]
    hard = classify(
        "Design a fault-tolerant replication protocol. You must justify each step, compare at "
        "least three alternatives, derive the message complexity, and prove safety assuming crash "
        "faults. Which constraints can be relaxed, and why? What are the implications?" * 3
    )[1]
    assert simple < 0.35
    assert hard > 0.7


def test_words_inside_other_words_tell_nothing():
    assert classify("The happening was at the capitalist classroom") == (
        "other",
        classify("The happening was at the capitalist classroom")[1],
    )


@pytest.mark.parametrize(
    "prompt",
    ["From my notes: the sea was calm (very)", "import duties, and so on", "Let me be: calm"],
)
def test_lines_of_prose_are_not_taken_for_code(prompt):
    assert classify(prompt)[0] != "code"
