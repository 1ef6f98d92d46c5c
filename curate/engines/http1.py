"""HTTP/1.1 as the client of one kind of server needs it: keep-alive, streams, and nothing else.

    async with Pool(connect_s=10) as pool:
        async with await pool.request("POST", url, body, headers) as response:
            async for data in response: ...

A short request costs a general library (aiohttp) 0.25 ms of processor time, more than everything
else that happens to it; this costs a third of that (benchmarks/client.py). There are no redirects,
cookies, proxies or compression, on purpose.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Mapping
from urllib.parse import urlsplit

_LONGEST_HEAD = 1 << 16
_MOST_UNREAD = 1 << 20
"""Bytes that may wait for their reader before the server is made to wait."""


class HttpError(OSError):
    """The connection ended, or what came over it was no HTTP."""


class Response:
    """An answer whose head is there; its body comes as one iterates. Leaving it early closes it."""

    def __init__(self, connection: _Connection, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        """By lower-case name."""
        self._connection = connection

    def __aiter__(self) -> Response:
        return self

    async def __anext__(self) -> bytes:
        data = await self._connection.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def read(self, most: int = 1 << 24) -> bytes:
        """The whole body, or its first `most` bytes."""
        parts: list[bytes] = []
        length = 0
        async for data in self:
            parts.append(data)
            length += len(data)
            if length >= most:
                break
        return b"".join(parts)[:most]

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._connection.release()


class Pool:
    """Connections by server; each carries one exchange at a time."""

    def __init__(self, connect_s: float = 10.0) -> None:
        self._connect_s = connect_s
        self._idle: defaultdict[tuple[str, str], list[_Connection]] = defaultdict(list)
        self._all: set[_Connection] = set()
        self._places: dict[str, tuple[tuple[str, str], str]] = {}
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *error: object) -> None:
        for connection in list(self._all):
            connection.abort()
        for _ in range(100):  # the loop, which may end with the caller, has to close each
            if not self._all:
                break
            await asyncio.sleep(0)

    async def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Sends a request and waits for the head of the answer; HttpError or OSError without one.

        A kept connection that the server has closed meanwhile is replaced by a new one, once.
        """
        place, path = self._place(url)
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {place[1]}\r\n"
            f"Accept-Encoding: identity\r\nContent-Type: application/json\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode("latin-1")
        idle = self._idle[place]
        while idle:
            connection = idle.pop()
            if connection.is_open:
                try:
                    return await connection.exchange(head + body)
                except HttpError:
                    if connection.has_answered:
                        raise
        connection = await self._connect(place)
        return await connection.exchange(head + body)

    def opened(self, connection: _Connection) -> None:
        self._all.add(connection)

    def put_back(self, connection: _Connection) -> None:
        self._idle[connection.place].append(connection)

    def forget(self, connection: _Connection) -> None:
        self._all.discard(connection)
        idle = self._idle[connection.place]
        if connection in idle:
            idle.remove(connection)

    async def _connect(self, place: tuple[str, str]) -> _Connection:
        scheme, where = place
        parts = urlsplit(f"//{where}")
        is_tls = scheme == "https"
        if is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(
            lambda: _Connection(self, place),
            parts.hostname or "",
            parts.port or (443 if is_tls else 80),
            ssl=self._tls if is_tls else None,
        )
        try:
            _, connection = await asyncio.wait_for(connecting, self._connect_s)
        except TimeoutError:
            raise ConnectionRefusedError(110, "it does not take connections") from None
        return connection

    def _place(self, url: str) -> tuple[tuple[str, str], str]:
        known = self._places.get(url)
        if known is None:
            parts = urlsplit(url)
            known = (parts.scheme, parts.netloc), parts.path or "/"
            self._places[url] = known
        return known


