"""Non-reasoning data: every family on a laptop, thinking where it is asked for, rules and judge."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.running import answering, finish, write_rows
from tests.pipelines.test_cold_start import check_funnel, rows

FAMILIES = {
    *("factual_qa", "role_play", "self_cognition", "small_talk", "translation", "writing"),
}
THINKS = {"factual_qa", "role_play", "writing"}

PROMPTS: list[dict[str, Any]] = [
    {"problem": "Hello", "source": "small_talk", "think": False},
    {"problem": "Who are you?", "source": "self_cognition", "answer": "{{name}}", "think": False},
    {"problem": "Which planet has rings?", "source": "factual_qa", "answer": "Saturn"}
    | {"think": True},
    {"problem": "Write a line about rain.", "source": "writing", "think": True}
    | {"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": ["rain"]}]},
    {"problem": "Describe a village.", "source": "writing", "think": True},
]
THOUGHT = "<think>\nThe user wants a short answer. I give it.\n</think>\n"
GOOD = {
    "Hello": "Hello! How can I help?",
    "Who are you?": "I am Ada, an assistant made by Ada Lab.",
    "Which planet has rings?": f"{THOUGHT}Saturn has rings.",
    "Write a line about rain.": f"{THOUGHT}Soft rain fell on the roof.",
    "Describe a village.": f"{THOUGHT}It has a church, an inn and forty houses.",
}


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    held = write_rows(tmp_path / "held.jsonl", [{"problem": "Which benchmark is held back here?"}])
    return [f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}", f"benchmarks={held}"]


def test_a_laptop_gets_ten_rows_in_every_family(
    laptop_store: Path, tmp_path: Path, places: list[str]
) -> None:
    """On the embedded model with the defaults: minutes."""
    finish("non_reasoning", places[0], f"store={laptop_store}", places[2])
    found = rows(tmp_path / "out")
    check_funnel(tmp_path / "out")
    counts = Counter(row["source"] for row in found)
    assert set(counts) == FAMILIES
    assert min(counts.values()) >= 10, counts
    assert {row["domain"] for row in found} == {"general"}
    for row in found:
        text = row["completion"][0]["content"]
        assert ("<think>" in text) == (row["source"] in THINKS)
        assert "{{" not in row["problem"] + (row["answer"] or "") + text
        assert row["prompt"] == [{"role": "user", "content": row["problem"]}]
    named = [row for row in found if row["answer"] in ("Aster", "Aster Lab")]
    assert len(named) >= 10
    card = (tmp_path / "out/dataset/README.md").read_text()
    assert "No model judged these answers" in card and "toy model" in card


def answer(bad: dict[str, list[str]]) -> Any:
    """A model that says these bad things of a prompt, one after the other, and then a good one."""
    return lambda asked, place: [*bad.get(asked, []), GOOD[asked]][
        min(place, len(bad.get(asked, [])))
    ]


BAD = {
    "Hello": [f"{THOUGHT}Hello!", "<think>\n\n</think>\nHello!"],
    "Who are you?": ["I am ChatGPT, and OpenAI made me.", "I am an assistant."],
    "Which planet has rings?": [f"{THOUGHT}Mars has rings.", "Saturn has rings."],
    "Write a line about rain.": [
        f"{THOUGHT}The sun shone.",
        "<think>\n**Plan**\n- rain\n</think>\nSoft rain fell.",
    ],
    "Describe a village.": [f"{THOUGHT}I'm sorry, but I can't help with that."],
}
REASONS = {
    "AskedThinking": 4,
    "Identity:model=Ada,maker=Ada Lab": 1,
    "FirstOf(TextAnswer; Instructions; Finished)": 3,
    "Refusal": 1,
}


def test_each_bad_answer_is_refused_by_its_rule(tmp_path: Path, places: list[str]) -> None:
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS)
    with answering(answer(BAD)) as server:
        finish(
            "non_reasoning",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "concurrency=1"),
            *("name=Ada", "author=Ada Lab", "samples=3", *places),
        )
        asked = [body["messages"] for body in server.requests]
    found = {row["problem"]: row["completion"][0]["content"] for row in rows(tmp_path / "out")}
    assert found == GOOD
    funnel = json.loads((tmp_path / "out/funnel.json").read_text())
    (samples,) = [r for r in funnel if r["step"] == "Generate" and r["unit"] == "samples"]
    assert samples["dropped"] == REASONS
    check_funnel(tmp_path / "out")
    # Who it is stands in the system turn that it is asked with, and in no row.
    (who, *_) = [turns for turns in asked if turns[-1]["content"] == "Who are you?"]
    assert who[0]["role"] == "system" and "You are Ada" in who[0]["content"]
    assert all(len(row["prompt"]) == 1 for row in rows(tmp_path / "out"))


def test_a_judge_is_asked_only_where_no_rule_can_tell(tmp_path: Path, places: list[str]) -> None:
    prompts = write_rows(tmp_path / "prompts.jsonl", PROMPTS)
    poor = {"Describe a village.": [f"{THOUGHT}A village is a village."]}

    def score(asked: str, place: int) -> str:
        points = 3 if "is a village" in asked else 9
        return json.dumps({"analysis": "as it is", "score": points})

    with answering(answer(poor)) as server, answering(score) as judge:
        finish(
            "non_reasoning",
            *(f"engine={server.url}", f"prompts={prompts}", "style=zero_shot", "concurrency=1"),
            *("name=Ada", "author=Ada Lab", "samples=2", f"judge={judge.url}", *places),
        )
        shown = [body["messages"][-1]["content"] for body in judge.requests]
    found = {row["problem"]: row["completion"][0]["content"] for row in rows(tmp_path / "out")}
    assert found == GOOD
    # "Hello" once and the village twice; the others have a gold answer or an instruction.
    assert len(shown) == 3 and sum("village" in text for text in shown) == 2
    assert "a model judged" in (tmp_path / "out/dataset/README.md").read_text()
