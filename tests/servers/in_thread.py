"""An asyncio server in a thread of its own, of which nothing is left open when its block ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Self, TypeVar

T = TypeVar("T")


class InThread:
    """Serves from the beginning of a `with` block to its end; how, `_open` and `_shut` say."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        raise NotImplementedError

    async def _shut(self) -> None:
        raise NotImplementedError

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


async def drop(
    server: asyncio.Server,
    transports: Callable[[], Iterable[asyncio.WriteTransport]],
    tasks: Iterable[asyncio.Task[Any]],
) -> None:
    """Stops to listen and ends what the loop runs: `tasks`, which it cancels, and `transports`.

    It waits for the loop's own tasks, which make transports of what was just accepted. They do not
    close it if the server is closed before: CPython 3.11's `Server._attach` asserts that it is not.
    """
    for listening in server.sockets:
        asyncio.get_running_loop().remove_reader(listening.fileno())
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for transport in transports():
            transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    for transport in transports():
        transport.abort()
    server.close()
