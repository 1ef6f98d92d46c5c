"""Judges behind a real server on loopback, which says what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from curate.sample import Sample
from curate.scorers import Judge
from tests.servers.openai_server import Reply, ScriptedServer

PROMPT = Sample(
    prompt_id="p",
    problem="Why is the sky blue?",
    answer="Air scatters blue light much more than red light.",
)


def verdict(word: str, key: str = "correctness") -> str:
    return json.dumps({"analysis": f"It is {word}.", key: word})


def shown(body: dict[str, Any], what: str = "answer to be judged") -> str:
    """What a judge was shown under a marker of its prompt."""
    text = body["messages"][-1]["content"]
    return text.split(f"----- {what} -----\n")[1].split("\n-----")[0]


def by_scattering(answer: str) -> str:
    return verdict("correct" if "scatter" in answer else "incorrect")


def judging(judge: Callable[[str], str]) -> ScriptedServer:
    """A server whose model says `judge(answer)`."""
    return ScriptedServer(lambda number, body: Reply([judge(shown(body))]))


def judge_at(server: ScriptedServer, store: Path, **changes: Any) -> Judge:
    return Judge(engine=server.url, model="m", store=str(store), **changes)


def answers(*texts: str) -> list[Sample]:
    return [PROMPT.with_completion(f"<think>Hm.</think>{text}") for text in texts]
