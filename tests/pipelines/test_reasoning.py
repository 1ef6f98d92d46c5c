"""Rejection sampling in four domains: by rules, by a judge where they abstain, and on a laptop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pipelines.running import PROMPTS, answering, by_domain, finish, right, write_rows
from tests.pipelines.test_cold_start import check_funnel, rows

RULES = {"math": "MathAnswer", "code": "CodeTests", "stem": "Choice", "logic": "FirstOf("}


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    held = write_rows(tmp_path / "held.jsonl", [{"problem": "Which benchmark is held back here?"}])
    return [f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}", f"benchmarks={held}"]


def test_a_laptop_gets_ten_rows_in_every_domain(
    laptop_store: Path, tmp_path: Path, places: list[str]
) -> None:
    """On the embedded model with the defaults: minutes."""
    finish("reasoning", places[0], f"store={laptop_store}", places[2])
    found = rows(tmp_path / "out")
    check_funnel(tmp_path / "out")
    counts = by_domain(found)
    assert set(counts) == set(RULES)
    assert min(counts.values()) >= 10, counts
    for row in found:
        right_by = {v["name"] for v in row["verdicts"] if v["score"] == 1.0}
        assert any(name.startswith(RULES[row["domain"]]) for name in right_by)
        assert "```" not in row["completion"][0]["content"].split("</think>")[0]
    card = (tmp_path / "out/dataset/README.md").read_text()
    assert "guess" in card and "toy model" in card


def test_every_domain_by_its_own_rule(tmp_path: Path, places: list[str]) -> None:
    """Each prompt is answered wrongly, then with code in the reasoning, then rightly."""
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS)

    def answer(asked: str, place: int) -> str:
        said = right(asked)
        wrong = said.replace("{42}", "{43}").replace("{A}", "{C}").replace("{B}", "{A}")
        in_code = said.replace("<think>\n", "<think>\n```\nn = 1\n```\n")
        return (wrong.replace("2 * n", "3 * n"), in_code, said)[min(place, 2)]

    with answering(answer) as server:
        finish(
            "reasoning",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "samples=3"),
            *("keep=1", "concurrency=1", *places),
        )
        asked = [body["messages"] for body in server.requests]
    found = rows(tmp_path / "out")
    assert by_domain(found) == dict.fromkeys(RULES, 1)
    assert {row["k"] for row in found} == {2}
    check_funnel(tmp_path / "out")
    # Without examples: one turn, with what R1 recommends to say.
    assert all(len(turns) == 1 and "reason step by step" in turns[0]["content"] for turns in asked)
    funnel = json.loads((tmp_path / "out/funnel.json").read_text())
    generate = next(r for r in funnel if r["step"] == "Generate" and r["unit"] == "samples")
    assert generate["made"] == 12 and generate["out"] == 4
    assert generate["dropped"]["Readability"] == 4


def test_a_judge_is_asked_where_the_rule_cannot_tell(tmp_path: Path, places: list[str]) -> None:
    """A gold answer in words is none that the rule of mathematics reads."""
    proof = {"problem": "Why is 12 + 30 even?", "answer": "Because both terms are even numbers."}
    prompts = write_rows(tmp_path / "prompts.jsonl", [PROMPTS[0], proof | {"domain": "math"}])
    because = "<think>\nBoth are even.\n</think>\nBoth terms are even, so their sum is too."
    judgement = '{"analysis": "It says the same.", "correctness": "correct"}'

    with (
        answering(lambda asked, _: because if "Why" in asked else right(asked)) as server,
        answering(lambda asked, _: judgement) as judge,
    ):
        finish(
            "reasoning",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "samples=1"),
            *("keep=1", f"judge={judge.url}", *places),
        )
        questions = [body["messages"][-1]["content"] for body in judge.requests]
    assert len(rows(tmp_path / "out")) == 2
    assert len(questions) == 1 and "even numbers" in questions[0]


def test_a_benchmark_problem_is_not_asked(tmp_path: Path, places: list[str]) -> None:
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS)
    held = write_rows(tmp_path / "held.jsonl", [{"problem": PROMPTS[2]["problem"]}])
    with answering(lambda asked, _: right(asked)) as server:
        finish(
            "reasoning",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "samples=1"),
            *("keep=1", *places[:2], f"benchmarks={held}"),
        )
        assert len(server.requests) == 3
    assert by_domain(rows(tmp_path / "out")) == {"math": 1, "code": 1, "stem": 1}
