"""A TCP proxy in front of one server, which can cut what goes through it.

    proxy.cut_answer_to(b"COMMIT")

The next thing that a client sends with these bytes in it reaches the server, and the answer is
thrown away with the connection.
"""

import asyncio
import contextlib
from typing import Self

HOST = "127.0.0.1"


class CuttingProxy:
    """Passes on what it gets in the running loop; a context manager.

    Args:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._marked: bytes | None = None
        self._held: bytes | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut_answer_to(self, marked: bytes) -> None:
        """Loses the answer to the next message that has these bytes in it."""
        self._marked = marked

    def hold_answer_to(self, marked: bytes) -> None:
        """Keeps back the next message that has these bytes in it, and leaves the connection."""
        self._held = marked

    def cut(self) -> None:
        """Cuts every connection."""
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(HOST, self._upstream)
        self._open |= {writer, to_writer}
        lost = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(reader, to_writer, lost))
                group.create_task(self._answer(to_reader, writer, lost))
        finally:
            for one in (writer, to_writer):
                one.close()
                self._open.discard(one)

    async def _forward(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if self._marked is not None and self._marked in data:
                    self._marked = None
                    lost.set()
                if self._held is not None and self._held in data:
                    self._held = None
                    continue
                to.write(data)
                await to.drain()
        to.close()

    async def _answer(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if lost.is_set():
                    break
                to.write(data)
                await to.drain()
        to.close()
