"""What others wrote is shown and never run; what changed between two texts is told word by word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.console.diff import changes
from functions.console.markdown import TAGS, plain, to_html

ATTACKS = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](https://evil.test/pixel.png)",
    '<img src=x onerror="alert(1)">',
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<iframe src=//evil.test></iframe>",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_runs_or_loads_gets_through(attack):
    shown = to_html(f"Before {attack} after")
    tags = {one.lower() for one in re.findall(r"<\s*/?\s*([a-zA-Z][\w-]*)", shown)}
    assert tags <= TAGS
    assert not re.search(r"<[^>]*(javascript:|data:|\son\w+=|\ssrc=)", shown)


@given(st.text(max_size=200))
def test_only_the_listed_tags_ever_come_out(text):
    tags = {one.lower() for one in re.findall(r"<\s*/?\s*([a-zA-Z][\w-]*)", to_html(text))}
    assert tags <= TAGS


def test_markdown_is_shown_as_what_it_means():
    shown = to_html("# Rule\n\n**Bold** and `code`.\n\n| a | b |\n| - | - |\n| 1 | 2 |")
    for part in ("<h1>Rule</h1>", "<strong>Bold</strong>", "<code>code</code>", "<td>1</td>"):
        assert part in shown


def test_links_open_elsewhere_and_tell_nothing_of_the_page():
    shown = to_html("[x](https://example.org)")
    assert 'target="_blank"' in shown
    assert 'rel="noopener noreferrer nofollow"' in shown


def test_a_change_is_marked_word_by_word():
    assert changes("one two three", "one 2 three") == "one <del>two</del><ins>2</ins> three"


def test_a_very_long_text_is_compared_line_by_line():
    before = "word " * 6_000 + "\nlast\n"
    assert "<del>last\n</del><ins>end\n</ins>" in changes(before, before.replace("last", "end"))


@given(st.text(max_size=80), st.text(max_size=80))
def test_both_texts_can_be_read_from_their_difference(before, after):
    from html import unescape

    shown = str(changes(before, after))
    new = re.sub(r"<del>.*?</del>", "", shown, flags=re.DOTALL)
    old = re.sub(r"<ins>.*?</ins>", "", shown, flags=re.DOTALL)
    assert unescape(re.sub(r"</?ins>", "", new)) == after
    assert unescape(re.sub(r"</?del>", "", old)) == before


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Above **€ 500** ask *the* `lead`.", "Above € 500 ask the lead."),
        ("# Title\n\nFirst\nsecond  line", "Title First second line"),
        ("1. one\n2. two\n\n| a | b |\n| --- | --- |\n| c | d |", "one two a b c d"),
        ("max_instance_count stays", "max_instance_count stays"),
        ("[the rule](https://a.example) <b>holds</b>", "the rule <b>holds</b>"),
        ("```\ncode = 1\n```", "code = 1"),
        ("", ""),
    ],
)
def test_a_list_shows_the_beginning_of_a_text_without_its_marks(text, line):
    assert plain(text) == line


def test_a_long_text_is_cut_at_its_length_and_says_so():
    line = plain("word " * 500, 40)
    assert len(line) <= 40
    assert line.endswith("word…")