class _Connection(asyncio.Protocol):
    """One connection: bytes in, the head and body of one answer after the other out."""

    def __init__(self, pool: Pool, place: tuple[str, str]) -> None:
        self.pool, self.place = pool, place
        self.is_open = False
        self.has_answered = False
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._parts: list[bytes] = []
        self._unread = 0
        self._left: int | None = 0
        """Bytes of the body that are to come; None when it ends with the connection."""
        self._is_chunked = False
        self._is_body = False
        self._is_done = True
        self._keeps = True
        self._is_paused = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._response: Response | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.is_open = transport, True
        self.pool.opened(self)  # here, so that one whose maker was cancelled is closed as well

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.pool.forget(self)
        if not self._is_done:
            if self._is_body and self._left is None and not self._is_chunked and exc is None:
                self._is_done = True
            else:
                self._error = HttpError(str(exc) if exc else "the connection was closed")
        self._wake()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        self.has_answered = True
        try:
            self._parse()
        except (ValueError, IndexError) as error:
            self._error = HttpError(f"no HTTP answer: {error}")
            self.abort()
        self._wake()

    async def exchange(self, request: bytes) -> Response:
        """Sends a request, gives the answer as soon as its head is there."""
        assert self._transport is not None
        self._is_done = self._is_body = self._is_chunked = self.has_answered = False
        self._response, self._error, self._buffer = None, None, b""
        self._transport.write(request)
        try:
            while self._response is None:
                if self._error or not self.is_open:
                    raise self._error or HttpError("the connection was closed")
                await self._wait()
        except BaseException:
            self.abort()
            raise
        return self._response

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end."""
        while not self._parts:
            if self._is_done:
                return b""
            if self._error or not self.is_open:
                raise self._error or HttpError("the connection was closed")
            await self._wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._unread = 0
        if self._is_paused and self._transport:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    def release(self) -> None:
        """The answer is done with: the connection is kept if its body was read to the end."""
        if self._is_done and self._keeps and self.is_open and not self._buffer:
            self._parts.clear()
            self.pool.put_back(self)
        else:
            self.abort()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()
        self.is_open = False

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _parse(self) -> None:
        if not self._is_body and not self._is_done:
            self._head()
        if self._is_body:
            if self._is_chunked:
                self._chunks()
            elif self._buffer:
                self._take(len(self._buffer) if self._left is None else self._left)
                self._is_done = self._left == 0
        if self._unread > _MOST_UNREAD and self._transport and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _head(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise ValueError("a head without end")
            return
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        self._buffer = self._buffer[end + 4 :]
        version, status = first.split(" ", 2)[:2]
        if not version.startswith("HTTP/1."):
            raise ValueError(first[:60])
        if status.startswith("1"):  # 100 Continue and the like: the answer is yet to come
            return self._head()
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        self._keeps = version != "HTTP/1.0" and headers.get("connection", "").lower() != "close"
        self._is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        self._left = None if length is None else int(length)
        if status in ("204", "304"):
            self._left, self._is_chunked = 0, False
        self._is_body = True
        self._is_done = self._left == 0 and not self._is_chunked
        self._left = 0 if self._is_chunked else self._left
        self._response = Response(self, int(status), headers)

    def _take(self, count: int) -> None:
        """Moves up to `count` bytes from the buffer to the reader."""
        data = self._buffer[:count]
        self._buffer = self._buffer[count:]
        if data:
            self._parts.append(data)
            self._unread += len(data)
        if self._left is not None:
            self._left -= len(data)

    def _chunks(self) -> None:
        """`_left` is what is left of the present chunk with its line end, which is left out."""
        while not self._is_done:
            assert self._left is not None
            if self._left > 2:
                here = self._left - 2
                self._take(min(here, len(self._buffer)))
                if self._left > 2:
                    return
            if self._left:
                if len(self._buffer) < 2:
                    return
                if self._buffer[:2] != b"\r\n":
                    raise ValueError("a chunk without its end")
                self._buffer, self._left = self._buffer[2:], 0
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > 4096:
                    raise ValueError("no length of a chunk")
                return
            size = int(self._buffer[:end].split(b";")[0], 16)
            if size:
                self._buffer, self._left = self._buffer[end + 2 :], size + 2
            elif self._trailer(end + 2):
                self._is_done = True
            else:
                return

    def _trailer(self, start: int) -> bool:
        """Skips what follows the last chunk; False when it is not all there."""
        if self._buffer[start : start + 2] == b"\r\n":
            self._buffer = self._buffer[start + 2 :]
            return True
        end = self._buffer.find(b"\r\n\r\n", start)
        if end < 0:
            return False
        self._buffer = self._buffer[end + 4 :]
        return True
