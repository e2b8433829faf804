"""CSV: what was in the records is in the cells, and nothing in them is run."""

import csv
import io
from urllib.parse import parse_qsl

import pytest

from shared.messages.learning import PatternsPage
from shared.web.tables import MEDIA, csv_response, next_page


def read(rows):
    """Returns the head and the lines of the file, as a spreadsheet reads them."""
    return list(csv.reader(io.StringIO(csv_response(rows, "agents").body.decode(), newline="")))


def test_a_table_is_a_file_to_keep():
    answer = csv_response([{"a": 1}], "agents")
    assert answer.headers["content-type"] == MEDIA
    assert answer.headers["content-disposition"] == 'attachment; filename="agents.csv"'


def test_each_record_is_a_line_under_the_names_of_its_fields():
    assert read([{"a": 1, "b": "x"}, {"a": 2.5, "b": ""}]) == [["a", "b"], ["1", "x"], ["2.5", ""]]


def test_nested_fields_are_columns_of_their_own_and_lists_one_cell():
    rows = [{"id": "a", "trust": {"overall": 0.5, "trend": {"slope": -0.1}}, "types": ["x", "y"]}]
    head, line = read(rows)
    assert head == ["id", "trust.overall", "trust.trend.slope", "types"]
    assert line == ["a", "0.5", "-0.1", "x; y"]


def test_records_with_other_fields_share_a_head():
    assert read([{"a": 1}, {"b": 2}, {"a": 3, "c": 4}]) == [
        ["a", "b", "c"],
        ["1", "", ""],
        ["", "2", ""],
        ["3", "", "4"],
    ]


def test_no_records_are_an_empty_table():
    assert [line for line in read([]) if line] == []


def test_commas_quotes_line_ends_and_every_script_come_back_as_they_were():
    text = 'one, "two"\nthree; Überprüfung 審査 🙂'
    assert read([{"text": text}])[1] == [text]


@pytest.mark.parametrize(
    "formula",
    ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"],
)
def test_text_that_a_spreadsheet_would_run_is_shown_instead(formula):
    head, line = read([{"name": formula, "names": [formula, "b"], "in": {"x": formula}}])
    assert head == ["name", "names", "in.x"]
    assert line == [f"'{formula}", f"'{formula}; b", f"'{formula}"]


def test_a_name_that_a_spreadsheet_would_run_is_shown_instead():
    assert read([{"=1+1": {"a": 1}}])[0] == ["'=1+1.a"]


@pytest.mark.parametrize("number", [-1, -0.25, 0, 3])
def test_numbers_stay_numbers(number):
    assert read([{"n": number}])[1] == [str(number)]


def test_the_next_page_keeps_the_question_and_moves_the_cursor():
    asked = PatternsPage(limit=2, cursor="old", format="csv", category="expert")
    assert next_page(asked, None) == {}
    [(name, link)] = next_page(asked, "a=&b ü").items()
    assert name == "link"
    target, _, relation = link.removeprefix("<?").partition(">; ")
    assert relation == 'rel="next"'
    assert dict(parse_qsl(target)) == {
        "limit": "2",
        "cursor": "a=&b ü",
        "format": "csv",
        "category": "expert",
    }
