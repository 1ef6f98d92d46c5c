"""Several sources in one spec: they take turns, and stay who they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.sources import Prompts
from curate.step import Context

SUMS = "reasoning-gym:chain_sum?min_terms=2&max_terms=2"


def write(path: Path, *problems: str, **columns: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"problem": p} | columns) + "\n" for p in problems))


def test_a_limit_takes_as_many_of_each(tmp_path, told):
    write(tmp_path / "a.jsonl", *(f"a{n}" for n in range(9)))
    write(tmp_path / "b.jsonl", "b0", domain="logic")
    found = told(f"a.jsonl; b.jsonl; {SUMS}", limit=9).prompts
    assert [p.source for p in found[:4]] == ["a", "b", "reasoning-gym:chain_sum", "a"]
    assert [p.source for p in found].count("a") == 4, "the others go on when one is spent"
    assert [p.domain for p in found[:3]] == ["general", "logic", "math"]


def test_prompts_are_the_same_as_of_each_alone(tmp_path, told):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", f"{name}0", f"{name}1")
    alone = told("a.jsonl").prompts + told("b.jsonl").prompts
    both = told("a.jsonl;b.jsonl").prompts
    assert sorted(p.prompt_id for p in both) == sorted(p.prompt_id for p in alone)


def test_files_of_one_name_are_two(tmp_path, told):
    """The same row at the same line of both is one prompt, and says where it stood."""
    write(tmp_path / "one/x.jsonl", "What is asked twice?", "once")
    write(tmp_path / "two/x.jsonl", "What is asked twice?", "else")
    found = told("one/x.jsonl;two/x.jsonl")
    assert [p.problem for p in found.prompts] == ["What is asked twice?", "once", "else"]
    [(reason, detail, _)] = found.dropped
    assert reason == "duplicate_prompt"
    assert detail == "[2] x.jsonl:1: the same as [1] x.jsonl:1"


def test_its_identity_names_files_without_their_folders(tmp_path):
    identity = Prompts(f"/some/where/a.jsonl;{SUMS}").identity()
    assert identity["spec"] == f"a.jsonl;{SUMS}"
    assert identity["reasoning_gym"]
    write(tmp_path / "a.jsonl", "a")
    write(tmp_path / "b.jsonl", "b")
    step = Prompts("a.jsonl;b.jsonl")
    step.prepare(Context(tmp_path, tmp_path, tmp_path))
    assert [path.name for path in step.files()] == ["a.jsonl", "b.jsonl"]


def test_one_that_is_not_there_is_said(tmp_path, told):
    write(tmp_path / "easy.jsonl", "a")
    with pytest.raises(UsageError, match=r"did you mean easy\.jsonl"):
        told("easy.jsonl;eazy.jsonl")
