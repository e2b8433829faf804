"""Secrets in Secret Manager. Nothing here keeps a value; see secret_vault."""

import threading

import google_crc32c
import grpc  # type: ignore[import-untyped]
from google.api_core import exceptions as api
from google.api_core import retry as retries
from google.cloud.secretmanager_v1 import (
    AccessSecretVersionResponse,
    SecretManagerServiceClient,
)
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcTransport,
)

from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable
from shared.domain.secrets import SecretReference
from shared.errors import CorruptData, InvalidInput, NotFound, Unavailable

PERMISSION = "secretmanager.versions.access"
_PASSING = (
    api.DeadlineExceeded,
    api.InternalServerError,
    api.ResourceExhausted,
    api.ServiceUnavailable,
)


class SecretManagerSecrets:
    """Implements `ports.Secrets`, for any number of threads.

    Args:
        project: whose secrets are meant where a reference names no project.
        deadline_s: seconds that one reading may take with all its tries.
        endpoint: `host:port` of another server than Google's, asked without encryption.
    """

    def __init__(
        self, project: str, *, deadline_s: float = 10.0, endpoint: str | None = None
    ) -> None:
        self._project = project
        self._deadline_s = deadline_s
        self._endpoint = endpoint
        self._retry = retries.Retry(
            predicate=retries.if_exception_type(*_PASSING),
            initial=0.1,
            maximum=2.0,
            timeout=deadline_s,
        )
        self._making = threading.Lock()
        self._client: SecretManagerServiceClient | None = None

    def read(self, reference: SecretReference) -> str:
        """See Secrets."""
        what = f"the secret {reference.name} (version {reference.version})"
        project = reference.project or self._project
        name = f"projects/{project}/secrets/{reference.name}/versions/{reference.version}"
        try:
            answer = self._connected().access_secret_version(
                name=name, retry=self._retry, timeout=self._deadline_s
            )
        except api.NotFound:
            raise NotFound(f"there is no {what.removeprefix('the ')} in {project}") from None
        except api.FailedPrecondition:
            raise Unavailable(
                f"{what} is disabled or destroyed; enable it, or name another"
            ) from None
        except api.InvalidArgument:
            raise InvalidInput(f"{what} in {project} is refused as a name") from None
        except GOOGLE_ERRORS as error:
            raise unavailable(what, error, permission=PERMISSION) from error
        return _checked(what, reference, answer)

    def close(self) -> None:
        """Lets go of the connection."""
        if self._client is not None:
            self._client.transport.close()

    def _connected(self) -> SecretManagerServiceClient:
        with self._making:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> SecretManagerServiceClient:
        if self._endpoint is None:
            return SecretManagerServiceClient()
        channel = grpc.insecure_channel(self._endpoint)
        return SecretManagerServiceClient(
            transport=SecretManagerServiceGrpcTransport(channel=channel)
        )


def _checked(what: str, reference: SecretReference, answer: AccessSecretVersionResponse) -> str:
    """Returns the value, less one line end, which `echo` leaves behind a secret.

    Raises:
        CorruptData: the answer is of another secret, has no checksum or not that of its bytes, or
            is no text, or is empty: an empty key would verify what anybody signs.
    """
    _, _, named = answer.name.partition("/secrets/")
    name, _, version = named.partition("/versions/")
    if name != reference.name or (reference.pinned and version != reference.version):
        raise CorruptData(f"{what} was asked for, and another one came")
    payload = answer.payload
    if "data_crc32c" not in payload or payload.data_crc32c != google_crc32c.value(payload.data):
        raise CorruptData(f"{what} came without its checksum, or with one that it does not match")
    try:
        value = payload.data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CorruptData(f"{what} is no text in UTF-8") from None
    if not value:
        raise CorruptData(f"{what} is empty")
    return value
