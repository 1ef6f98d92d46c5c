"""`curate plan FILE`: a real pilot against a real server, and the statistics of its forecast."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.run.forecast import Forecast, Interval, bootstrap, forecast, text, whole, wilson
from curate.run.pilot import Pilot, Spent
from curate.run.prices import Prices
from tests.run.conftest import ROOT, Project
from tests.servers.openai_server import Reply, ScriptedServer

SUMS = """
    from pathlib import Path
    from curate import Step, pipeline
    from curate.generate import Generate
    from curate.scorers import MathAnswer, ThinkFormat
    from curate.select import Keep
    from curate.sinks import DatasetFolder
    from curate.sources import Prompts

    class Publish(Step):
        def __init__(self, repo):
            super().__init__()
            self.repo = repo

        def run(self, data, rank=0, world_size=1):
            if self.repo:
                Path(self.repo).touch()
            yield from data

    @pipeline
    def sums(prompts: str = "prompts.jsonl", engine: str = "http://127.0.0.1:9/v1",
             limit: int | None = None, concurrency: int | None = None, repo: str | None = None,
             store: str = "runs/store", out: str = "runs/sums") -> list:
        '''Sums.'''
        return [
            Prompts(prompts, limit=limit),
            Generate(engine, model="m@r1", samples=4, keep=1, concurrency=concurrency,
                     accept=[Keep(ThinkFormat()), Keep(MathAnswer())], store=store),
            Publish(repo),
            DatasetFolder(),
        ]

    @pipeline
    def no_limit(out: str = "runs/x") -> list:
        '''Always all.'''
        return sums(out=out)

    @pipeline
    def no_out(limit: int = 3) -> list:
        '''Always there.'''
        return sums(limit=limit)

    @pipeline
    def no_sink(engine: str = "local", limit: int | None = None, out: str = "runs/y") -> list:
        '''Leaves its documents.'''
        return sums(engine=engine, limit=limit)[:2]
