"""What Google's client libraries raise, as the errors of the ports."""

import http.client

import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from shared.errors import Unavailable

GOOGLE_ERRORS: tuple[type[Exception], ...] = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)
"""What a call to Google Cloud can raise because of the world: its answer, the way there, who asks.

Everything else is a defect of ours and is not caught.
"""


def unavailable(what: str, error: Exception, *, permission: str = "") -> Unavailable:
    """Returns the error for a call that did not succeed.

    Args:
        what: the thing that was asked, with its name, as the subject of a sentence.
        error: what the library raised; its own text stays out, which may quote the request.
        permission: what the caller needs for this call, to be named where it lacks it.
    """
    if isinstance(error, api.Forbidden | api.PermissionDenied):
        needed = f"; it needs {permission}" if permission else ""
        return Unavailable(f"{what} refuses this service account{needed}")
    if isinstance(error, auth.GoogleAuthError | api.Unauthorized):
        return Unavailable(f"{what} was not asked: this process has no credentials that work")
    if isinstance(error, api.NotFound):
        return Unavailable(f"{what} does not exist; was it made in this project?")
    if isinstance(error, api.GoogleAPICallError) and error.code is not None:
        return Unavailable(f"{what} answered {int(error.code)}")
    return Unavailable(f"{what} does not answer ({type(error).__name__})")
