"""A thread that does one thing after the other for an event loop.

What an executor with one worker does, without its locks: handing over and back costs a few
microseconds, which shows where it happens for every commit.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Work = tuple["asyncio.Future[None]", Callable[..., object], tuple[Any, ...]]


class OneThread:
    """Runs calls in order, off the loop.

    Args:
        name: of the thread, which starts with the first call.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[..., object], *arguments: object) -> None:
        """Returns once the call is done; raises what it raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put((done, call, arguments))
        await done

    def end(self) -> None:
        """Waits for the calls that were given, then ends the thread."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            done, call, arguments = work
            failure: BaseException | None = None
            try:
                call(*arguments)
            except BaseException as error:  # noqa: BLE001 -- it belongs to who waits for the call
                failure = error
            done.get_loop().call_soon_threadsafe(_settle, done, failure)


def _settle(done: "asyncio.Future[None]", failure: BaseException | None) -> None:
    if done.done():  # who waited was cancelled
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
