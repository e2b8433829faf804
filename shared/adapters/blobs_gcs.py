"""Objects in a Cloud Storage bucket: the blobs port on Google Cloud.

The invariant: one call of `put` writes once, or says that it may have. A write under a precondition
is tried again; should the answer to a try that succeeded be lost, the next one meets our own object
and is refused, so each write marks its object with a random token, by which it is known again. A
write without a precondition goes out once: a second one could undo somebody else's.
"""

import asyncio
import base64
import builtins
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import BinaryIO, TypeVar

import google_crc32c
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Blob as GcsObject
from google.cloud.storage import Bucket, Client
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY, ConditionalRetryPolicy
from google.cloud.storage.retry import is_generation_specified as _is_conditional

from shared.adapters.blob_keys import check_key, may_start_a_key
from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable
from shared.errors import AlreadyExists, Conflict, CorruptData, NotFound, Unavailable
from shared.ports import Blob

T = TypeVar("T")

_THREADS = 10  # as many as the library's session keeps connections
_CONNECT_S = 5.0
_TOKEN = "whetstone-write"  # noqa: S105 - the name of an object's mark, nothing secret
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0
_CHUNK_BYTES = 8 << 20  # of an upload; the library's own are 100 MB, and in memory
_FILE_TIMES = 10
"""How many times as long as another call one may take that sends or gets a whole file."""


