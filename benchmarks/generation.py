"""What a generation client is worth: the same prompts, the same simulated vLLM, one client a row.

    python -m benchmarks.generation --prompts 100 --slots 16
    python -m benchmarks.generation --prompts 60 --slots 16 --kv-tokens 60000 --only window,ours

The server is tests/servers/vllm_simulator.py: R1's lengths, planted loops, language leaks and
missing tags, answers that are a function of the request. It is a fresh process for every client, on
a core of its own where there are two; the client is a process on another. Clients:

  batches-32, batches-500  all samples of a batch are asked, the last is waited for
  rows            as Open-R1's generate_reasoning.py: a row holds its place till its samples are in
  datatrove       InferenceRunner as shipped, checkpoints on (needs aiofiles and aiosqlite)
  window          single requests, as many as slots, whatever the server says
  ours-all        Generate(keep="all"), early stop off: the same work as the others
  ours            Generate(keep=1): adaptive, with early stop

Columns: `steady` and `whole` are decode-slot utilisation, counted by the server in its own ticks,
so what the client wastes shows and what the machine's other users waste does not: from 5 % to 90 %
of the tokens, and from the first request to the last. `seconds` is the client process's time, start
to exit; `late` how long of it the server was not given its core in time; `simulated` the server's
time from the first request to the last, and `ideal` that of the same tokens at full slots. `per
kept` is tokens decoded per prompt with an accepted sample, `oracle` the least for them: samples in
the same order, ended at the first good one, defects cut 512 tokens after they begin. `extra`:
requests that had been asked before. `cut`: defective streams that were closed, `worst` the most
tokens that were decoded of one after its defect began, `clean cut` closed streams without a defect.

Simulated time runs some hundred times faster than a real server's: a step of 0.3 ms stands for
some 30 ms. What a client needs to react thus weighs a hundred times its real weight: where others
use the machine, choose a slower step.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp

from curate.generate import Generate
from curate.generate.rollout import seed_of
from curate.run.ledger import TaskLedger
from curate.sample import Sample, prompt_id
from curate.scorers import ForeignScript, Repetition
from curate.select import Keep
from curate.step import Context
from filters import correct_answer, think_format

ROOT = Path(__file__).parents[1]
MAX_TOKENS = 32_768


@dataclass(frozen=True)
class Case:
    """What a client is given."""

    url: str
    prompts: int
    samples: int
    slots: int
    concurrency: int | None
    folder: Path

    def asked(self) -> list[Sample]:
        problems = [f"What is {17 + i} + {25 + 3 * i}? (#{i})" for i in range(self.prompts)]
        return [
            Sample(prompt_id=prompt_id("bench", p, None), problem=p, answer=str(42 + 4 * i))
            for i, p in enumerate(problems)
        ]

    def bodies(self) -> list[dict[str, Any]]:
        """All requests, prompt by prompt, with the seeds that Generate would take."""
        return [body(p.problem, p.prompt_id, k) for p in self.asked() for k in range(self.samples)]


def body(problem: str, name: str, k: int) -> dict[str, Any]:
    return {
        "model": "m",
        "messages": [{"role": "user", "content": problem}],
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": MAX_TOKENS,
        "seed": seed_of(0, name, k),
    }


async def _batches(case: Case, size: int) -> None:
    bodies = case.bodies()
    async with _session() as session:
        for start in range(0, len(bodies), size):
            batch = bodies[start : start + size]
            await asyncio.gather(*(_post(session, case.url, values) for values in batch))


def batches_32(case: Case) -> None:
    asyncio.run(_batches(case, 32))


def batches_500(case: Case) -> None:
    asyncio.run(_batches(case, 500))


async def _places(case: Case, size: int, places: int) -> None:
    """`places` tasks, each of which asks `size` requests at a time and waits for all of them."""
    bodies = iter(case.bodies())
    async with _session() as session:

        async def work() -> None:
            while group := list(islice(bodies, size)):
                await asyncio.gather(*(_post(session, case.url, values) for values in group))

        await asyncio.gather(*(work() for _ in range(places)))


def rows(case: Case) -> None:
    asyncio.run(_places(case, case.samples, max(1, case.slots // case.samples)))


def window(case: Case) -> None:
    asyncio.run(_places(case, 1, case.concurrency or case.slots))


def datatrove(case: Case) -> None:
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    async def rollout(document: Document, generate: Any, **context: Any) -> Any:
        # A rollout is not told its number, and four equal requests would get one answer.
        k = document.metadata["asked"]
        document.metadata["asked"] += 1
        return await generate(body(document.text, document.metadata["name"], k))

    documents = [
        Document(p.problem, p.prompt_id, metadata={"asked": 0, "name": p.prompt_id})
        for p in case.asked()
    ]
    config = InferenceConfig(
        server_type="endpoint",
        endpoint_url=case.url.removesuffix("/v1"),
        model_name_or_path="m",
        rollouts_per_document=case.samples,
        max_concurrent_generations=case.slots,
    )
    writer = JsonlWriter(
        str(case.folder / "out"), output_filename="${rank}_${chunk_index}.jsonl", compression=None
    )
    runner = InferenceRunner(
        rollout, config, writer, checkpoints_local_dir=str(case.folder / "checkpoints")
    )
    steps: list[Any] = [documents, runner]
    LocalPipelineExecutor(steps, logging_dir=str(case.folder / "logs")).run()


def _generate(case: Case, **changes: Any) -> None:
    step = Generate(
        case.url,
        model="m",
        samples=case.samples,
        accept=[think_format, correct_answer, Keep(Repetition(), 0.9), Keep(ForeignScript())],
        max_tokens=MAX_TOKENS,
        concurrency=case.concurrency,
        store=case.folder / "store",
        **changes,
    )
    ledger = TaskLedger(case.folder / "stage", 0)
    step.prepare(Context(case.folder / "out", case.folder, case.folder, ledger=ledger))
    for _ in step.run(prompt.to_document() for prompt in case.asked()):
        pass
    ledger.commit()


def ours_all(case: Case) -> None:
    _generate(case, keep="all", early_stop=False)


def ours(case: Case) -> None:
    _generate(case, keep=1)


CLIENTS = {
    "batches-32": batches_32,
    "batches-500": batches_500,
    "rows": rows,
    "datatrove": datatrove,
    "window": window,
    "ours-all": ours_all,
    "ours": ours,
}


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
    )


async def _post(session: aiohttp.ClientSession, url: str, values: dict[str, Any]) -> None:
    async with session.post(f"{url}/chat/completions", json=values) as response:
        response.raise_for_status()
        await response.read()


@contextmanager
def simulator(options: Sequence[str]) -> Iterator[str]:
    """The address of a simulated vLLM in a process of its own."""
    command = [sys.executable, "-m", "tests.servers.vllm_simulator", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        try:
            pin(process.pid, 0)
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


def pin(pid: int, which: int) -> None:
    """Gives a process one core, of those that there are."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cores[which % len(cores)]})


