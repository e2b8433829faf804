"""Each error has its status, and the document tells what the error tells."""

import json

import pytest

from shared import errors
from shared.web import problems


def every_error(kind=errors.WhetstoneError):
    """Yields the errors of the tree; an adapter may have kinds of its own below them."""
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
        yield from every_error(one)


def make(kind):
    more = {"retry_after_s": 1.0} if kind is errors.RateLimited else {}
    return kind("what happened", **more)


@pytest.mark.parametrize("kind", sorted(every_error(), key=lambda one: one.__name__))
def test_each_error_has_a_status_of_its_own(kind):
    status, body, _ = problems.problem(make(kind))
    document = json.loads(body)
    assert problems.STATUS[kind] == status == document["status"]
    assert document["detail"] == "what happened"
    assert document["errors"] == []


def test_a_new_kind_of_a_known_error_has_its_status():
    class Claimed(errors.Conflict):
        """Somebody else has it."""

    status, body, _ = problems.problem(Claimed("no"))
    assert status == 409
    assert json.loads(body)["type"] == "urn:whetstone:problem:claimed"
    assert problems.problem(errors.WhetstoneError("?"))[0] == 500


def test_facts_are_members_but_never_take_the_place_of_the_standard_ones():
    error = errors.Conflict("no", facts={"state": "approved", "status": 1, "type": "x"})
    document = json.loads(problems.problem(error)[1])
    assert document["state"] == "approved"
    assert (document["status"], document["type"]) == (409, "urn:whetstone:problem:conflict")
    assert list(document)[:3] == ["type", "title", "status"]


@pytest.mark.parametrize(
    ("wait_s", "header"), [(0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (57.0, b"57")]
)
def test_retry_after_is_whole_seconds_rounded_up(wait_s, header):
    error = errors.RateLimited("slow down", retry_after_s=wait_s)
    assert dict(problems.problem(error)[2])[b"retry-after"] == header


def test_what_may_work_later_says_so():
    assert dict(problems.problem(errors.Unavailable("later"))[2]) == {b"retry-after": b"1"}


def test_text_that_utf8_cannot_carry_does_not_break_the_document():
    error = errors.InvalidInput.field("/\ud800", "\udfff")
    assert json.loads(problems.problem(error)[1])["errors"][0]["pointer"] == "/\ud800"
