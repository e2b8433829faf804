"""Stand between the functions and the emulators, hand everything on, and count what is billed.

The functions run as they are deployed and know nothing of this: only the addresses of the
emulators, which they read from the environment, are ours. Invariant: what a proxy hands on is what
it got, and a call is counted once it has succeeded.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

import aiohttp
import grpc  # type: ignore[import-untyped]
from aiohttp import web
from google.pubsub_v1.types import PublishRequest, PublishResponse
from yarl import URL

from bench import billing
from bench.billing import FirestoreBill, Tally
from localcloud.process import HOST, free_ports

_STREAMED = frozenset(("BatchGetDocuments", "RunQuery", "RunAggregationQuery"))
_LARGEST = 64 * 1024 * 1024
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_NOT_HANDED_ON = frozenset(("host", "content-length", "transfer-encoding", "connection"))
_START_S = 10.0

Grpc = Any
"""What grpc gives and takes: it has no types."""

Where = Callable[[], str]
"""Gives host:port of the real server; asked at the first call."""


class Recorder:
    """Four proxies in a thread, and what they have counted; a context manager.

    Args:
        firestore: where Firestore is.
        pubsub: where Pub/Sub is.
        storage: where Cloud Storage is.
        pushes: where pushes go on.
    """

    def __init__(
        self,
        firestore: Where,
        pubsub: Where | None = None,
        storage: Where | None = None,
        pushes: Where | None = None,
    ) -> None:
        self._where = {"firestore": firestore, "pubsub": pubsub}
        self._http = {"storage": storage, "push": pushes}
        names = ("firestore", "pubsub", "storage", "push")
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._guard = threading.Lock()
        self._tally = Tally()
        self._running = 0
        self._last_s = time.monotonic()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_START_S):
            raise RuntimeError("the counting proxies did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_START_S)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client go through here."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.address("firestore"),
            "PUBSUB_EMULATOR_HOST": self.address("pubsub"),
            "STORAGE_EMULATOR_HOST": f"http://{self.address('storage')}",
        }

    def address(self, name: str) -> str:
        """Returns where a proxy listens: firestore, pubsub, storage or push."""
        return f"{HOST}:{self._ports[name]}"

    def take(self) -> Tally:
        """Returns what was counted since the last time."""
        with self._guard:
            taken, self._tally = self._tally, Tally()
        return taken

    def counted(self) -> Tally:
        """Returns what was counted since the last `take`."""
        with self._guard:
            return Tally(self._tally)

    def quiet_s(self) -> float:
        """Returns for how many seconds there was no call, 0 where one runs."""
        with self._guard:
            return 0.0 if self._running else time.monotonic() - self._last_s

    # --- in the thread --------------------------------------------------------------------------

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            for name, where in self._where.items():
                if where is not None:
                    server = grpc.aio.server(options=_OPTIONS)
                    server.add_generic_rpc_handlers((_Calls(self, name, where),))
                    server.add_insecure_port(self.address(name))
                    await server.start()
                    stack.push_async_callback(server.stop, None)
            session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            for name, found in self._http.items():
                if found is not None:
                    await self._listen(stack, name, _Requests(self, name, found, session).answer)
            self._ready.set()
            await self._end.wait()

    async def _listen(
        self,
        stack: AsyncExitStack,
        name: str,
        answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> None:
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, self._ports[name]).start()

    def began(self) -> None:
        """Notes that a call runs."""
        with self._guard:
            self._running += 1

    def ended(self, billed: Tally | None) -> None:
        """Notes that a call has ended, and what it is billed as; None where it failed."""
        with self._guard:
            self._running -= 1
            self._last_s = time.monotonic()
            if billed is not None:
                self._tally.update(billed)


class _Calls(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Hands gRPC calls on as bytes."""

    def __init__(self, recorder: Recorder, name: str, where: Where) -> None:
        self._recorder = recorder
        self._billed = FirestoreBill().call if name == "firestore" else _pubsub
        self._where = where
        self._channel: Grpc = None

    def service(self, handler_call_details: Grpc) -> Grpc:
        """See grpc.GenericRpcHandler."""
        method: str = handler_call_details.method

        async def one(request: bytes, context: Grpc) -> bytes:
            answers = [answer async for answer in self._answers(method, request, context)]
            return answers[0]

        async def many(request: bytes, context: Grpc) -> AsyncIterator[bytes]:
            async for answer in self._answers(method, request, context):
                yield answer

        if _short(method) in _STREAMED:
            return grpc.unary_stream_rpc_method_handler(many)
        return grpc.unary_unary_rpc_method_handler(one)

    async def _answers(self, method: str, request: bytes, context: Grpc) -> AsyncIterator[bytes]:
        metadata = [
            (key, value)
            for key, value in context.invocation_metadata()
            if key != "user-agent" and not key.startswith("grpc-")
        ]
        answers: list[bytes] = []
        billed: Tally | None = None
        self._recorder.began()
        try:
            if _short(method) in _STREAMED:
                async for answer in self._connected().unary_stream(method)(
                    request, metadata=metadata
                ):
                    answers.append(answer)
                    yield answer
            else:
                answers.append(
                    await self._connected().unary_unary(method)(request, metadata=metadata)
                )
                yield answers[0]
            billed = self._billed(_short(method), request, answers)
        except grpc.aio.AioRpcError as error:
            trailing = tuple((key, value) for key, value in error.trailing_metadata() or ())
            await context.abort(error.code(), error.details(), trailing)
        finally:
            self._recorder.ended(billed)

    def _connected(self) -> Grpc:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._where(), options=_OPTIONS)
        return self._channel


class _Requests:
    """Hands HTTP requests on."""

    def __init__(
        self, recorder: Recorder, name: str, where: Where, session: aiohttp.ClientSession
    ) -> None:
        self._recorder = recorder
        self._name = name
        self._where = where
        self._session = session

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Returns what the server answers."""
        body = await request.read()
        real = self._where()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_HANDED_ON}
        billed: Tally | None = None
        self._recorder.began()
        try:
            async with self._session.request(
                request.method,
                URL(f"http://{real}{request.raw_path}", encoded=True),
                data=body,
                headers=headers,
            ) as got:
                data = await got.read()
                if got.ok:
                    billed = self._tally(request, body)
                own = self._recorder.address(self._name)
                if "json" in got.headers.get("Content-Type", ""):
                    data = data.replace(real.encode(), own.encode())  # addresses of objects
                kept = {k: v for k, v in got.headers.items() if k.lower() not in _NOT_HANDED_ON}
                return web.Response(status=got.status, body=data, headers=kept)
        finally:
            self._recorder.ended(billed)

    def _tally(self, request: web.Request, body: bytes) -> Tally:
        if self._name == "storage":
            return billing.storage_call(request.method, request.path)
        message = json.loads(body)["message"]
        data = base64.b64decode(message.get("data", ""))
        return billing.delivered(data, message.get("attributes", {}), message["messageId"])


def _short(method: str) -> str:
    return method.rsplit("/", 1)[-1]


def _pubsub(method: str, request: bytes, answers: Sequence[bytes]) -> Tally:
    if method != "Publish":
        return Tally()
    asked = PublishRequest.deserialize(request)
    ids = PublishResponse.deserialize(answers[0]).message_ids
    return billing.published(asked.topic, asked.messages, ids)
