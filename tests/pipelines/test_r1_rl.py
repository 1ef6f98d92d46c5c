"""Prompts for RL: those that are answered rightly now and then, in R1's form and proportions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipelines.running import PROMPTS, answering, by_domain, finish, right, write_rows
from tests.pipelines.test_cold_start import check_funnel, rows

DOMAINS = ("math", "code", "stem", "logic")


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    held = write_rows(tmp_path / "held.jsonl", [{"problem": "Which benchmark is held back here?"}])
    return [f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}", f"benchmarks={held}"]


def test_a_laptop_gets_ten_prompts_in_every_domain(
    laptop_store: Path, tmp_path: Path, places: list[str]
) -> None:
    """On the embedded model with the defaults: minutes."""
    finish("r1_rl", places[0], f"store={laptop_store}", places[2])
    found = rows(tmp_path / "out")
    check_funnel(tmp_path / "out")
    counts = by_domain(found)
    assert set(counts) == set(DOMAINS)
    assert min(counts.values()) >= 10, counts
    for row in found:
        assert row["completion"] == [] and row["samples_tried"] == 4
        assert 0 < row["pass_rate"] < 1
        assert row["prompt"] == [{"role": "user", "content": row["problem"]}]
    assert len({row["prompt_id"] for row in found}) == len(found)
    assert "not for training" in (tmp_path / "out/dataset/README.md").read_text()


def test_prompts_stay_whose_answers_differ(tmp_path: Path, places: list[str]) -> None:
    """Mathematics is right always, code never, STEM and logic every second time."""
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS)

    def answer(asked: str, place: int) -> str:
        is_right = "12" in asked or ("function" not in asked and place % 2)
        return right(asked) if is_right else "<think>\nI do not know this.\n</think>\nNo idea."

    with answering(answer) as server:
        finish(
            "r1_rl",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", *places),
        )
        assert len(server.requests) == 16
        assert {body["temperature"] for body in server.requests} == {1.0}
    found = rows(tmp_path / "out")
    assert by_domain(found) == {"stem": 1, "logic": 1}
    assert {(row["pass_rate"], row["samples_correct"]) for row in found} == {(0.5, 2)}
    assert {row["k"] for row in found} == {-1}
    dropped = {r["step"]: r["dropped"] for r in funnel(tmp_path) if r["unit"] == "prompts"}
    assert dropped["Generate"] == {"no_sample_accepted": 1}
    passed = next(r for r in funnel(tmp_path) if r["step"] == "PassRate")
    assert passed["dropped"] == {"zero_variance": 4}
    check_funnel(tmp_path / "out")


def test_r1_zero_asks_as_the_paper_prints_it(tmp_path: Path, places: list[str]) -> None:
    """One text without a chat template, and the same as the one user turn of the row."""
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS[1:2])
    with answering(lambda asked, place: f"<answer>{'AB'[place % 2]}</answer>") as server:
        finish(
            "r1_rl",
            *(f"engine={server.url}", f"prompts={prompts}", "form=r1_zero", "samples=2", *places),
        )
        asked = {body["prompt"] for body in server.requests}
    [row] = rows(tmp_path / "out")
    assert asked == {row["prompt"][0]["content"]}
    assert row["prompt"][0]["role"] == "user" and len(row["prompt"]) == 1
    text = row["prompt"][0]["content"]
    assert text.startswith("A conversation between User and Assistant. The user asks a question,")
    assert text.endswith(f"User: {PROMPTS[1]['problem']}. Assistant:")
    assert row["problem"] == PROMPTS[1]["problem"] and row["pass_rate"] == 0.5


def funnel(folder: Path) -> list[dict]:
    return json.loads((folder / "out/funnel.json").read_text())