class GcsBlobs:
    """`Blobs` in a bucket, for any number of threads, processes and event loops.

    Args:
        bucket: its name; it exists.
        project: whose quota pays; found from the credentials where None.
        prefix: what the names of all objects start with, before the key.
        deadline_s: seconds that one call may take with all its tries.
        endpoint: another server than Google's; without credentials where it is plain http.
    """

    def __init__(
        self,
        bucket: str,
        *,
        project: str | None = None,
        prefix: str = "",
        deadline_s: float = 30.0,
        endpoint: str | None = None,
    ) -> None:
        self._name = bucket
        self._project = project
        self._prefix = prefix
        self._deadline_s = deadline_s
        self._endpoint = endpoint
        self._what = f"the bucket {bucket}"
        self._timeout = (min(_CONNECT_S, deadline_s), deadline_s)
        self._retry = DEFAULT_RETRY.with_delay(
            initial=_FIRST_WAIT_S, maximum=_LONGEST_WAIT_S, multiplier=2
        ).with_timeout(deadline_s)
        self._retry_if_conditional = ConditionalRetryPolicy(
            self._retry, _is_conditional, ["query_params"]
        )
        self._making = threading.Lock()
        self._client: Client | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="gcs")

    async def put(self, key: str, data: bytes, *, if_generation: int | None = 0) -> int:
        check_key(key)
        return await self._call(
            "storage.objects.create (and .delete, to replace one)",
            lambda: self._put(key, data, if_generation),
        )

    async def get(self, key: str) -> Blob:
        check_key(key)
        return await self._call("storage.objects.get", lambda: self._get(key))

    async def put_file(self, key: str, file: BinaryIO) -> int:
        check_key(key)
        return await self._call(
            "storage.objects.create", lambda: self._upload(key, file, 0), times=_FILE_TIMES
        )

    async def get_file(self, key: str, file: BinaryIO) -> int:
        check_key(key)
        return await self._call(
            "storage.objects.get", lambda: self._fetch(key, file), times=_FILE_TIMES
        )

    async def delete(self, key: str) -> None:
        check_key(key)
        await self._call(
            "storage.objects.get and .delete",
            lambda: self._delete(key),
        )

    async def list(self, prefix: str, *, limit: int = 500, after: str = "") -> list[str]:
        if limit < 1 or not may_start_a_key(prefix):
            return []
        return await self._call("storage.objects.list", lambda: self._list(prefix, limit, after))

    async def ping(self) -> None:
        """Returns when the bucket answers.

        Raises:
            Unavailable: it does not.
        """
        await self._call("storage.objects.list", lambda: self._list("", 1, ""))

    async def close(self) -> None:
        """Lets go of the connections."""
        self._threads.shutdown(wait=False)
        if self._client is not None:
            self._client.close()

    def _put(self, key: str, data: bytes, if_generation: int | None) -> int:
        return self._upload(key, BytesIO(data), if_generation)

    def _upload(self, key: str, stream: BinaryIO, if_generation: int | None) -> int:
        checksum = _crc32c(stream)
        blob = self._blob(key)
        blob.chunk_size = _CHUNK_BYTES
        token = os.urandom(16).hex()
        blob.metadata = {_TOKEN: token}
        try:
            blob.upload_from_file(
                stream,
                rewind=True,
                size=stream.tell(),
                content_type="application/octet-stream",
                if_generation_match=if_generation,
                checksum="crc32c",
                timeout=self._timeout,
                retry=self._retry_if_conditional,
            )
        except api.PreconditionFailed:
            return self._own_generation(key, token, if_generation)
        except DataCorruption:  # of many parts; the library has removed it
            raise _stored_otherwise(key) from None
        if blob.crc32c != checksum:
            raise _stored_otherwise(key)
        return int(blob.generation)

    def _own_generation(self, key: str, token: str, if_generation: int | None) -> int:
        """Returns the generation of the object, where it is the one that `token` wrote."""
        found = self._found(key)
        if found is not None and (found.metadata or {}).get(_TOKEN) == token:
            return int(found.generation)
        if if_generation == 0:
            raise AlreadyExists(f"the object {key} exists")
        generation = found.generation if found is not None else 0
        raise Conflict(f"the object {key} has generation {generation}, not {if_generation}")

    def _get(self, key: str) -> Blob:
        stream = BytesIO()
        generation = self._fetch(key, stream)
        return Blob(stream.getvalue(), generation)

    def _fetch(self, key: str, stream: BinaryIO) -> int:
        try:
            return self._download(key, stream)
        except CorruptData:
            return self._download(key, stream)  # once more: it may have happened on the way

    def _download(self, key: str, stream: BinaryIO) -> int:
        stream.seek(0)
        stream.truncate()
        blob = self._blob(key)
        try:
            blob.download_to_file(
                stream,
                raw_download=True,
                checksum="crc32c",
                timeout=self._timeout,
                retry=self._retry,
            )
        except DataCorruption:
            raise CorruptData(f"the object {key} does not match its checksum") from None
        except api.NotFound:
            raise NotFound(f"there is no object {key}") from None
        if blob.crc32c != _crc32c(stream) or blob.generation is None:
            raise CorruptData(f"the object {key} came without its checksum and generation")
        return int(blob.generation)

    def _delete(self, key: str) -> None:
        """Removes the generation that is there now, so that a second try removes no later one."""
        found = self._found(key)
        if found is None:
            return
        try:
            found.delete(
                if_generation_match=found.generation, timeout=self._timeout, retry=self._retry
            )
        except (api.NotFound, api.PreconditionFailed):
            return  # removed or replaced since: what was there when we were asked is gone

    def _list(self, prefix: str, limit: int, after: str) -> builtins.list[str]:
        start = self._prefix + after
        found = self._bucket().list_blobs(
            prefix=self._prefix + prefix,
            start_offset=start,
            max_results=limit + 1,
            page_size=min(limit + 1, 1000),
            fields="items(name),nextPageToken",
            timeout=self._timeout,
            retry=self._retry,
        )
        names = (blob.name for blob in found if blob.name > start)
        return [name.removeprefix(self._prefix) for name in itertools.islice(names, limit)]

    def _found(self, key: str) -> GcsObject | None:
        return self._bucket().get_blob(self._prefix + key, timeout=self._timeout, retry=self._retry)

    def _blob(self, key: str) -> GcsObject:
        return self._bucket().blob(self._prefix + key)

    def _bucket(self) -> Bucket:
        with self._making:
            if self._client is None:
                self._client = self._connect()
                # The library would look up the bucket's project and place, in a thread of its own,
                # for traces that nobody reads and with a permission that nobody else here needs.
                self._client._bucket_metadata_cache = None  # noqa: SLF001 - no public switch
        return self._client.bucket(self._name)

    def _connect(self) -> Client:
        if self._endpoint is None:
            return Client(project=self._project)
        plain = self._endpoint.startswith("http://")
        return Client(
            project=self._project or "local",
            credentials=AnonymousCredentials() if plain else None,
            client_options={"api_endpoint": self._endpoint},
        )

    async def _call(self, permission: str, work: Callable[[], T], *, times: int = 1) -> T:
        """Runs `work` in a thread, within so many deadlines, and translates what it raises."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(times * self._deadline_s):
                return await loop.run_in_executor(self._threads, work)
        except TimeoutError:
            raise Unavailable(
                f"{self._what} did not answer within {times * self._deadline_s:g} seconds; "
                "what was asked may have happened"
            ) from None
        except GOOGLE_ERRORS as error:
            raise unavailable(self._what, error, permission=permission) from error


def _stored_otherwise(key: str) -> CorruptData:
    return CorruptData(f"the object {key} was stored with another checksum than it was sent")


def _crc32c(stream: BinaryIO) -> str:
    """Returns the checksum of all bytes, read to their end, as Cloud Storage writes it.

    That is in base64, the highest byte first.
    """
    checksum = 0
    stream.seek(0)
    while chunk := stream.read(_CHUNK_BYTES):
        checksum = google_crc32c.extend(checksum, chunk)
    return base64.b64encode(checksum.to_bytes(4)).decode()
