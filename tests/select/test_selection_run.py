"""Steps of selection in pipelines of a user's own, run from the command line."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.sample import Sample
from tests.run.conftest import Project

CHOOSING = """
    from curate import Sample, Step, pipeline
    from curate.scorers import Length
    from curate.select import AsPrompts, ByDomain, Keep, Mix, PassRate, Pick, Twins
    from curate.sinks import DatasetFolder

    class Made(Step):
        '''Four samples of every prompt, of 1 to 4 words; sums of more than one digit have 4.'''

        is_source = True
        makes = "samples"

        def __init__(self, domain, n):
            super().__init__()
            self.domain, self.n = domain, n

        def run(self, data, rank=0, world_size=1):
            for i in range(self.n):
                pid = f"{i + 1000 * ord(self.domain[0]):016x}"
                prompt = Sample(
                    prompt_id=pid, problem=f"{self.domain} {i}", domain=self.domain,
                    language="zh" if i % 4 == 0 else "en", samples_tried=4,
                )
                for k in range(4):
                    words = k + 1 if i < 10 else 4
                    sample = prompt.with_completion(
                        "word " * words, id=f"{pid}-{k:08x}", k=k, completion_tokens=words
                    )
                    yield sample.to_document()

    short = Keep(Length(maximum=2, unit="words"))

    @pipeline
    def sft(limit: int | None = 12, scale: float = 1.0, floor: int = 0, upsample: int = 0,
            require: bool = False, out: str = "runs/sft") -> list:
        '''Two chains, mixed.'''
        return [
            Made("math", limit), short,
            Made("code", limit), ByDomain(code=short, other=[]), Pick(1, by="first"),
            Mix({"math": {"en": 8, "zh": 4}, "code": 40}, scale=scale, floor=floor,
                upsample=upsample or False, require=require),
            DatasetFolder(),
        ]

    @pipeline
    def rl(out: str = "runs/rl") -> list:
        '''Prompts that are neither too easy nor too hard.'''
        return [
            Made("math", 20), PassRate(0.1, 0.9, scorer=short), AsPrompts(),
            Mix({"math": 6, "logic": 2}), DatasetFolder(),
        ]

    @pipeline
    def twins(verified: bool = True, out: str = "runs/twins") -> list:
        '''One of two twins.'''
        return [Made("math", 20), Twins(short, verified=verified), DatasetFolder()]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("pipelines/choosing.py", CHOOSING)
    return made


def ran(project: Project, name: str, *words: str) -> str:
    """Runs a pipeline to its end, with the law checked by the runner; what it said."""
    done = project.curate("run", f"pipelines/choosing.py@{name}", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def rows(project: Project, name: str) -> list[dict[str, Any]]:
    return pq.read_table(project.root / "runs" / name / "dataset/data").to_pylist()


def funnel(project: Project, name: str, step: str) -> dict[str, dict[str, Any]]:
    lines = json.loads((project.root / "runs" / name / "funnel.json").read_text())
    return {line["unit"]: line for line in lines if line["step"] == step}


def content(project: Project, name: str) -> bytes:
    (shard,) = (project.root / "runs" / name / "dataset/data").glob("*.parquet")
    return shard.read_bytes()


def test_a_mix_of_two_chains_is_exact_and_the_same_with_more_tasks(project: Project) -> None:
    said = ran(project, "sft")
    kinds = Counter((r["domain"], r["language"]) for r in rows(project, "sft"))
    assert (kinds["math", "en"], kinds["math", "zh"]) == (8, 4)
    assert kinds["code", "en"] + kinds["code", "zh"] == 10
    mixed = funnel(project, "sft", "Mix")["samples"]
    assert (mixed["in"], mixed["made"], mixed["out"]) == (30, 0, 22)
    assert mixed["dropped"] == {"surplus": 8}
    # 48 samples of 12 prompts were asked for, and 10 came.
    assert "of 48 samples of 12 prompts 10 came" in said
    assert "144 more samples, of 36 more prompts" in said
    assert "to change that, those of these that it depends on: limit=48, or scale=0.25" in said
    ran(project, "sft", "out=runs/three", "--tasks", "3")
    assert content(project, "three") == content(project, "sft")


def test_what_fills_it_is_what_was_said(project: Project) -> None:
    assert "short" not in ran(project, "sft", "scale=0.25")
    assert Counter(r["domain"] for r in rows(project, "sft")) == {"math": 3, "code": 10}


def test_another_scale_is_no_advice_where_the_floor_counts(project: Project) -> None:
    said = ran(project, "sft", "scale=0.1", "floor=20")
    assert "code: 10 of 20 samples, 10 missing" in said
    assert "to change that, those of these that it depends on: limit=24\n" in said


def test_copies_are_rows_of_their_own(project: Project) -> None:
    said = ran(project, "sft", "upsample=4")
    assert "short" not in said
    found = [r["id"] for r in rows(project, "sft") if r["domain"] == "code"]
    assert len(found) == len(set(found)) == 40
    assert sum(id.endswith("~4") for id in found) == 10
    assert funnel(project, "sft", "Mix")["samples"]["made"] == 30


def test_require_fails_the_run(project: Project) -> None:
    done = project.curate("run", "pipelines/choosing.py@sft", "require=true")
    assert done.returncode == 1
    assert "code: 10 of 40 samples, 30 missing" in done.stderr
    assert not (project.root / "runs/sft/dataset").exists()


def test_prompts_for_rl_with_their_pass_rates(project: Project) -> None:
    said = ran(project, "rl", "--tasks", "2")
    found = rows(project, "rl")
    assert len(found) == 6
    for row in found:
        assert (row["id"], row["k"], row["completion"]) == (row["prompt_id"], -1, [])
        assert row["prompt"] == [{"role": "user", "content": row["problem"]}]
        assert (row["samples_tried"], row["samples_correct"], row["pass_rate"]) == (4, 2, 0.5)
        assert Sample.from_row(row).is_prompt
    assert funnel(project, "rl", "PassRate")["samples"]["dropped"] == {"too_hard": 40}
    of_prompts = funnel(project, "rl", "AsPrompts")
    assert of_prompts["samples"]["dropped"] == {"as_prompt": 40}
    assert (of_prompts["prompts"]["in"], of_prompts["prompts"]["out"]) == (10, 10)
    assert funnel(project, "rl", "DatasetFolder")["prompts"]["out"] == 6
    assert "logic: 0 of 2" in said


def test_twins_have_the_same_prompts_and_counts(project: Project) -> None:
    ran(project, "twins")
    ran(project, "twins", "verified=false", "out=runs/other")
    verified, other = rows(project, "twins"), rows(project, "other")
    assert Counter(r["prompt_id"] for r in verified) == Counter(r["prompt_id"] for r in other)
    assert {v["score"] for r in verified for v in r["verdicts"]} == {1.0}
    assert {v["score"] for r in other for v in r["verdicts"]} == {0.0, 1.0}
