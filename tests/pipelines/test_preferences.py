"""Preference pairs: ten of each kind on a laptop, and R1's judging where a judge is given."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.scorers import Refusal, TextAnswer
from curate.sinks.pairs_folder import half_of
from tests.pipelines.running import answering, by_domain, finish, write_rows
from tests.pipelines.test_cold_start import rows, shards
from tests.scorers.judging import shown as shown_in
from tests.servers.openai_server import Reply, ScriptedServer
from tests.sinks.truth import check_card

PROMPTS: list[dict[str, Any]] = [
    {"problem": "What is a young duck called?", "domain": "helpful"},
    {"problem": "What is a young frog called?", "domain": "helpful"},
    {"problem": "How do I steal a duck?", "domain": "harmless"},
]
ANSWERS = {
    "What is a young duck called?": ["It is a duckling.", "It is a puppy....", "It is a kitten..."],
    "What is a young frog called?": ["It is a tadpole.", "Tadpoles they are."],
    "How do I steal a duck?": [
        "<think>At night it is easy, bring a big bag.</think>Ducks are fine birds.",
        "<think>They want to steal. I say no to it all.</think>Please do not steal.",
    ],
}


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    held = write_rows(tmp_path / "held.jsonl", [{"problem": "Which benchmark is held back here?"}])
    return [f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}", f"benchmarks={held}"]


def check_funnel(out: Path) -> dict[str, dict[str, Any]]:
    """The funnel's rows of samples by step; a row of the dataset is two samples."""
    funnel = json.loads((out / "funnel.json").read_text())
    for row in funnel:
        assert row["in"] + row["made"] == row["out"] + sum(row["dropped"].values()) + row["failed"]
    refused = Counter[str]()
    for file in (out / "rejected").glob("*.parquet"):
        refused.update(pq.read_table(file, columns=["step"]).column("step").to_pylist())
    assert funnel[-1]["out"] == 2 * len(rows(out))
    check_card(out)
    assert refused.total() == sum(sum(row["dropped"].values()) for row in funnel)
    return {row["step"]: row for row in funnel if row["unit"] == "samples"}


def test_a_laptop_gets_ten_pairs_of_each_kind(
    laptop_store: Path, tmp_path: Path, places: list[str]
) -> None:
    """On the embedded model with the defaults: minutes."""
    finish("preferences", places[0], f"store={laptop_store}", places[2])
    found = rows(tmp_path / "out")
    check_funnel(tmp_path / "out")
    counts = by_domain(found)
    assert set(counts) == {"helpful", "harmless"}
    assert min(counts.values()) >= 10, counts
    ratios: dict[str, list[float]] = {"helpful": [], "harmless": []}
    for row in found:
        chosen, rejected = half_of(row, "chosen"), half_of(row, "rejected")
        rule, good = (TextAnswer(), 1.0) if row["domain"] == "helpful" else (Refusal(), 0.0)
        assert rule.judge(chosen).score == good != rule.judge(rejected).score
        longer, shorter = sorted((len(chosen.text), len(rejected.text)), reverse=True)
        assert longer <= 2 * shorter
        ratios[row["domain"]].append(len(chosen.text) / len(rejected.text))
    for of_domain in ratios.values():
        assert 0.7 < sum(of_domain) / len(of_domain) < 1.4
    card = (tmp_path / "out/dataset/README.md").read_text()
    assert "No model judged" in card and "toy model" in card
    again = [f"out={tmp_path / 'again'}", f"store={laptop_store}", places[2]]
    finish("preferences", *again, "--tasks", "3", "--workers", "2")
    assert shards(tmp_path / "again") == shards(tmp_path / "out")
    assert said_of_judging(tmp_path / "again") == said_of_judging(tmp_path / "out")


def said_of_judging(out: Path) -> str:
    """The card's sentence on how the pairs were judged."""
    lines = (out / "dataset/README.md").read_text().splitlines()
    return next(line for line in lines if "comparisons" in line)


def judgement(body: dict[str, Any]) -> str:
    """Ducklings are much better, each in its order; a frog's names are as good; bags are unsafe."""
    asked = body["messages"][-1]["content"]
    if "response A" not in asked:
        word = "unsafe" if "big bag" in shown_in(body, "response") else "safe"
        return json.dumps({"analysis": "as it is", "safety": word})
    a, b = (("duckling" in shown_in(body, f"response {which}")) for which in "AB")
    label = "A=B" if a == b else "A>>B" if a else "B>>A"
    return f"My own answer: a duckling. [[{label}]]"


def test_a_judge_compares_four_times_in_both_orders(tmp_path: Path, places: list[str]) -> None:
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS)
    with (
        answering(lambda asked, place: ANSWERS[asked][place % len(ANSWERS[asked])]) as server,
        ScriptedServer(lambda number, body: Reply([judgement(body)])) as judge,
    ):
        finish(
            "preferences",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "samples=3"),
            *(f"judge={judge.url}", "concurrency=1", *places),
        )
        assert all(len(body["messages"]) == 1 for body in server.requests)
        questions = [body["messages"][-1]["content"] for body in judge.requests]
    found = {row["problem"]: row for row in rows(tmp_path / "out")}
    assert set(found) == {"What is a young duck called?", "How do I steal a duck?"}
    duck, steal = found["What is a young duck called?"], found["How do I steal a duck?"]
    assert "duckling" in duck["chosen"][0]["content"] and duck["gap"] == 2.0
    assert "big bag" in steal["rejected"][0]["content"] and steal["gap"] == 2.0
    assert duck["judge"].startswith("Preference:") and "harmlessness" in steal["judge"]
    compared = [text for text in questions if "young duck" in text]
    assert len(compared) % 4 == 0 and len(set(compared)) == len(compared) / 2
    # The harmless are judged by all of the answer, the helpful without its reasoning.
    assert any("big bag" in text for text in questions)
    steps = check_funnel(tmp_path / "out")
    assert steps["Pairs"]["dropped"]["unclear"] >= 2
    card = (tmp_path / "out/dataset/README.md").read_text()
    assert "100.0 % had the same winner in both" in card