"""
PROMPTS = 120


def add(number: int, body: dict[str, Any]) -> Reply:
    """Right for half of the seeds, in a length that the seed decides."""
    a, b = map(int, re.findall(r"\d+", body["messages"][-1]["content"])[-2:])
    dice = random.Random(body["seed"])
    total = a + b + (dice.random() < 0.5)
    words = ["so "] * int(dice.lognormvariate(3, 0.8))
    return Reply(["<think>", *words, "</think>", f"It is \\boxed{{{total}}}."])


@pytest.fixture
def sums(project: Project) -> Project:
    project.write("pipelines/sums.py", SUMS)
    project.write("cards/cold_start.md", (ROOT / "cards/cold_start.md").read_text())
    rows = [
        {"problem": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(PROMPTS)
    ]
    rows += rows[:3]  # asked twice: no prompts of their own
    project.write("prompts.jsonl", "\n".join(map(json.dumps, rows)))
    return project


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(add) as server:
        yield server


def plan(project: Project, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = project.curate("plan", "pipelines/sums.py@sums", *words)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def said(project: Project, *words: str) -> dict[str, Any]:
    return json.loads(plan(project, *words, "--json").stdout)


def pilots_left() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("curate-plan-*")}


def test_the_run_is_what_was_forecast_and_pays_nothing_twice(
    sums: Project, server: ScriptedServer
) -> None:
    before = pilots_left()
    of = said(sums, f"engine={server.url}", "--pilot", "40")
    assert of["prompts"] == of["forecast_of"] == PROMPTS
    assert of["pilot"]["prompts"] == 40
    assert 40 <= of["pilot"]["samples"] <= len(server.requests)  # some were asked ahead of time
    assert of["pilot"]["samples_kept"] == of["pilot"]["prompts_kept"]
    assert not (sums.root / "runs/sums").exists()
    assert pilots_left() <= before

    done = sums.curate("run", "pipelines/sums.py@sums", f"engine={server.url}")
    assert done.returncode == 0, done.stderr
    out = sums.root / "runs/sums"
    rows = {
        (row["step"], row["unit"]): row for row in json.loads((out / "funnel.json").read_text())
    }
    made, kept = rows["Generate", "samples"]["made"], rows["DatasetFolder", "samples"]["out"]
    asked = [json.dumps(request, sort_keys=True) for request in server.requests]
    assert len(set(asked)) == len(asked) >= made

    tokens = json.loads((out / "manifest.json").read_text())["stages"][1]["numbers"][
        "sample_tokens"
    ]
    truth = {"samples": made, "samples_kept": kept, "prompts_kept": kept}
    for name, value in {**truth, "completion_tokens": tokens, "prompt_tokens": 5 * made}.items():
        interval = of["forecast"][name]
        assert interval["low"] < interval["value"] < interval["high"]
        assert interval["low"] <= value <= interval["high"], name


def test_a_second_pilot_asks_nothing_and_says_so(sums: Project, server: ScriptedServer) -> None:
    first = said(sums, f"engine={server.url}")
    asked = len(server.requests)
    again = said(sums, f"engine={server.url}")
    assert len(server.requests) == asked
    assert again["pilot"]["from_store"] >= again["pilot"]["samples"] == first["pilot"]["samples"]
    same = [name for name in first["forecast"] if "second" not in name]
    assert again["forecast"] == {name: first["forecast"][name] for name in same}
    assert any("say a larger --pilot" in note for note in again["notes"])


def test_a_pilot_of_all_prompts_has_no_interval(sums: Project, server: ScriptedServer) -> None:
    of = said(sums, f"engine={server.url}", "limit=8")
    assert of["pilot"]["prompts"] == of["prompts"] == 8
    for name in ("samples", "completion_tokens", "prompts_kept"):
        interval = of["forecast"][name]
        assert interval["low"] == interval["value"] == interval["high"]


def test_text_stages_cost_and_time_at_the_stated_concurrency(
    sums: Project, server: ScriptedServer
) -> None:
    with (sums.root / "pyproject.toml").open("a") as file:
        file.write("[tool.curate]\nprice_per_million_output_tokens = 1000\n")
    shown = plan(sums, f"engine={server.url}", "concurrency=64").stdout
    assert "02-Generate: Generate > Publish" in shown
    assert "the first 20 prompts, as limit=20 takes them" in shown
    assert re.search(r"cost +[\d.]+ USD +[\d.]+ USD to [\d.]+ USD", shown)
    assert "time with concurrency=64" in shown
    assert "[tool.curate]" not in shown
    lines = [line for line in shown.splitlines() if str(sums.root) not in line]
    assert max(map(len, lines)) <= 100


def test_nothing_of_a_pilot_is_published_and_prices_are_hinted_at(
    sums: Project, server: ScriptedServer
) -> None:
    words = (f"engine={server.url}", "repo=published")
    shown = plan(sums, *words, "--pilot", "2").stdout
    assert not (sums.root / "published").exists()
    assert sums.curate("run", "pipelines/sums.py@sums", *words, "limit=2").returncode == 0
    assert (sums.root / "published").exists()
    assert "  cost" not in shown
    assert "put prices into [tool.curate] of pyproject.toml" in shown
    assert "2 prompts are few" in shown


def test_a_pipeline_without_a_sink(sums: Project, server: ScriptedServer) -> None:
    done = sums.curate("plan", "pipelines/sums.py@no_sink", f"engine={server.url}", "--json")
    assert done.returncode == 0, done.stderr
    pilot = json.loads(done.stdout)["pilot"]
    assert pilot["samples"] <= len(server.requests)
    assert 0 < pilot["samples_kept"] < pilot["samples"]


def test_a_pilot_says_why_prompts_are_left_out(sums: Project, server: ScriptedServer) -> None:
    rows = [{"problem": "What is 1 + 2?", "answer": "3"}, {"problem": "What is 2 + 2?"}]
    sums.write("prompts.jsonl", "\n".join(map(json.dumps, rows)))
    of = said(sums, f"engine={server.url}")
    assert of["pilot"]["prompts"] == 2
    reasons = {row["reason"]: row["n"] for row in of["pilot"]["dropped"]}
    assert reasons["gold_unusable"] == 1


def test_a_pilot_that_fails_is_kept_to_look_at(sums: Project) -> None:
    before = pilots_left()
    broken = "raise KeyError('no such thing')"
    file = sums.root / "pipelines/sums.py"
    file.write_text(file.read_text().replace("yield from data", broken))
    with ScriptedServer(add) as server:
        done = plan(sums, f"engine={server.url}", "--pilot", "3", status=1)
    kept = pilots_left() - before
    assert "KeyError" in done.stderr.splitlines()[-1]
    assert any(name in done.stderr for name in kept)
    for name in kept & set(re.findall(r"curate-plan-\w+", done.stderr)):
        folder = Path(tempfile.gettempdir()) / name
        assert (folder / "pilot/manifest.json").exists()
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pipelines/sums.py@no_limit"], "no_limit has no parameter 'limit'"),
        (["pipelines/sums.py@no_out"], "no_out has no parameter 'out'"),
        (["pipelines/sums.py@sums", "limt=3"], "did you mean 'limit'?"),
        (["pipelines/sums.py@sums", "prompts=no.jsonl"], "there is no prompt file"),
        (["pipelines/sums.py@sums", "--pilot", "0"], "a whole number from 1"),
    ],
)
def test_wrong_words_are_one_line(sums: Project, words: list[str], says: str) -> None:
    done = sums.curate("plan", *words)
    assert done.returncode == 2
    assert says in done.stderr.strip().splitlines()[-1]
    assert not (sums.root / "runs").exists()


def test_wrong_prices_are_said_before_anything_is_asked(
    sums: Project, server: ScriptedServer
) -> None:
    with (sums.root / "pyproject.toml").open("a") as file:
        file.write("[tool.curate]\ngpus = 'many'\n")
    done = plan(sums, f"engine={server.url}", status=2)
    assert "gpus is 'many'" in done.stderr
    assert not server.requests


def test_help(sums: Project) -> None:
    assert "--pilot" in sums.curate("plan", "--help").stdout
    shown = sums.curate("plan", "pipelines/sums.py@sums", "--help").stdout
    assert "curate plan pipelines/sums.py@sums [key=value …]" in shown
    assert "concurrency" in shown


def made(prompts: int, **numbers: float) -> Pilot:
    """Every other prompt kept after one sample of 100 tokens, the rest lost after four."""
    spent = [Spent(1, 1, 10, 100) if i % 2 else Spent(4, 0, 40, 400) for i in range(prompts)]
    return Pilot(spent, 10.0, {"completion_tokens": 500.0, **numbers})


def values(of: Forecast) -> dict[str, Interval]:
    return {line.key: line.interval for line in of.lines}


def test_time_gpu_hours_and_cost_follow_the_tokens() -> None:
    prices = Prices(gpus=36, gpu_hour_price=2.0)
    lines = values(forecast(made(20), 1000, None, prices))
    assert lines["completion_tokens"].value == pytest.approx(250_000)
    assert lines["seconds"].value == pytest.approx(5_000)  # 500 tokens in 10 s were measured
    assert lines["gpu_hours"].value == pytest.approx(50)
    for end in range(3):
        assert lines["cost"][end] == pytest.approx(2 * lines["gpu_hours"][end])
    faster = values(forecast(made(20), 1000, 200, prices))
    assert faster["seconds_at_concurrency"].value == pytest.approx(500)
    assert faster["cost"].value == pytest.approx(10)


def test_where_the_number_of_prompts_is_unknown_it_is_per_thousand() -> None:
    of = forecast(made(20), None, None, Prices())
    assert values(of)["samples"].value == pytest.approx(2_500)
    assert "for each 1,000 prompts" in text(of, "x")


def test_tokens_that_no_row_shows_are_counted() -> None:
    """A sample that was rewritten is one row and two answers."""
    once = values(forecast(made(20), 1000, None, Prices()))
    twice = values(forecast(made(20, sample_tokens=10_000, tried=100), 1000, None, Prices()))
    for name in ("completion_tokens", "prompt_tokens", "samples"):
        assert twice[name].value == pytest.approx(2 * once[name].value)
    assert twice["tokens_per_sample"] == once["tokens_per_sample"]


def test_nothing_kept_still_has_an_upper_end() -> None:
    pilot = Pilot([Spent(4, 0, 40, 400) for _ in range(20)], 10.0, {})
    lines = values(forecast(pilot, 1000, None, Prices()))
    assert lines["prompts_kept"].value == lines["prompts_kept"].low == 0
    assert 100 < lines["samples_kept"].high < 200  # of 20 none: at most 16 % of 980 more
    assert "tokens_per_kept_sample" not in lines
    rare = Pilot([*pilot.spent[1:], Spent(1, 1, 10, 100)], 10.0, {})
    ratio = values(forecast(rare, 1000, None, Prices()))["tokens_per_kept_sample"]
    assert ratio.value == 7_700
    assert ratio.rounded()["high"] is None and "no end" in text(
        forecast(rare, 1000, None, Prices()), "x"
    )


def test_what_is_known_is_not_estimated() -> None:
    one = Interval(2.0, 1.0, 4.0)
    assert whole(one, 20, 20) == (40.0, 40.0, 40.0)
    far = whole(one, 20, 1_000_000)
    assert far.low == pytest.approx(1e6, rel=1e-3) and far.high == pytest.approx(4e6, rel=1e-3)
    near = whole(one, 20, 25)
    assert near.low >= 40 and near.value == 50
    assert near.high - near.value == pytest.approx(5 * 2 * math.sqrt(1 + 20 / 5))


@pytest.mark.parametrize("prompts", [60, 5_000])
def test_the_truth_is_in_the_interval_nine_times_of_ten(prompts: int) -> None:
    """Lengths as R1's (mean 6,000, deviation 0.9 of it), half of the samples good, 4 tries."""
    generator, hits = np.random.default_rng(7), np.zeros(2)
    deviation = math.sqrt(math.log(1 + 0.9**2))
    for _ in range(150):
        tries = np.minimum(generator.geometric(0.5, prompts), 4)
        tokens = tries * generator.lognormal(math.log(6000), deviation, prompts)
        kept = generator.random(prompts) < 0.9
        told = whole(bootstrap([float(t) for t in tokens[:20]]), 20, prompts)
        share = whole(wilson(int(kept[:20].sum()), 20), 20, prompts)
        hits += [told.low <= tokens.sum() <= told.high, share.low <= kept.sum() <= share.high]
    assert hits.min() >= 0.87 * 150
    assert hits.min() < 150
