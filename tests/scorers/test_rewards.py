"""A scorer as a reward gives what `curate score` gives, however and from wherever it is called."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from curate.cli import main
from curate.scorers import (
    LanguageConsistency,
    Length,
    MathAnswer,
    RelativeLength,
    Scorer,
    ThinkFormat,
)

RULES: list[Scorer] = [
    MathAnswer(),
    ThinkFormat(),
    LanguageConsistency(min_words=2),
    LanguageConsistency(language="zh", min_words=2),
    Length(maximum=10, unit="words"),
    RelativeLength(),
]
SAID = [
    "3 and 4 make seven.\n</think>\n\nIt is \\boxed{7}.",
    "三 and 四 make seven of them.\n</think>\n\nIt is \\boxed{8}.",
    "3 and 4 make seven, so it is \\boxed{7}.",  # never ends
    "<think>\n3 and 4 make seven.\n</think>\n\n\\boxed{7^{70000000} - 3^{9^{9}}}",
    "",
    "It is \\boxed{7}.</think> It is \\boxed{8}.",
]
ANSWERS = ["7", "7", None, "7", "7", "7"]
PREFILL = "<think>\n"


def asked(style: str) -> list[Any]:
    """The prompt of every completion."""
    text = "What is 3 + 4?" if style.startswith("turns") else "User: What is 3 + 4?\nAssistant: "
    text += PREFILL * (style == "text, opened")
    turns = [{"role": "user", "content": text}]
    return [turns if style.startswith("turns") else text] * len(SAID)


def columns(style: str) -> dict[str, list[Any]]:
    """What a trainer gives for the columns of the dataset."""
    opened = {"prefill": [PREFILL] * len(SAID)} if style == "turns, opened" else {}
    return {"answer": ANSWERS, "source": ["sums"] * len(SAID), **opened}


def rewards(rule: Scorer, style: str) -> list[float | None]:
    """As TRL calls it."""
    said: Sequence[Any] = SAID
    if style.startswith("turns"):
        said = [[{"role": "assistant", "content": text}] for text in SAID]
    return rule(
        prompts=asked(style),
        completions=said,
        completion_ids=[[5] * (10 + i) for i in range(len(SAID))],
        trainer_state=object(),
        log_extra=print,
        log_metric=print,
        **columns(style),
    )


def scored(rule: Scorer, style: str, folder: Path) -> list[float | None]:
    """As `curate score` says."""
    given: Mapping[str, Any] = {"prompt": asked(style), "completion": SAID, **columns(style)}
    rows = [{name: values[i] for name, values in given.items()} for i in range(len(SAID))]
    rows = [row | {"completion_tokens": 10 + i} for i, row in enumerate(rows)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = folder / "scored.jsonl"
    assert main(["score", rule.name, str(folder / "rows.jsonl"), "--out", str(out)]) == 0
    return [json.loads(line)["score"] for line in out.read_text().splitlines()]


STYLES = ["turns", "turns, opened", "text", "text, opened"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_reward_is_what_curate_score_says(rule: Scorer, style: str, tmp_path: Path) -> None:
    found = rewards(rule, style)
    assert found == pytest.approx(scored(rule, style, tmp_path), nan_ok=True)
    assert len(set(found)) > 1


def test_two_rules_of_one_class_are_told_apart() -> None:
    names = [rule.__name__ for rule in RULES]
    assert len(set(names)) == len(RULES)
    assert names[:2] == ["MathAnswer", "ThinkFormat"]
    assert names[3] == "LanguageConsistency:language=zh,min_words=2"


def test_a_completion_begins_inside_of_the_reasoning_that_the_prompt_opened() -> None:
    assert rewards(ThinkFormat(), "text")[:2] == [0.0, 0.0]
    for style in ("turns, opened", "text, opened"):
        assert rewards(ThinkFormat(), style) == [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
        # The reasoning of the third one never ends: what stands in it is no answer.
        assert rewards(MathAnswer(), style)[:3] == [1.0, 0.0, None]
    prompts = [[{"role": "user", "content": "What is 3 + 4?"}]] * 2
    said = SAID[2:3] * 2
    opened = MathAnswer()(prompts, said, answer=["7", "7"], prefill=[PREFILL, ""])
    assert opened == [0.0, 1.0]


def test_reasoning_that_a_parser_took_out_is_put_back() -> None:
    said = {"role": "assistant", "content": "It is 7.", "reasoning_content": "3 and 4"}
    assert ThinkFormat()(prompts=asked("turns")[:1], completions=[[said]]) == [1.0]


def test_columns_that_are_no_json_are_left_out() -> None:
    odd = {"image": [object()], "answer": [7]}
    assert MathAnswer()(prompts=["3 + 4?"], completions=["It is 7."], **odd) == [1.0]
    assert MathAnswer()(prompts=["3 + 4?"], completions=["It is 7."], answer=[["7"]]) == [None]


def test_the_same_from_threads_and_from_a_spawned_process() -> None:
    expected = [rewards(rule, "turns, opened") for rule in RULES]
    with ThreadPoolExecutor(3) as threads:
        said = [threads.submit(rewards, rule, "turns, opened") for rule in RULES]
        assert [one.result(timeout=120) for one in said] == expected
    rules = pickle.loads(pickle.dumps(RULES))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.starmap(rewards, [(rule, "turns, opened") for rule in rules]) == expected
