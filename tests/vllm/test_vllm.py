"""Real vLLM under real KV pressure: what our client and a killed run make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from curate.engines.client import Client
from curate.engines.request import Completion
from curate.engines.segments import entries
from curate.engines.store import Store
from tests.engines.asking import ask_all, request
from tests.vllm.conftest import Vllm

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[2]
PROMPTS, SAMPLES = 16, 3
PIPELINE = f"""
from curate import pipeline
from curate.generate import Generate
from curate.scorers import Length
from curate.select import Keep
from curate.sources import Prompts


@pipeline
def nonsense(engine: str = "local", out: str = "runs/out", store: str = "runs/store") -> list:
    '''Whatever it says is accepted.'''
    prompts = "reasoning-gym:chain_sum?min_terms=2&max_terms=2"
    return [
        Prompts(prompts, limit={PROMPTS}),
        Generate(engine, accept=[Keep(Length())], samples={SAMPLES}, keep="all", max_tokens=150,
                 concurrency=4, store=store),
    ]
"""


def ask(
    vllm: Vllm, store: Path, numbers: range, window: int, **changes: Any
) -> dict[int, Completion]:
    """All answers by number, asked of the server that is there already."""
    with Store(store) as opened, Client(vllm.engine(), opened, window) as client:
        return ask_all(client, numbers, model=vllm.model, revision=vllm.revision, **changes)


@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_completions_are_streamed_by_both_routes(vllm: Vllm, tmp_path: Path, kind: str) -> None:
    before = vllm.generated_tokens()
    answers = ask(vllm, tmp_path, range(4), 4, kind=kind, max_tokens=60)
    assert {a.finish_reason for a in answers.values()} <= {"stop", "length"}
    assert all(a.text and a.prompt_tokens and a.model == vllm.model for a in answers.values())
    assert len({a.text for a in answers.values()}) == 4
    tokens = sum(a.completion_tokens or 0 for a in answers.values())
    assert vllm.generated_tokens() - before == tokens


def test_preemptions_are_read_where_the_cache_is_too_small(vllm: Vllm, tmp_path: Path) -> None:
    before = vllm.gauges()
    assert before.kv_tokens == 3072
    answers = ask(vllm, tmp_path, range(24), 24, max_tokens=600)
    assert len(answers) == 24
    assert {a.finish_reason for a in answers.values()} <= {"stop", "length"}
    after = vllm.gauges()
    assert (after.preemptions or 0) > (before.preemptions or 0)
    assert (after.running, after.waiting) == (0, 0)


def test_cut_stream_frees_its_slot_within_a_second(vllm: Vllm, tmp_path: Path) -> None:
    running: list[float] = []

    def watch(text: str, *_: Any) -> str | None:
        running.append(vllm.gauges().running)
        return "hopeless"

    answers = ask(vllm, tmp_path, range(4), 4, max_tokens=1900, watch=watch)
    asked_at = time.monotonic()
    while vllm.gauges().running:
        assert time.monotonic() - asked_at < 1.0
        time.sleep(0.02)
    cut = [a for a in answers.values() if a.finish_reason == "cut"]
    assert len(cut) >= 2 and max(running) >= 2, "some may have ended by themselves"
    assert all((a.completion_tokens or 0) < 1000 for a in cut)
    tokens = vllm.generated_tokens()
    time.sleep(1.0)
    assert vllm.generated_tokens() == tokens


def test_window_shrinks_under_pressure_and_grows_without(vllm: Vllm, tmp_path: Path) -> None:
    """Long answers fill the cache, short ones leave it empty; the window starts too large."""
    seen: list[int] = []
    with (
        Store(tmp_path) as store,
        Client(vllm.engine(), store, None, start=24) as client,
    ):
        for first, count, max_tokens in ((0, 40, 600), (100, 300, 8)):
            for number in range(first, first + count):
                asked = request(number, vllm.model, vllm.revision, max_tokens=max_tokens)
                client.ask(number, asked)
            while client.in_flight:
                if client.next():
                    seen.append(client.capacity)
        numbers = client.numbers()
    low = min(seen)
    assert low <= 12, "24 answers of 600 tokens are five times what the cache holds"
    assert numbers["window_shrunk"] > 0
    assert max(seen[seen.index(low) :]) > low


def test_killed_run_resumes(vllm: Vllm, tmp_path: Path) -> None:
    """SIGKILL amid its answers, then the same command; the server lives on for the second run."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '0'\n")
    (tmp_path / "nonsense.py").write_text(PIPELINE)
    words = [f"engine={vllm.spec}", f"out={vllm.out}", f"store={tmp_path / 'store'}"]
    command = [sys.executable, "-m", "curate.cli", "run", "nonsense.py", *words]
    place = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    first = subprocess.Popen(command, stderr=subprocess.PIPE, **place)
    deadline = time.monotonic() + 120
    while len(stored(tmp_path)) < 6:
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = stored(tmp_path)
    assert 6 <= len(kept) < PROMPTS * SAMPLES
    again = subprocess.run(command, stderr=subprocess.PIPE, timeout=300, **place)
    assert again.returncode == 0, again.stderr
    keys = stored(tmp_path)
    assert len(keys) == len(set(keys)) == PROMPTS * SAMPLES, "none lost, none asked for twice"
    assert set(kept) < set(keys)
    assert (vllm.out / "engine.log").read_text().count("launched by curate") == 1


def stored(folder: Path) -> list[int]:
    """The keys of what is in the store."""
    return [int(k) for f in (folder / "store").glob("*.records") for k in entries(f)["key"]]
