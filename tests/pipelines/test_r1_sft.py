"""R1's mix: from its two pipelines on a laptop, from datasets that exist, and in its numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filters.mixes import R1_SFT
from pipelines.r1_sft import r1_sft
from tests.pipelines.running import PROMPTS, by_domain, finish, write_rows
from tests.pipelines.test_cold_start import check_funnel, rows


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    held = write_rows(tmp_path / "held.jsonl", [{"problem": PROMPTS[2]["problem"]}])
    return [f"out={tmp_path / 'out'}", f"store={tmp_path / 'store'}", f"benchmarks={held}"]


def test_a_laptop_gets_ten_rows_in_every_domain(
    laptop_store: Path, tmp_path: Path, places: list[str]
) -> None:
    """On the embedded model with the defaults: minutes, less after the tests of its two parts."""
    finish("r1_sft", places[0], f"store={laptop_store}", places[2])
    check_funnel(tmp_path / "out")
    assert by_domain(rows(tmp_path / "out")) == dict.fromkeys(R1_SFT, 10)


def answered(domain: str, n: int, **further: Any) -> list[dict[str, Any]]:
    """Rows of a dataset that somebody has: as many problems of a domain."""
    kinds = ("lions", "bridges", "planets", "violins", "rivers", "engines", "castles", "coins")
    return [
        {"problem": f"Tell me of {kinds[i % 8]} in {domain}, number {i * 37 + 5}", "answer": str(i)}
        | {"completion": f"<think>\n{kinds[i % 8]}\n</think>\n{i}", "domain": domain}
        | further
        for i in range(n)
    ]


def test_parts_that_exist_are_cleared_and_mixed(tmp_path: Path, places: list[str]) -> None:
    both = answered("stem", 3, source="both")
    leaked = PROMPTS[2] | {"completion": "<think>\nTom.\n</think>\nB", "domain": "logic"}
    reasoning = [*answered("math", 90), *answered("code", 40), *answered("logic", 9), *both, leaked]
    general = [*answered("general", 60), *both]
    finish(
        "r1_sft",
        f"reasoning={write_rows(tmp_path / 'reasoning.jsonl', reasoning)}",
        f"non_reasoning={write_rows(tmp_path / 'general.jsonl', general)}",
        *("scale=0.0001", "floor=4", *places),
    )
    out = tmp_path / "out"
    check_funnel(out)
    assert by_domain(rows(out)) == {"math": 40, "code": 21, "logic": 4, "stem": 3, "general": 18}
    funnel = {row["step"]: row for row in json.loads((out / "funnel.json").read_text())}
    assert list(funnel["Decontaminate"]["dropped"].values()) == [1]
    card = (out / "dataset/README.md").read_text()
    assert "| stem | 4 | 3 | 1 |" in card and "held" in card


def test_a_mix_that_has_to_be_whole_stops(tmp_path: Path, places: list[str]) -> None:
    few = write_rows(tmp_path / "few.jsonl", answered("math", 3))
    with pytest.raises(AssertionError, match="Mix is short in 5 of 5 targets"):
        finish(
            "r1_sft",
            *(f"reasoning={few}", f"non_reasoning={few}", "require=true", *places),
        )


def test_all_of_it_is_the_table_of_the_paper() -> None:
    mix = next(step for step in r1_sft(scale=1.0) if type(step).__name__ == "Mix")
    assert mix.arguments["targets"] == R1_SFT
    assert sum(R1_SFT.values()) == 804_745
