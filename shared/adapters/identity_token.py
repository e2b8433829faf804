"""The OIDC token of the service account that this process runs as, from the metadata server.

With it an operator's command calls a job as Cloud Scheduler does, where only service accounts are
believed. https://cloud.google.com/run/docs/authenticating/service-to-service
"""

import http.client
import os
from urllib.parse import urlencode

from shared.errors import Unavailable

PLACE = "/computeMetadata/v1/instance/service-accounts/default/identity"

HOST_VARIABLE = "GCE_METADATA_HOST"
"""Names another metadata server, as it does for Google's own libraries."""

_GOOGLE = {"Metadata-Flavor": "Google"}
_HERE = "metadata.google.internal"
_TIMEOUT_S = 5.0


def identity_token(audience: str) -> str:
    """Returns a token of this process's service account, good for some minutes at least.

    Args:
        audience: whom it is for.

    Raises:
        Unavailable: this machine has no service account.
    """
    host = os.environ.get(HOST_VARIABLE, _HERE)
    connection = http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
    asked = urlencode({"audience": audience, "format": "full"})
    try:
        connection.request("GET", f"{PLACE}?{asked}", headers=_GOOGLE)
        answer = connection.getresponse()
        token = answer.read().decode("latin-1").strip()
    except (OSError, http.client.HTTPException):
        answer, token = None, ""
    finally:
        connection.close()
    if answer is None or answer.status != http.client.OK or not token:
        raise Unavailable(
            f"this machine has no service account whose token opens jobs (asked {host}); run this"
            " where one is, or use: whetstone schedule trigger, with schedule=cloud_scheduler"
        )
    return token
