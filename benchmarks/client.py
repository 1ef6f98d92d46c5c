"""Short requests per second of one client process on one core, and its memory on the way.

    python -m benchmarks.client --requests 20000 --datatrove 2000
    python -m benchmarks.client --requests 200000 --only ours

The server is a bare asyncio protocol in a process and, where there are two, on a core of its own;
it answers every request at once with the same eight tokens, so that only the client is measured.
Every client asks the same distinct questions, `--concurrency` at a time:

  bare        aiohttp, streamed; reads and keeps nothing
  ours        `curate.engines.client.Client` with its store, every answer taken out
  generate    the step `Generate` on top of it, which judges every answer and makes a document of it
  datatrove   InferenceRunner as shipped, checkpoints on (needs aiofiles and aiosqlite)

`req/s` counts from the moment the client's modules are loaded to the end of its process, because
what is still to be written then is work too; `loading` is the time before. `req/cpu s` counts the
client's own processor time only, which says more on a machine that others use. `MB at` is resident
memory at these shares of the time, `MB peak` the most of all. `on disk` is what it left there.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import multiprocessing
import os
import re
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.generation import pin, table
from curate.engines.client import Client
from curate.engines.engine import open_engine
from curate.engines.request import Request
from curate.engines.store import Store
from curate.generate import Generate
from curate.run.ledger import TaskLedger
from curate.sample import Sample, Turn, prompt_id
from curate.scorers import Finished
from curate.select import Keep
from curate.step import Context

TOKENS = ("<think>", "I", " add", " them.", "</think>", "It", " is", " 7.")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Canned(asyncio.Protocol):
    """Answers whatever is posted, streamed or whole, and lists its one model."""

    stream = b""
    whole = b""
    models = b""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n") + 4) > 3:
            head = self._data[:end]
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(self._data) < end + length:
                return
            body, self._data = self._data[end : end + length], self._data[end + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            path = head.split(b" ", 2)[1]
            missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            self._transport.write(self.models if path == b"/v1/models" else missing)
        else:
            is_stream = b'"stream": true' in body or b'"stream":true' in body
            self._transport.write(self.stream if is_stream else self.whole)
        if b"onnection: close" in head:
            self._transport.close()


def _can() -> None:
    """Writes the answers once."""
    usage = {"prompt_tokens": 9, "completion_tokens": len(TOKENS), "total_tokens": 9 + len(TOKENS)}
    same = {"id": "c", "object": "chat.completion.chunk", "model": "m"}
    choices = [{"index": 0, "delta": {"content": t}, "finish_reason": None} for t in TOKENS]
    choices.append({"index": 0, "delta": {"content": ""}, "finish_reason": "stop"})
    events = [{**same, "choices": [choice]} for choice in choices]
    events.append({**same, "choices": [], "usage": usage})
    lines = [b"data: " + json.dumps(e).encode() + b"\n\n" for e in events] + [b"data: [DONE]\n\n"]
    chunks = b"".join(f"{len(line):x}\r\n".encode() + line + b"\r\n" for line in lines)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    Canned.stream = head + b"\r\n" + chunks + b"0\r\n\r\n"
    message = {"role": "assistant", "content": "".join(TOKENS)}
    whole = {"index": 0, "message": message, "finish_reason": "stop"}
    Canned.whole = _json({"id": "c", "model": "m", "choices": [whole], "usage": usage})
    Canned.models = _json({"data": [{"id": "m"}]})


def _json(value: dict[str, Any]) -> bytes:
    body = json.dumps(value).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def serve(port: Any) -> None:
    """The server's process; says its port."""
    pin(0, 0)
    _can()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Canned, "127.0.0.1", 0, backlog=4096)
        port.value = server.sockets[0].getsockname()[1]
        await asyncio.Event().wait()

    asyncio.run(run())


def problems(count: int) -> Iterator[str]:
    return (f"What is 3 + 4? (#{i})" for i in range(count))


def bare(url: str, count: int, concurrency: int, folder: Path) -> None:
    async def work(session: aiohttp.ClientSession, asked: Iterator[str]) -> None:
        for problem in asked:
            messages = [{"role": "user", "content": problem}]
            values = {"model": "m", "messages": messages, "stream": True, "max_tokens": 64}
            async with session.post(f"{url}/chat/completions", json=values) as response:
                async for _ in response.content.iter_any():
                    pass

    async def run() -> None:
        asked = problems(count)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(work(session, asked) for _ in range(concurrency)))

    asyncio.run(run())


