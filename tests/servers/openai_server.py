"""An OpenAI-compatible server that does what a test tells it to, faults included.

    with ScriptedServer(lambda number, body: Reply(["It is", " 7."])) as server:
        ...server.url, server.requests...

Plain asyncio streams in a thread of its own, so that it can also do what no web framework lets it.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Literal

from tests.servers.in_thread import InThread, drop


@dataclass(frozen=True)
class Reply:
    """What the server does with one request. It streams `content` piece by piece, unless another
    field says otherwise.
    """

    content: Sequence[str] = ("ok",)
    reasoning: Sequence[str] = ()
    reasoning_field: str = "reasoning_content"
    finish_reason: str = "stop"
    usage: bool = True
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    """Sent as it is when the status or the content type is not that of a stream."""
    content_type: str = "text/event-stream"
    delay_s: float = 0.0
    """Before anything is sent."""
    until: Callable[[], bool] = lambda: True
    """Nothing is sent before it is true."""
    pause_s: float = 0.0
    """Between two pieces."""
    ends: Literal["well", "close", "reset", "hang", "drip", "garbage", "error", "hang_done"] = (
        "well"
    )
    """After the last piece: the proper end; a closed connection; a reset; silence; a byte now and
    then; no JSON; an error event; everything, then silence.
    """


_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
Script = Callable[[int, dict[str, Any]], Reply]


class ScriptedServer(InThread):
    """Serves on loopback until the `with` block ends; `script` gets the request's number, from 0,
    and its body.
    """

    def __init__(
        self,
        script: Script = lambda number, body: Reply(),
        *,
        models: Sequence[str] | None = ("m",),
        root: str | None = None,
        metrics: Callable[[], str] | None = None,
    ) -> None:
        super().__init__()
        self.script = script
        self.models = models
        self.root = root
        """What vLLM says is behind a name."""
        self.metrics = metrics
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.busy = self.busiest = 0
        """Requests that wait for their answer to begin, now and at most."""
        self.dropped = 0
        """Streams that the client closed before their end."""
        self.port = 0
        self._exchanges: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def open(self) -> None:
        """Starts to listen, at the same port as before if there was one."""
        self._call(self._open())

    def shut(self) -> None:
        """Stops to listen and drops every connection."""
        self._call(self._shut())

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        def transports() -> list[asyncio.WriteTransport]:
            return [writer.transport for writer in self._exchanges.values()]

        await drop(self._server, transports, self._exchanges)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._exchanges[task] = writer
        task.add_done_callback(self._exchanges.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while await self._exchange(reader, writer):
                    pass
            finally:
                writer.close()
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        data = await reader.readexactly(int(headers.get("content-length", 0)))
        path = first.split()[1]
        if path == "/v1/models":
            self._plain(writer, *self._models())
            return True
        if path == "/metrics":
            self._plain(writer, *((200, self.metrics()) if self.metrics else (404, "")))
            return True
        body = json.loads(data)
        number = len(self.requests)
        self.requests.append(body)
        self.headers.append(headers)
        self.paths.append(path)
        reply = self.script(number, body)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(reply.delay_s)
        while not reply.until():
            await asyncio.sleep(0.01)
        self.busy -= 1
        if reply.status != 200 or reply.content_type != "text/event-stream":
            self._plain(writer, reply.status, reply.body, reply.content_type, reply.headers)
            return True
        return await self._stream(reader, writer, reply, body["model"])

    def _models(self) -> tuple[int, str]:
        if self.models is None:
            return 404, ""
        root = {"root": self.root} if self.root else {}
        return 200, json.dumps({"data": [{"id": name, **root} for name in self.models]})

    def _plain(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: str,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        data = body.encode()
        lines = {"Content-Type": content_type, "Content-Length": len(data), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + data)

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply, model: str
    ) -> bool:
        out = [_STREAM]
        deltas = [{reply.reasoning_field: piece} for piece in reply.reasoning]
        deltas += [{"content": piece} for piece in reply.content]
        for delta in deltas:
            is_raw = self.paths[-1] == "/v1/completions"
            shape = {"text": delta.get("content", "")} if is_raw else {"delta": delta}
            choice = {**shape, "finish_reason": None}
            out.append(_event({"choices": [choice], "model": model}))
            if reply.pause_s:
                writer.write(b"".join(out))
                out.clear()
                await asyncio.sleep(reply.pause_s)
                if reader.at_eof() or writer.transport.is_closing():
                    self.dropped += 1
                    return False
        if reply.ends not in ("well", "hang_done"):
            writer.write(b"".join(out))
            return await self._end_badly(writer, reply)
        out.append(_event({"choices": [{"delta": {}, "finish_reason": reply.finish_reason}]}))
        if reply.usage:
            used = {"prompt_tokens": 5, "completion_tokens": len(deltas)}
            out.append(_event({"choices": [], "usage": used}))
        writer.write(b"".join([*out, _chunk(b"data: [DONE]\n\n")]))
        if reply.ends == "hang_done":
            await asyncio.sleep(60)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _end_badly(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        await writer.drain()
        if reply.ends == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif reply.ends == "garbage":
            writer.write(_chunk(b'data: {"choices": [}\n\n'))
        elif reply.ends == "error":
            writer.write(_event({"error": {"message": "out of memory", "code": 500}}))
        elif reply.ends == "hang":
            await asyncio.sleep(60)
        elif reply.ends == "drip":
            for _ in range(600):
                writer.write(_chunk(b":"))
                await asyncio.sleep(0.1)
        return False


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _event(value: dict[str, Any]) -> bytes:
    return _chunk(b"data: " + json.dumps(value).encode() + b"\n\n")
