"""Every transient fault at 5 % each and SIGKILL at random instants: nothing missing, nothing paid
twice."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import zstandard

from curate.engines.segments import entries
from tests.run.conftest import Project
from tests.servers.openai_server import Reply, ScriptedServer

KILLS = int(os.environ.get("CURATE_TEST_KILLS", "3"))
CONCURRENCY = 12
PROMPTS = 400

PIPELINE = """
    from curate import Step, pipeline
    from curate.generate import Generate
    from curate.scorers import MathAnswer, ThinkFormat
    from curate.select import Keep
    from curate.sources import Prompts

    @pipeline
    def fire(engine: str = "local", concurrency: int = 12, out: str = "out") -> list[Step]:
        '''Sums.'''
        rules = [Keep(ThinkFormat()), Keep(MathAnswer())]
        return [Prompts("sums.jsonl"), Generate(engine, model="m@1", samples=4, keep=1,
                accept=rules, concurrency=concurrency, store="store")]
"""

FAULTS = [
    *(Reply(status=code) for code in (408, 409, 425, 500, 502, 503)),
    Reply(status=429, headers={"Retry-After": "0.1"}),
    Reply((), ends="reset"),
    Reply(("<think>",), ends="reset"),
    Reply(("<think>", "1"), ends="close"),
    Reply(("a",), ends="garbage"),
    Reply(content_type="text/html", body="<html>"),
]


def answer(body: dict[str, Any]) -> Reply:
    """Right for two seeds of three."""
    a, b = map(int, re.findall(r"\d+", body["messages"][-1]["content"])[-2:])
    total = a + b + (body["seed"] % 3 == 0)
    return Reply([f"<think>{a} + {b} = {total}.", f"</think>\\boxed{{{total}}}"], delay_s=0.02)


def outcome(out: Path) -> dict[str, tuple[int, str]]:
    """What was kept, by prompt: k and text."""
    found: dict[str, tuple[int, str]] = {}
    for file in sorted(out.glob("**/02-Generate/documents/**/*.jsonl.zst")):
        text = zstandard.open(file, "rt", encoding="utf-8").read()
        for line in text.splitlines():
            row = json.loads(line)
            prompt = row["metadata"]["prompt_id"]
            assert prompt not in found, "an accepted completion twice"
            found[prompt] = row["metadata"]["k"], row["text"]
    return found


def test_faults_and_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("CURATE_TEST_SEED", time.time_ns() % 100_000))
    print(f"seed {seed}")  # noqa: T201
    chance = random.Random(seed)
    project = Project(tmp_path)
    project.write("pipelines/fire.py", PIPELINE)
    problems = [
        {"problem": f"What is {i} + {i * 7}?", "answer": str(8 * i)} for i in range(PROMPTS)
    ]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, problems)))
    faulty = random.Random(seed + 1)

    def script(number: int, body: dict[str, Any]) -> Reply:
        fault = faulty.random() < 0.05 * len(FAULTS)
        return faulty.choice(FAULTS) if fault else answer(body)

    with ScriptedServer(answer_always) as calm:
        reference = project.curate("run", "pipelines/fire.py", f"engine={calm.url}", "out=calm")
        assert reference.returncode == 0, reference.stderr
    (tmp_path / "store").rename(tmp_path / "store-of-calm")
    with ScriptedServer(script) as one, ScriptedServer(script) as two:
        words = ("run", "pipelines/fire.py", f"engine={one.url},{two.url}", "--tasks", "2")
        for _ in range(KILLS):
            run = project.start(*words)
            time.sleep(chance.uniform(1.0, 4.0))
            run.send_signal(signal.SIGKILL)
            run.communicate(timeout=30)
        final = project.curate(*words, timeout_s=300)
        assert final.returncode == 0, final.stderr
    assert outcome(tmp_path / "out") == outcome(tmp_path / "calm"), seed
    for row in json.loads((tmp_path / "out/funnel.json").read_text()):
        assert row["in"] + row["made"] == row["out"] + sum(row["dropped"].values()) + row["failed"]
        assert row["failed"] == 0
    keys = [int(k) for f in (tmp_path / "store").glob("*.records") for k in entries(f)["key"]]
    assert len(set(keys)) == len(keys), "a stored completion was asked for again"
    made = json.loads((tmp_path / "out/funnel.json").read_text())[-1]
    assert (made["step"], made["unit"]) == ("Generate", "samples")
    numbers = made["numbers"]
    assert numbers["retries"] > 0


def answer_always(number: int, body: dict[str, Any]) -> Reply:
    return answer(body)
