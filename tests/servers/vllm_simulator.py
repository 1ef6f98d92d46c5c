"""A simulated vLLM: continuous batching, a KV cache that fills up, R1's lengths, defects, faults.

    with VllmSimulator(slots=32, kv_tokens=100_000, loops=0.05, faults={"503": 0.05}) as server:
        ...server.url, server.stats()...

    python -m tests.servers.vllm_simulator --slots 32 --loops 0.05 --fault 503=0.05

Alone it prints its address and serves until it is ended. `GET /sim/stats` is `stats()` as JSON.
Time is scaled: a step, one token for each running request, takes `step_s`, and `quantum` tokens go
out in one event. `stop`, `n` above 1 and log-probabilities are not simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from random import Random
from typing import Any

from tests.servers.in_thread import InThread, drop
from tests.servers.vllm_simulator_answers import Answer, Speech, answer_to, key_of, problem_of
from tests.servers.vllm_simulator_http import AT_ONCE, UNDER_WAY, Connection, Exchange, dump
from tests.servers.vllm_simulator_scheduler import Scheduler


@dataclass(frozen=True, kw_only=True)
class Load(Speech):
    """What is simulated."""

    model: str = "m"
    slots: int = 32
    """vLLM's max_num_seqs."""
    kv_tokens: int | None = None
    """Tokens that the KV cache holds; None: no limit."""
    step_s: float = 0.0003
    quantum: int = 64
    """Tokens an event."""
    prefill: int = 512
    """Tokens of prompts, or of preempted requests, that are computed in a step: 17,000 a second
    where a step takes 30 ms (an assumption).
    """
    reasoning_field: str | None = None
    """`reasoning_content` or `reasoning`: where the reasoning goes, without its tags."""
    faults: Mapping[str, float] = field(default_factory=dict)
    """Share of the requests that meet this fault, of `AT_ONCE` and `UNDER_WAY`."""
    seed: int = 0
    """Of the faults alone: two servers with different ones do not fail the same requests."""
    retry_after_s: float = 1.0
    """Said with 429 and 503."""


@dataclass
class Asked:
    """What is known of the requests of one key."""

    prompt: str
    full_tokens: int
    """Of the whole answer."""
    needed_tokens: int
    """Of them, what an oracle decodes: a defect is cut 512 tokens after its begin."""
    is_right: bool
    is_good: bool
    defect: str | None
    defect_at: int | None
    times: int = 0
    finished: int = 0
    faults: list[str] = field(default_factory=list)
    cut_at: list[int] = field(default_factory=list)
    """Tokens decoded when a client closed the connection."""


