"""Every way in which a call to Google Cloud fails is told in words that say what to do."""

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable

SECRET = "projects/p/secrets/hush"

CASES = [
    (api.Forbidden(SECRET), "the table t refuses this service account; it needs t.read"),
    (api.PermissionDenied(SECRET), "the table t refuses this service account; it needs t.read"),
    (auth.DefaultCredentialsError(SECRET), "no credentials that work"),
    (auth.RefreshError(SECRET), "no credentials that work"),
    (api.Unauthorized(SECRET), "no credentials that work"),
    (api.Unauthenticated(SECRET), "no credentials that work"),
    (api.NotFound(SECRET), "the table t does not exist"),
    (api.ServiceUnavailable(SECRET), "the table t answered 503"),
    (api.TooManyRequests(SECRET), "the table t answered 429"),
    (api.RetryError(SECRET, None), r"the table t does not answer \(RetryError\)"),
    (requests.ConnectionError(SECRET), r"the table t does not answer \(ConnectionError\)"),
    (TimeoutError(SECRET), r"the table t does not answer \(TimeoutError\)"),
]


@pytest.mark.parametrize(("error", "words"), CASES)
def test_a_failure_says_what_failed_and_what_is_needed_but_not_what_was_sent(error, words):
    assert isinstance(error, GOOGLE_ERRORS)
    told = unavailable("the table t", error, permission="t.read")
    with pytest.raises(type(told), match=words) as caught:
        raise told
    assert SECRET not in str(caught.value)


def test_a_refusal_without_a_known_permission_names_none():
    told = unavailable("the table t", api.Forbidden("no"))
    assert told.detail == "the table t refuses this service account"


def test_a_defect_of_ours_is_not_among_the_errors_of_the_world():
    assert not issubclass(TypeError, GOOGLE_ERRORS)
    assert not issubclass(KeyError, GOOGLE_ERRORS)
