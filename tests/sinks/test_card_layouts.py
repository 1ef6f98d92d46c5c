"""Cards made of one layout: every shipped one renders, and a project's own may extend it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from curate.errors import UsageError
from curate.sample import Sample
from curate.sinks import card
from curate.sinks.shards import Shard
from curate.sinks.statistics import Statistics

CARDS = sorted((Path(__file__).parents[2] / "cards").glob("*.md"))
NOTES = {
    "mix": {
        "seed": 0,
        "changes": ["limit=384"],
        "targets": [
            {"target": "stem", "wanted": 10, "taken": 7, "missing": 3, "rows": 7}
            | {"asked_samples": None, "asked_prompts": 24},
        ],
    },
    "decontamination": {"checked": {}, "not_checked": {"gpqa": "gated"}, "ngram": 8},
}


def rendered(path: Path, **manifest: object) -> str:
    statistics = Statistics()
    statistics.add(Sample(prompt_id="0" * 16, problem="What is 3 + 4?").to_row())
    told = card.Told(
        statistics.end(),
        [Shard("data/train-00000-of-00001.parquet", 1, 100, 100, "0" * 64)],
        manifest={"pipeline": {"name": "mine", "file": "mine.py", "doc": "Mine."}} | manifest,
    )
    return card.render(card.find_template(path), told)


@pytest.mark.parametrize("path", CARDS, ids=[path.stem for path in CARDS])
def test_every_shipped_card_can_be_written(path: Path) -> None:
    card.try_out(card.find_template(path))
    text = rendered(path)
    head = yaml.safe_load(text[4 : text.index("\n---\n")])
    assert head["pretty_name"] == "mine" and len(head["tags"]) > 2
    assert "{%" not in text and "{{" not in text


@pytest.mark.parametrize("name", ["reasoning", "r1_sft", "rl_prompts"])
def test_the_mix_and_the_benchmarks_are_told(name: str) -> None:
    text = rendered(CARDS[0].parent / f"{name}.md", notes=NOTES)
    assert "\n| stem | 10 | 7 | 3 | 7 | 24 |\n" in text
    assert "To fill what is missing: `limit=384`.\n\n## Benchmarks\n\n" in text
    assert "**It was checked against no benchmark**" in text
    assert "\n* gpqa: gated\n" in text


def test_a_card_of_a_project_may_extend_ours(tmp_path: Path) -> None:
    """Without a copy of the layout; what it is made of is part of what the data is."""
    own = tmp_path / "own.md"
    own.write_text('{% extends "dataset.md" %}\n{% block how %}\nBy hand.\n{% endblock %}\n')
    assert "## How it was made\n\nBy hand.\n\n## What was left out" in rendered(own)
    assert [path.name for path in card.files(own)] == ["own.md", "dataset.md"]


def test_a_layout_that_is_not_there_is_said(tmp_path: Path) -> None:
    own = tmp_path / "own.md"
    own.write_text('{% extends "nowhere.md" %}\n')
    with pytest.raises(UsageError, match=r"own\.md.*nowhere\.md"):
        card.try_out(card.find_template(own))
