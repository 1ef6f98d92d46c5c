"""TRL's rewards under its names: the numbers that its own tests ask for."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from curate.errors import UsageError
from curate.scorers import Scorer, scorer_from
from curate.scorers.peer_names import peer_rewards

CASES = Path(__file__).parents[2] / "../shared/cases/trl-rewards-tests.jsonl"
NAMES = {
    "think_format": "think_format_reward",
    "soft_overlong": "trl.get_soft_overlong_punishment",
    "repetition_penalty_token_ids": "trl.get_repetition_penalty_reward",
    "cosine_scaled_by_token_count": "trl.get_cosine_scaled_reward",
    "accuracy": "trl.accuracy_reward",
    "reasoning_accuracy": "reasoning_accuracy_reward",
}


def reward(row: dict[str, Any]) -> float | None:
    """What our reward of the row's function gives, called as TRL calls it."""
    said = row["input"] if isinstance(row["input"], dict) else {"completion": row["input"]}
    params = row.get("params", {})
    found = peer_rewards()[NAMES[row["function"]]]
    rule = partial(found, **params) if isinstance(found, Scorer) else found(**params)
    length = said.get("length")
    ids = said.get("completion_ids", None if length is None else [1] * length)
    gold = {"solution": [said["solution"]]} if "solution" in said else {}
    turn = {"role": "assistant", "content": said.get("completion", "")}
    return rule(completions=[[turn]], completion_ids=None if ids is None else [ids], **gold)[0]


@pytest.mark.skipif(not CASES.exists(), reason="no ../shared with the cases of TRL")
def test_every_number_is_that_of_trl() -> None:
    for row in map(json.loads, CASES.read_text(encoding="utf-8").splitlines()):
        if row["expected"] == "ValueError":
            with pytest.raises(UsageError):
                reward(row)
        elif row["expected"] is None:
            assert reward(row) is None, row["id"]
        else:
            tolerance = 1e-4 if row["function"].startswith("cosine") else 1e-6
            assert reward(row) == pytest.approx(row["expected"], abs=tolerance), row["id"]


def test_the_names_of_both_stand_side_by_side() -> None:
    assert scorer_from("trl.get_cosine_scaled_reward:max_len=9").name == (
        "CosineScaled:max_len=9,boxed=True"
    )
    ours = scorer_from("cosine_scaled_reward:max_len=9").name
    assert ours == "CosineScaled:max_len=9,unit=characters,clamp=False,boxed=True"
    assert scorer_from("get_repetition_penalty_reward:ngram_size=2,max_penalty=-1.0").name == (
        "RepetitionPenalty:ngram_size=2"
    )


def test_token_ids_come_from_the_trainer_or_a_column() -> None:
    rule = scorer_from("trl.repetition_penalty_reward:ngram_size=2")
    assert rule(completions=["a"], completion_ids=[[5, 5, 5, 5, 5]]) == [-0.75]
    assert rule(completions=["a"]) == [None]


@pytest.mark.parametrize("page", ["verdicts-format.md", "verdicts-trl.md"])
def test_what_the_pages_have_typed_is_there(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    typed = re.findall(r'curate score (?:"(.+?)"|(\S+))', text)
    assert len(typed) >= 3
    for quoted, plain in typed:
        assert scorer_from(quoted or plain)
