"""One client for all that ask: threads, forks, faults, and the end of the program."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from curate.errors import EngineError
from curate.sample import Sample
from curate.scorers import FirstOf, Judge, MathAnswer, RewardModel, asking
from curate.scorers.pairwise import Preference
from tests.engines.asking import QUICK
from tests.scorers.judging import PROMPT, answers, by_scattering, judge_at, judging, shown, verdict
from tests.scorers.test_contract import ODD
from tests.servers.openai_server import Reply, ScriptedServer


@pytest.fixture(autouse=True)
def askers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(asking, "PATIENCE", QUICK)
    yield
    asking.close_askers()


def test_many_are_asked_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def script(number: int, body: object) -> Reply:
        return Reply([verdict("correct")], delay_s=0.3)

    with ScriptedServer(script) as server:
        judge = judge_at(server, tmp_path, concurrency=64)
        samples = answers(*(f"Because {n}." for n in range(64)))

        def reward(part: list[Sample]) -> list[float | None]:
            together.wait(10)
            return judge.rewards(part)

        with ThreadPoolExecutor(8) as threads:
            parts = [samples[i::8] + samples[:4] for i in range(8)]
            scores = list(threads.map(reward, parts))
        assert scores == [[1.0] * 12] * 8
        assert len(server.requests) == 64
        assert server.connections >= 32


def test_faults_are_asked_again(tmp_path: Path) -> None:
    def script(number: int, body: dict) -> Reply:
        if number % 3 == 0:
            return Reply(status=503, body="busy") if number % 2 else Reply(["{"], ends="reset")
        return Reply([by_scattering(shown(body))])

    with ScriptedServer(script) as server:
        said = judge_at(server, tmp_path).judge_all(
            answers(*(f"It scatters {n}." for n in range(9)))
        )
    assert [verdict.score for verdict in said] == [1.0] * 9


def test_a_dead_judge_stops_the_run_and_is_asked_again_when_it_is_back(tmp_path: Path) -> None:
    with judging(by_scattering) as server:
        judge = judge_at(server, tmp_path)
        assert judge.judge(answers("It scatters.")[0]).score == 1.0
        server.shut()
        failed: list[str] = []

        def ask(n: int) -> None:
            with pytest.raises(EngineError) as error:
                judge.judge(answers(f"It scatters {n}.")[0])
            failed.append(str(error.value))

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(failed) == 3
        assert all(server.url in reason for reason in failed)
        server.open()
        assert judge.judge(answers("It scatters, says he.")[0]).score == 1.0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_asks_on_its_own(tmp_path: Path) -> None:
    with judging(by_scattering) as server:
        judge = judge_at(server, tmp_path)
        assert judge.judge(answers("It scatters.")[0]).score == 1.0
        read, write = os.pipe()
        child = os.fork()
        if not child:
            scores = judge.rewards(answers("It scatters.", "It scatters too.", "The sea."))
            os.write(write, json.dumps(scores).encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert json.loads(os.read(read, 100)) == [1.0, 1.0, 0.0]
        os.close(read)
        os.close(write)
        assert judge.judge(answers("The sun scatters.")[0]).score == 1.0
        assert len(server.requests) == 4


def test_ends_with_the_program(tmp_path: Path) -> None:
    """No thread keeps the program alive and nothing is left open, also while a question is out."""
    program = (
        "import pickle, sys, threading, time\n"
        "judge, samples = pickle.load(sys.stdin.buffer)\n"
        "print(judge.judge(samples[0]).score)\n"
        "def later():\n"
        "    try: judge.judge(samples[1])\n"
        "    except Exception as error: print(error)\n"
        "threading.Thread(target=later, daemon=True).start()\n"
        "time.sleep(0.5)"
    )

    def script(number: int, body: dict) -> Reply:
        return Reply([verdict("correct")], delay_s=60.0 if "later" in shown(body) else 0.0)

    with ScriptedServer(script) as server:
        pickled = pickle.dumps((judge_at(server, tmp_path), answers("Now.", "Some time later.")))
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", program],
            input=pickled,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            timeout=60,
        )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert done.stdout.decode().splitlines()[0] == "1.0"


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_any_text_gets_a_verdict(tmp_path: Path, text: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        if "max_tokens" not in body:
            data = {"data": [{"probs": [0.0]}]}
            return Reply(content_type="application/json", body=json.dumps(data))
        return Reply([f"{verdict('incorrect')} {text[:9000]} [[A=B]]"])

    with ScriptedServer(script) as server:
        where: dict[str, Any] = {"engine": server.url, "model": "m", "store": str(tmp_path)}
        sample = PROMPT.with_completion(f"<think>{text}</think>{text}")
        for rule in (Judge(**where), RewardModel(**where), FirstOf(Judge(**where), MathAnswer())):
            said = rule.judge(sample)
            assert said.score == (0.0 if not text.strip() or rule.needs_gold else 0.5)
            assert len(said.reason) < 300
        gap = Preference(**where, judgements=2).compare(PROMPT, sample, "It scatters.").gap
        assert gap == (0.0 if sample.response else None)
