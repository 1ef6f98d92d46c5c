"""One connection to the simulated vLLM: HTTP by hand, so that it can also fail by hand.

The scheduler writes a request's tokens straight into its connection; nothing waits in a task.
"""

from __future__ import annotations

import asyncio
import json
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any

from tests.servers.vllm_simulator_answers import CLOSE, OPEN, Answer
from tests.servers.vllm_simulator_scheduler import Job

if TYPE_CHECKING:
    from tests.servers.vllm_simulator import Simulation

AT_ONCE = ("408", "409", "425", "429", "500", "502", "503", "content_type")
UNDER_WAY = ("reset", "hang", "drip", "garbage", "truncated")
"""Faults that are an answer, and faults that strike somewhere in an answer."""

_DRIP_S = 0.1
_DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


class Connection(asyncio.Protocol):
    """Takes one request after the other; while one is answered, the next waits in the buffer."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._data, self._is_last = b"", False
        self.exchange: Exchange | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._simulation.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._simulation.connections.discard(self)
        if self.exchange:
            self.exchange.abort()

    def finished(self) -> None:
        """The answer is out."""
        self.exchange = None
        if self._is_last:
            self.transport.close()
        self._next()

    def reply(
        self, status: int, body: bytes, content_type: str = "application/json", extra: str = ""
    ) -> None:
        self.transport.write(
            f"HTTP/1.1 {status} Simulated\r\nContent-Type: {content_type}\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def error(self, status: int, message: str, extra: str = "") -> None:
        """An error in the shape that vLLM gives it."""
        kind = {400: "BadRequestError", 404: "NotFoundError"}.get(status, "InternalServerError")
        error = {"message": message, "type": kind, "param": None, "code": status}
        self.reply(status, dump({"error": error}), extra=extra)

    def _next(self) -> None:
        while self.exchange is None:
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            first, *lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._is_last = headers.get("connection") == "close"
            method, path, _ = first.split(" ")
            self._simulation.route(self, method, path.partition("?")[0], rest[:length])
            if self._is_last and self.exchange is None:
                self.transport.close()


class Exchange:
    """One completion on its way out: the tokens as events, or all at the end."""

    def __init__(
        self,
        connection: Connection,
        simulation: Simulation,
        key: str,
        body: dict[str, Any],
        answer: Answer,
        prompt_tokens: int,
        fault: tuple[str, int] | None = None,
    ) -> None:
        """`fault`: a name of `UNDER_WAY`, and the token that it comes before."""
        self._connection, self._simulation, self._answer = connection, simulation, answer
        self.key = key
        self._is_chat = "messages" in body
        self._is_stream = bool(body.get("stream"))
        options = body.get("stream_options") or {}
        self._wants_usage = bool(options.get("include_usage"))
        self._wants_usage_always = bool(options.get("continuous_usage_stats"))
        self._fault, self._is_head_sent = fault, False
        field = simulation.load.reasoning_field
        # Without its opening tag a reasoning parser finds no reasoning.
        self._field = field if self._is_chat and OPEN in answer.pieces[:1] else None
        self.job = Job(prompt_tokens, len(answer.pieces), self._deliver)

    def abort(self, fault: str | None = None) -> None:
        """Over before its end: by a fault, or because the client is gone."""
        self._simulation.aborted(self, fault)

    def _deliver(self, start: int, end: int) -> None:
        """Sends the tokens from `start` to `end`; called by the scheduler."""
        if self._fault and end >= self._fault[1]:
            self._fail(self._fault[0])
            return
        is_last = end == self.job.total
        if self._is_stream:
            out = [] if self._is_head_sent else [self._head()]
            out += [self._event(delta, None) for delta in self._deltas(start, end)]
            if is_last:
                out.append(self._event({"content": ""}, self._answer.finish_reason))
                if self._wants_usage:
                    out.append(self._chunk_of({"choices": [], "usage": self._usage()}))
                out.append(chunk(_DONE) + b"0\r\n\r\n")
            self._connection.transport.write(b"".join(out))
        elif is_last:
            self._connection.reply(200, self._whole())
        if is_last:
            self._simulation.finished(self)
            self._connection.finished()

    def _head(self) -> bytes:
        self._is_head_sent = True
        kind = "text/event-stream; charset=utf-8" if self._is_stream else "application/json"
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", "Transfer-Encoding: chunked", "", ""]
        head = "\r\n".join(lines).encode()
        if not self._is_stream:
            return head
        return head + self._event({"role": "assistant", "content": ""}, None)

    def _deltas(self, start: int, end: int) -> list[dict[str, str]]:
        pieces = self._answer.pieces
        if self._field is None:
            return [{"content": "".join(pieces[start:end])}]
        close = self._answer.closes_at
        close = len(pieces) if close is None else close
        inside = "".join(p for p in pieces[start : min(end, close)] if p != OPEN)
        after = "".join(p for p in pieces[max(start, close) : end] if p != CLOSE)
        said = {self._field: inside, "content": after}
        return [{name: text} for name, text in said.items() if text]

    def _event(self, delta: dict[str, str], finish_reason: str | None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
        if self._is_chat:
            choice["delta"] = delta
        else:
            choice["text"] = delta.get("content", "")
        return self._chunk_of({"choices": [choice]})

    def _chunk_of(self, values: dict[str, Any]) -> bytes:
        kind = "chat.completion.chunk" if self._is_chat else "text_completion"
        values = {"id": "sim", "object": kind, "model": self._simulation.load.model, **values}
        if self._wants_usage_always:
            values["usage"] = self._usage()
        return chunk(b"data: " + dump(values) + b"\n\n")

    def _usage(self) -> dict[str, int]:
        prompt, made = self.job.prompt_tokens, self.job.sent
        return {
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
        }

    def _whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": self._answer.finish_reason}
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        for delta in self._deltas(0, self.job.total):
            message.update(delta)
        if self._is_chat:
            choice["message"] = message
        else:
            choice["text"] = message["content"]
        kind = "chat.completion" if self._is_chat else "text_completion"
        model = self._simulation.load.model
        return dump(
            {
                "id": "sim",
                "object": kind,
                "model": model,
                "choices": [choice],
                "usage": self._usage(),
            }
        )

    def _fail(self, kind: str) -> None:
        """What a server or a proxy does in the middle of an answer; the request is over for it."""
        self.abort(kind)
        transport = self._connection.transport
        if not self._is_head_sent:
            transport.write(self._head())
        if kind == "reset":
            sock = transport.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        elif kind == "garbage":
            transport.write(chunk(b'data: {"choices": [}\n\n') + b"0\r\n\r\n")
            self._connection.finished()
        elif kind == "truncated":
            transport.write(b"0\r\n\r\n")
            transport.close()
        elif kind == "drip":
            self._drip()

    def _drip(self) -> None:
        """A byte now and then, and never a token."""
        if not self._connection.transport.is_closing():
            self._connection.transport.write(chunk(b":\n" if self._is_stream else b" "))
            asyncio.get_running_loop().call_later(_DRIP_S, self._drip)
