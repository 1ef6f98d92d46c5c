"""Runs a pipeline as a user does, against the embedded model or a server that a test scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.servers.openai_server import Reply, ScriptedServer

ROOT = Path(__file__).parents[2]
LIMIT_S = 1_800
"""Four minutes on two idle cores; a busy machine takes its time."""


def finish(pipeline: str, *words: str) -> str:
    """What `curate run pipelines/PIPELINE.py WORDS` says; no benchmark is fetched from the Hub."""
    run = subprocess.run(
        [sys.executable, "-m", "curate.cli", "run", f"pipelines/{pipeline}.py", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr


def by_domain(rows: Sequence[dict[str, Any]]) -> Counter[str]:
    """How many rows each domain has."""
    return Counter(row["domain"] for row in rows)


def answering(answers: Callable[[str, int], str]) -> ScriptedServer:
    """A server that answers a request by its last user turn, and by its place among those to it."""
    seen: Counter[str] = Counter()

    def reply(number: int, body: dict[str, Any]) -> Reply:
        asked = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        seen[asked] += 1
        return Reply([answers(asked, seen[asked] - 1)])

    return ScriptedServer(reply)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


PROMPTS = [
    {"problem": "What is 12 + 30?", "answer": "42", "domain": "math"},
    {"problem": "Which is a metal?\nA. iron\nB. milk", "answer": "A", "domain": "stem"},
    {"problem": "Tom is older than Ann. Who is older?\nA. Ann\nB. Tom", "answer": "B"}
    | {"domain": "logic"},
    {"problem": "Write a function f(n) that doubles n.", "domain": "code"}
    | {"tests": {"fn_name": "f", "inputs": [[2], [3]], "outputs": [4, 6]}},
]
"""A prompt of each domain of reasoning."""

RIGHT = {
    "What is 12": "<think>\nI add the second number to the first.\n</think>\nIt is \\boxed{42}.",
    "Which is a": "<think>\nIron is a metal, and milk is a drink.\n</think>\nIt is \\boxed{A}.",
    "Tom is old": "<think>\nIt says that Tom is older than Ann.\n</think>\nIt is \\boxed{B}.",
    "Write a fu": "<think>\nThe function gives back the number two times.\n</think>\n"
    "```python\ndef f(n):\n    return 2 * n\n```",
}
"""A right answer to each, by the prompt's first ten characters."""


def right(asked: str) -> str:
    """A right answer to what was asked, in whatever form."""
    return next(answer for start, answer in RIGHT.items() if start in asked)