def _as_process(name: str, case: Case) -> None:
    pin(0, 1)
    log = os.open(case.folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    CLIENTS[name](case)


def measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One client against a server of its own."""
    names = ("slots", "step_s", "quantum", "loops", "leaks", "missing_tags", "kv_tokens")
    values = {n: getattr(arguments, n) for n in names}
    options = [f"--{n.replace('_', '-')}={v}" for n, v in values.items() if v is not None]
    with tempfile.TemporaryDirectory() as folder, simulator(options) as url:
        a = arguments
        case = Case(url, a.prompts, a.samples, a.slots, a.concurrency, Path(folder))
        client = multiprocessing.get_context("spawn").Process(target=_as_process, args=(name, case))
        start = time.monotonic()
        client.start()
        client.join(a.limit_s)
        seconds = time.monotonic() - start
        if client.exitcode != 0:
            client.kill()
            print((Path(folder) / "log").read_text()[-2000:])
            return {"client": name, "error": f"exit {client.exitcode} after {seconds:.0f} s"}
        with urllib.request.urlopen(url.removesuffix("/v1") + "/sim/stats") as response:
            stats = json.load(response)
    return summary(name, stats, seconds, arguments)


def summary(
    name: str, stats: dict[str, Any], seconds: float, arguments: argparse.Namespace
) -> dict[str, Any]:
    kept, least = oracle(list(stats["asked"].values()))
    decoded = stats["decoded_tokens"]
    ideal = decoded / arguments.slots * arguments.step_s
    simulated = stats["utilisation"]["available_ticks"] / arguments.slots
    simulated *= arguments.step_s * arguments.quantum
    cuts = [
        at - request["defect_at"]
        for request in stats["asked"].values()
        for at in request["cut_at"]
        if request["defect"] and at > request["defect_at"]
    ]
    return {
        "client": name,
        "steady": f"{stats['utilisation']['steady']:.3f}",
        "whole": f"{stats['utilisation']['whole']:.3f}",
        "seconds": f"{seconds:.1f}",
        "late": f"{stats['late_s']:.1f}",
        "simulated": f"{simulated:.1f}",
        "ideal": f"{ideal:.1f}",
        "kept": kept,
        "per kept": f"{decoded / max(kept, 1):,.0f}",
        "oracle": f"{least / max(kept, 1):,.0f}",
        "ratio": f"{decoded / max(least, 1):.2f}",
        "preempted": stats["preemptions"],
        "recomputed": f"{stats['recomputed_tokens']:,}",
        "requests": stats["requests"],
        "extra": stats["requests"] - len(stats["asked"]),
        "cut": len(cuts),
        "worst": max(cuts, default=0),
        "clean cut": stats["aborted"] - len(cuts),
    }


def oracle(asked: list[dict[str, Any]]) -> tuple[int, int]:
    """Prompts with a good sample, and the tokens that all prompts need at least: the samples of a
    prompt come in the order in which they were asked for first.
    """
    solved: set[str] = set()
    least = 0
    for request in asked:
        if request["prompt"] not in solved:
            least += request["needed_tokens"]
        if request["is_good"]:
            solved.add(request["prompt"])
    return len(solved), least


def table(found: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in found for name in row if name != "error"))
    lines = [columns] + [[str(row.get(c, row.get("error", ""))) for c in columns] for row in found]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--concurrency", type=int, help="ours: finds it itself; window: slots")
    parser.add_argument("--kv-tokens", type=int)
    parser.add_argument("--step-s", type=float, default=0.0003)
    parser.add_argument("--quantum", type=int, default=64)
    parser.add_argument("--loops", type=float, default=0.05)
    parser.add_argument("--leaks", type=float, default=0.05)
    parser.add_argument("--missing-tags", type=float, default=0.05)
    parser.add_argument("--limit-s", type=float, default=600.0, help="for one client")
    parser.add_argument("--only", default=",".join(CLIENTS), help=f"of {', '.join(CLIENTS)}")
    arguments = parser.parse_args()
    found = []
    for name in arguments.only.split(","):
        found.append(measure(name, arguments))
        print(table(found[-1:]), flush=True)
    print("\n" + table(found))


if __name__ == "__main__":
    main()
