"""A server that speaks the part of Secret Manager's API that reads a version."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import google_crc32c
import grpc
from google.cloud.secretmanager_v1 import AccessSecretVersionRequest, AccessSecretVersionResponse

_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


class SecretManagerServer:
    """Versions by full name; `latest` is the newest one.

    `failures` are answered first, one a request: a status code, or the name of something that is
    wrong with an otherwise good answer (`checksum`, `no checksum`, `name`).
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: list[grpc.StatusCode | str] = []
        self.disabled: set[str] = set()
        self._versions: dict[str, list[bytes]] = defaultdict(list)
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers([self._handler()])
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, value: bytes, project: str = "local") -> None:
        """Adds a version to a secret, made where there is none."""
        self._versions[f"projects/{project}/secrets/{name}"].append(value)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def _handler(self) -> grpc.GenericRpcHandler:
        access = grpc.unary_unary_rpc_method_handler(
            self._access,
            request_deserializer=AccessSecretVersionRequest.deserialize,
            response_serializer=AccessSecretVersionResponse.serialize,
        )
        return grpc.method_handlers_generic_handler(_SERVICE, {"AccessSecretVersion": access})

    def _access(
        self, request: AccessSecretVersionRequest, context: grpc.ServicerContext
    ) -> AccessSecretVersionResponse:
        self.asked.append(request.name)
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, grpc.StatusCode):
            context.abort(failure, "made to fail")
        routed = dict(context.invocation_metadata()).get("x-goog-request-params", "")
        if "name=" not in routed:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is not routed by name")
        return self._answer(request.name, context, failure)

    def _answer(
        self, asked: str, context: grpc.ServicerContext, wrong: str | None
    ) -> AccessSecretVersionResponse:
        secret, _, version = asked.partition("/versions/")
        versions = self._versions.get(secret, [])
        number = len(versions) if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such version")
        name = f"{secret}/versions/{number}"
        if name in self.disabled:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the version is disabled")
        data = versions[number - 1]
        payload: dict[str, object] = {"data": data, "data_crc32c": google_crc32c.value(data)}
        if wrong == "checksum":
            payload["data_crc32c"] = google_crc32c.value(data + b"!")
        if wrong == "no checksum":
            del payload["data_crc32c"]
        if wrong == "name":
            name = f"{secret}-other/versions/{number}"
        return AccessSecretVersionResponse(name=name, payload=payload)