def ours(url: str, count: int, concurrency: int, folder: Path) -> None:
    waiting = iter(enumerate(problems(count)))
    with Store(folder / "store") as store:
        engine = open_engine(url, model="m", out=folder, store=store)
        with Client(engine, store, concurrency) as client:
            answered = 0
            while answered < count:
                while client.in_flight < 2 * concurrency and (item := next(waiting, None)):
                    client.ask(item[0], _request(*item))
                client.next()
                answered += 1


def _request(number: int, problem: str) -> Request:
    turn = Turn(role="user", content=problem)
    sampling: dict[str, Any] = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 64}
    return Request(messages=(turn,), model="m", seed=number, **sampling)


def generate(url: str, count: int, concurrency: int, folder: Path) -> None:
    step = Generate(
        url,
        model="m",
        samples=1,
        accept=[Keep(Finished())],
        max_tokens=64,
        concurrency=concurrency,
        store=folder / "store",
    )
    ledger = TaskLedger(folder / "stage", 0)
    step.prepare(Context(folder / "out", folder, folder, ledger=ledger))
    asked = (
        Sample(prompt_id=prompt_id("bench", p, None), problem=p, answer="7")
        for p in problems(count)
    )
    assert sum(1 for _ in step.run(sample.to_document() for sample in asked)) == count
    ledger.commit()


def datatrove(url: str, count: int, concurrency: int, folder: Path) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    async def rollout(document: Document, generate: Any, **context: Any) -> Any:
        messages = [{"role": "user", "content": document.text}]
        return await generate({"messages": messages, "max_tokens": 64})

    config = InferenceConfig(
        server_type="endpoint",
        endpoint_url=url.removesuffix("/v1"),
        model_name_or_path="m",
        max_concurrent_generations=concurrency,
    )
    name = "${rank}_${chunk_index}.jsonl"
    writer = JsonlWriter(str(folder / "out"), output_filename=name, compression=None)
    kept = str(folder / "checkpoints")
    runner = InferenceRunner(rollout, config, writer, checkpoints_local_dir=kept)
    runner.run((Document(p, str(i)) for i, p in enumerate(problems(count))), 0, 1)


CLIENTS = {"bare": bare, "ours": ours, "generate": generate, "datatrove": datatrove}


def work(name: str, url: str, count: int, concurrency: int, folder: Path, loaded: Any) -> None:
    """The client's process."""
    pin(0, 1)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if name == "datatrove":
        importlib.import_module("datatrove.pipeline.inference.run_inference")
    loaded[:] = [time.monotonic(), time.process_time()]
    CLIENTS[name](url, count, concurrency, folder)


def measure(name: str, url: str, count: int, arguments: argparse.Namespace) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        folder, loaded = Path(place), context.Array("d", 2)
        values = (name, url, count, arguments.concurrency, folder, loaded)
        start, cpu = time.monotonic(), _cpu_seconds()
        client = context.Process(target=work, args=values)
        client.start()
        memory = []
        while client.is_alive() and time.monotonic() - start < arguments.limit_s:
            if loaded[0] and (megabytes := _megabytes(client.pid)):
                memory.append(megabytes)
            client.join(0.1)
        client.join(0)
        end, cpu = time.monotonic(), _cpu_seconds() - cpu - loaded[1]
        if client.exitcode != 0:
            client.kill()
            print((folder / "log").read_text()[-2000:])
            return {"client": name, "error": f"exit {client.exitcode} after {end - start:.0f} s"}
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6
    at = [memory[min(int(share * len(memory)), len(memory) - 1)] for share in (0.1, 0.5, 0.9)]
    return {
        "client": name,
        "requests": count,
        "req/s": f"{count / (end - loaded[0]):,.0f}",
        "req/cpu s": f"{count / max(cpu, 0.01):,.0f}",
        "seconds": f"{end - loaded[0]:.1f}",
        "loading": f"{loaded[0] - start:.1f}",
        "MB at 10%, 50%, 90%": ", ".join(f"{m:.0f}" for m in at),
        "MB peak": f"{max(memory):.0f}",
        "MB on disk": f"{size:.1f}",
    }


def _cpu_seconds() -> float:
    """Of the clients that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _megabytes(pid: int | None) -> float:
    """Resident memory of a process; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--datatrove", type=int, default=2000, help="requests for datatrove")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--limit-s", type=float, default=900.0, help="for one client")
    parser.add_argument("--only", default=",".join(CLIENTS), help=f"of {', '.join(CLIENTS)}")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    port = context.Value("i", 0)
    server = context.Process(target=serve, args=(port,), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.05)
    found = []
    for name in arguments.only.split(","):
        count = arguments.datatrove if name == "datatrove" else arguments.requests
        found.append(measure(name, f"http://127.0.0.1:{port.value}/v1", count, arguments))
    server.kill()
    print(table(found))


if __name__ == "__main__":
    main()
