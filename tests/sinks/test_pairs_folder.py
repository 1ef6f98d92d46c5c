"""Pairs as rows: columns, order, card, and what is no pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.errors import RunError
from curate.sample import Sample, Verdict
from curate.sinks import PairsFolder
from curate.sinks.pairs_folder import pair_schema
from tests.sinks.made import context, sample

JUDGE = "Pairs:Gap(TextAnswer)"


def pair(number: int, gap: float = 1.5, **changes: Any) -> list[Sample]:
    """The worse and the better sample of a prompt."""
    problem = f"What is {number}?"
    halves = [sample(number, k, problem=problem, answer="7", **changes) for k in range(2)]
    scores = (0.5 - gap / 4, 0.5 + gap / 4)
    return [
        half.with_verdicts({JUDGE: Verdict(score, "as told")})
        for half, score in zip(halves, scores, strict=True)
    ]


def write(out: Path, given: list[Sample]) -> list[Sample]:
    step = PairsFolder()
    step.prepare(context(out))
    return [Sample.from_document(d) for d in step.run(iter([s.to_document() for s in given]))]


def rows(out: Path) -> list[dict[str, Any]]:
    return [
        r for p in sorted((out / "dataset/data").glob("*")) for r in pq.read_table(p).to_pylist()
    ]


def test_a_row_has_the_better_answer_as_chosen_and_all_that_is_known(tmp_path: Path) -> None:
    worse, better = pair(3, gap=1.25)
    given = write(tmp_path, [worse, better])
    (row,) = rows(tmp_path)
    assert row["prompt"] == [{"role": "user", "content": "What is 3?"}]
    assert row["chosen"] == list(better.completion)
    assert row["rejected"] == list(worse.completion)
    assert (row["gap"], row["judge"]) == (1.25, "Gap(TextAnswer)")
    assert (row["id"], row["rejected_id"]) == (better.id, worse.id)
    assert (row["k"], row["rejected_k"], row["prompt_tokens"]) == (1, 0, 20)
    assert [v["name"] for v in row["rejected_verdicts"]] == ["MathAnswer", "ThinkFormat", JUDGE]
    assert given == [better, worse]


def test_the_schema_is_explicit_and_rows_are_sorted(tmp_path: Path) -> None:
    made = [half for n in (5, 1, 9) for half in pair(n, domain="math" if n == 1 else "code")]
    write(tmp_path / "a", made)
    write(tmp_path / "b", made[::-1])
    (shard,) = (tmp_path / "a/dataset/data").glob("*.parquet")
    assert pq.read_schema(shard).remove_metadata() == pair_schema()
    order = [(r["domain"], r["source"], r["prompt_id"]) for r in rows(tmp_path / "a")]
    assert order == sorted(order) and len(order) == 3
    (other,) = (tmp_path / "b/dataset/data").glob("*.parquet")
    assert other.read_bytes() == shard.read_bytes()


def test_datasets_loads_it_with_the_cards_own_features(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write(tmp_path, [half for n in range(3) for half in pair(n)])
    loaded = datasets.load_dataset(
        str(tmp_path / "dataset"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == 3
    assert {"prompt", "chosen", "rejected"} <= set(loaded.column_names)
    assert set(loaded[0]["chosen"][0]) == {"role", "content"}


def test_the_card_counts_pairs_and_says_how_long_their_halves_are(tmp_path: Path) -> None:
    made = [half for n in range(3) for half in pair(n, domain="helpful")]
    write(tmp_path, [*made, *pair(7, gap=2.0, domain="harmless")])
    card = (tmp_path / "dataset/README.md").read_text()
    assert "**4 pairs.**" in card and "num_examples: 4" in card
    assert "| helpful | 3 | 1.5 | 1 |" in card and "| harmless | 1 | 2 | 1 |" in card


def test_nothing_gives_an_empty_shard_and_a_card_that_says_so(tmp_path: Path) -> None:
    assert write(tmp_path, []) == []
    assert rows(tmp_path) == []
    assert "This dataset is empty" in (tmp_path / "dataset/README.md").read_text()


NO_PAIRS = [
    ([0], "one half"),
    ([0, 0], "two worse ones"),
    ([1, 1], "two better ones"),
    ([0, 1, 1], "three samples"),
]


@pytest.mark.parametrize(("halves", "what"), NO_PAIRS, ids=[row[1] for row in NO_PAIRS])
def test_what_is_no_pair_stops_the_run(tmp_path: Path, halves: list[int], what: str) -> None:
    both = pair(1)
    made = [replace(both[i], id=f"{both[i].id[:-1]}{n}", k=n) for n, i in enumerate(halves)]
    with pytest.raises(RunError, match=f"has {len(halves)} samples that are no pair"):
        write(tmp_path, made)
    assert not (tmp_path / "dataset").exists()


def test_a_sample_that_no_judge_compared_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"put Pairs\(…\) before it"):
        write(tmp_path, [sample(1, 0), sample(1, 1)])