class Simulation:
    """The server's state; all of it belongs to one event loop."""

    def __init__(self, load: Load) -> None:
        for name in load.faults:
            if name not in (*AT_ONCE, *UNDER_WAY):
                raise ValueError(f"no fault {name!r}; there are {', '.join(AT_ONCE + UNDER_WAY)}")
        self.load = load
        self.scheduler = Scheduler(load.slots, load.kv_tokens, load.prefill, load.quantum)
        self.connections: set[Connection] = set()
        self.asked: dict[str, Asked] = {}
        self.faults: dict[str, int] = {}
        self.requests = 0
        self.late_s = 0.0
        """By which this process could not keep its own time; simulated time stood still then."""
        self._cached: set[str] = set()
        self._has_work = asyncio.Event()

    async def serve(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self), "127.0.0.1", port, backlog=4096)

    async def run(self) -> None:
        """Ticks while there is work. A tick that comes late is not made up for: time just slows."""
        loop, tick_s = asyncio.get_running_loop(), self.load.step_s * self.load.quantum
        due = loop.time()
        while True:
            if not self.scheduler.has_work:
                self._has_work.clear()
                await self._has_work.wait()
                self.scheduler.idle(int((loop.time() - due) / tick_s))
                due = loop.time()
            self.scheduler.tick()
            due += tick_s
            late_s = max(loop.time() - due, 0.0)
            self.late_s, due = self.late_s + late_s, due + late_s
            await asyncio.sleep(due - loop.time())

    def route(self, connection: Connection, method: str, path: str, data: bytes) -> None:
        if method == "GET" and path == "/health":
            connection.reply(200, b"")
        elif method == "GET" and path == "/metrics":
            connection.reply(200, self._metrics().encode(), "text/plain; version=0.0.4")
        elif method == "GET" and path == "/sim/stats":
            connection.reply(200, dump(self.stats()))
        elif method == "GET" and path == "/v1/models":
            model = {"id": self.load.model, "object": "model", "max_model_len": self._longest()}
            connection.reply(200, dump({"object": "list", "data": [model]}))
        elif method == "POST" and path in ("/v1/chat/completions", "/v1/completions"):
            self._complete(connection, data, "messages" if "chat" in path else "prompt")
        else:
            connection.error(404, f"{method} {path} is not simulated")

    def finished(self, exchange: Exchange) -> None:
        self.asked[exchange.key].finished += 1

    def aborted(self, exchange: Exchange, fault: str | None) -> None:
        """Over before its end: by a fault of ours, or because the client is gone."""
        job = exchange.job
        if fault is None and not job.is_aborted and not job.is_finished:
            self.asked[exchange.key].cut_at.append(job.sent)
        self.scheduler.abort(job)

    def stats(self) -> dict[str, Any]:
        """Counts since the start; `asked` by key."""
        scheduler = self.scheduler
        return {
            "requests": self.requests,
            "running": len(scheduler.running),
            "waiting": len(scheduler.waiting),
            "faults": self.faults,
            "late_s": self.late_s,
            **asdict(scheduler.counters),
            "utilisation": scheduler.utilisation(),
            "asked": {key: asdict(asked) for key, asked in self.asked.items()},
        }

    def _longest(self) -> int:
        """The longest request, prompt included: a longer one would never get through the cache."""
        return min(self.load.longest + 8192, self.load.kv_tokens or sys.maxsize)

    def _complete(self, connection: Connection, data: bytes, asks: str) -> None:
        try:
            body = json.loads(data)
            said = body[asks]
            model, n = body["model"], body.get("n") or 1
            words = said if asks == "prompt" else " ".join(str(m["content"]) for m in said)
            prompt_tokens = len(words.split()) + 4
            wanted = prompt_tokens + (body.get("max_tokens") or 1)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return connection.error(400, f"no request: {error!r}")
        if model != self.load.model:
            return connection.error(404, f"The model `{model}` does not exist.")
        if n != 1 or wanted > self._longest():
            limit = f"maximum context length is {self._longest()} tokens, {wanted} were asked for"
            return connection.error(400, "n must be 1" if n != 1 else limit)
        self._begin(connection, body, prompt_tokens)

    def _begin(self, connection: Connection, body: dict[str, Any], prompt_tokens: int) -> None:
        key = key_of(body)
        answer = answer_to(body, self.load)
        asked = self.asked.get(key) or self.asked.setdefault(key, _asked(body, answer))
        asked.times += 1
        self.requests += 1
        chance = Random(f"{key} {asked.times} {self.load.seed}")
        fault = self._fault(chance)
        if fault:
            self.faults[fault] = self.faults.get(fault, 0) + 1
            asked.faults.append(fault)
        if fault == "content_type":
            return connection.reply(200, b"<html>Bad gateway</html>", "text/html")
        if fault in AT_ONCE:
            is_busy = fault in ("429", "503")
            extra = f"Retry-After: {self.load.retry_after_s:g}\r\n" if is_busy else ""
            return connection.error(int(fault), "simulated", extra)
        strikes = (fault, chance.randrange(len(answer.pieces))) if fault else None
        exchange = Exchange(connection, self, key, body, answer, prompt_tokens, strikes)
        connection.exchange = exchange
        prompt = problem_of(body)
        self.scheduler.submit(exchange.job, is_cached=prompt in self._cached)
        self._cached.add(prompt)
        self._has_work.set()

    def _fault(self, chance: Random) -> str | None:
        left = chance.random()
        for name, share in self.load.faults.items():
            left -= share
            if left < 0:
                return name
        return None

    def _metrics(self) -> str:
        """What vLLM 0.32 says under these names."""
        scheduler, counters = self.scheduler, self.scheduler.counters
        values = {
            "num_requests_running": len(scheduler.running),
            "num_requests_waiting": len(scheduler.waiting),
            "kv_cache_usage_perc": scheduler.used / (self.load.kv_tokens or 1 << 30),
            "num_preemptions_total": counters.preemptions,
            "prompt_tokens_total": counters.prompt_tokens,
            "generation_tokens_total": counters.decoded_tokens,
            "prefix_cache_queries_total": counters.prefix_queries,
            "prefix_cache_hits_total": counters.prefix_hits,
        }
        lines = []
        for name, value in values.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            labels = f'engine="0",model_name="{self.load.model}"'
            lines += [f"# TYPE vllm:{name} {kind}", f"vllm:{name}{{{labels}}} {float(value)}"]
        size = self.load.kv_tokens or 1 << 30
        labels = f'engine="0",block_size="16",num_gpu_blocks="{size // 16}"'
        lines.append(f'vllm:cache_config_info{{{labels},kv_cache_size_tokens="{size}"}} 1.0')
        return "\n".join(lines) + "\n"


def _asked(body: dict[str, Any], answer: Answer) -> Asked:
    return Asked(
        problem_of(body),
        len(answer.pieces),
        answer.needed_tokens,
        answer.is_right,
        answer.is_good,
        answer.defect,
        answer.defect_at,
    )


class VllmSimulator(InThread):
    """Serves on loopback, in a thread, until the `with` block ends; takes the fields of `Load`."""

    def __init__(self, **load: Any) -> None:
        super().__init__()
        self.load = Load(**load)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        async def now() -> dict[str, Any]:
            return self._simulation.stats()

        return self._call(now())

    async def _open(self) -> None:
        self._simulation = Simulation(self.load)
        self._server = await self._simulation.serve(0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._run = asyncio.create_task(self._simulation.run())

    async def _shut(self) -> None:
        def transports() -> list[asyncio.WriteTransport]:
            return [connection.transport for connection in self._simulation.connections]

        await drop(self._server, transports, [self._run])


def _parser() -> argparse.ArgumentParser:
    """An option for each plain field of `Load`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=SHARE")
    for item in fields(Load):
        if item.default is MISSING:
            continue
        kind = int if item.name == "kv_tokens" else str if item.default is None else None
        name = "--" + item.name.replace("_", "-")
        parser.add_argument(name, type=kind or type(item.default), default=item.default)
    return parser


async def _main() -> None:
    values = vars(_parser().parse_args())
    port, faults = values.pop("port"), values.pop("fault")
    shares = {name: float(share) for name, share in (text.split("=") for text in faults)}
    simulation = Simulation(Load(**values, faults=shares))
    server = await simulation.serve(port)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await simulation.run()


if __name__ == "__main__":
    asyncio.run(_main())
