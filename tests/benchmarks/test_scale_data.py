"""The scale benchmark says what was planted, so what it plants must be there, and nothing else."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import scale_data
from benchmarks.scale_check import CAUGHT_BY, check, sizes_of_mix
from benchmarks.scale_data import SHARES, Planted
from curate.sample import Sample, schema
from curate.sinks.shards import read_rows
from curate.step import Step
from filters import (
    correct_answer,
    language_consistent,
    no_foreign_word,
    plain_reasoning,
    publishable,
    readable,
    think_format,
)

ROWS = 400
LENGTHS = 0.1
RULES = [
    *(think_format, *readable(), plain_reasoning, language_consistent(), no_foreign_word()),
    *(*publishable(), correct_answer),
]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return list(scale_data.rows(ROWS, lengths=LENGTHS))


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted.deal(ROWS, 0)


def refused_by(row: dict) -> str | None:
    """The first rule that refuses a row."""
    sample = Sample.from_row(row)
    for keep in RULES:
        if not keep.accepts(keep.scorer.judge(sample)):
            return keep.scorer.name
    return None


def test_kinds_have_their_shares(planted: Planted) -> None:
    counts = Counter(filter(None, map(planted.name, range(ROWS))))
    assert counts == {kind: round(share * ROWS) for kind, share in SHARES.items()}


def test_what_is_planted_is_refused_for_its_fault_and_nothing_else_is(
    rows: list[dict], planted: Planted
) -> None:
    passes = (None, "contaminated", *scale_data.COPIES)
    for number, row in enumerate(rows):
        kind, refused = planted.name(number), refused_by(row)
        if kind in passes:
            assert refused is None, (number, kind)
        else:
            assert refused and refused.startswith(CAUGHT_BY[str(kind)]), (number, kind)


def test_a_copy_says_what_its_original_says(rows: list[dict], planted: Planted) -> None:
    def said(row: dict) -> str:
        return row["completion"][0]["content"]

    compared = Counter()
    for number, row in enumerate(rows):
        if planted.of[number] < 0:
            continue
        original, kind = rows[planted.of[number]], str(planted.name(number))
        assert (said(row) == said(original)) == kind.startswith("exact")
        assert (row["problem"] == original["problem"]) == (kind == "exact")
        assert row["answer"] == original["answer"]
        assert row["prompt_id"] != original["prompt_id"]
        compared[kind] += 1
    assert set(compared) == set(scale_data.COPIES)


def test_no_two_other_rows_say_the_same(rows: list[dict], planted: Planted) -> None:
    own = [row for number, row in enumerate(rows) if planted.of[number] < 0]
    texts = Counter(row["completion"][0]["content"] for row in own)
    assert max(texts.values()) == 1
    assert len({row["id"] for row in rows}) == ROWS


def test_every_contaminated_problem_holds_an_item(rows: list[dict], planted: Planted) -> None:
    def folded(text: str) -> str:
        return "".join(text.replace("dfrac", "frac").split())

    items = [folded(item.text) for item in scale_data.items(0)]
    for number, row in enumerate(rows):
        holds = any(item in folded(row["problem"]) for item in items)
        assert holds == (planted.name(number) == "contaminated")


def test_files_hold_the_rows_and_what_was_planted(tmp_path: Path, rows: list[dict]) -> None:
    size = scale_data.write(tmp_path / "data", ROWS, lengths=LENGTHS)
    files = sorted((tmp_path / "data/samples").iterdir())
    assert size == sum(file.stat().st_size for file in files)
    assert pq.read_schema(files[0]).equals(schema())
    assert list(read_rows(tmp_path / "data/samples")) == rows
    items = (tmp_path / "data/benchmark.jsonl").read_text().splitlines()
    assert len(items) == scale_data.ITEMS
    assert json.loads(items[0])["problem"] == scale_data.items(0)[0].text


def test_lengths_are_those_of_the_domain() -> None:
    sizes = [
        sum(map(len, scale_data.thought(0, number, "math", LENGTHS))) for number in range(2000)
    ]
    mean = scale_data.DOMAINS["math"][1] * LENGTHS * scale_data.CHARACTERS_A_TOKEN
    assert sum(sizes) / len(sizes) == pytest.approx(mean, rel=0.05)


def test_a_run_is_checked_row_by_row(tmp_path: Path, rows: list[dict], planted: Planted) -> None:
    """A run that keeps the mix and refuses all else for the right reason; then it loses a row."""
    data, out = tmp_path / "data", tmp_path / "out"
    scale_data.write(data, ROWS, lengths=LENGTHS)
    mix = sizes_of_mix(data)
    left, kept, rejected = dict(mix), [], []
    for number, row in enumerate(rows):
        kind = planted.name(number)
        if kind is None and left[row["domain"]]:
            left[row["domain"]] -= 1
            kept.append(row)
        else:
            rejected.append(row | {"reason": CAUGHT_BY[kind][0] if kind else "surplus"})
    write_run(out, kept, rejected)
    found = check(data, out, mix)
    assert found.mix == f"exact, {sum(mix.values()):,} rows"
    assert all(found.caught(kind) == sum(fates.values()) for kind, fates in found.fates.items())
    write_run(out, kept[1:], rejected)
    with pytest.raises(ValueError, match="1 are missing"):
        check(data, out, mix)


def write_run(out: Path, kept: list[dict], rejected: list[dict]) -> None:
    import polars as pl

    for name, rows in (("dataset/data", kept), ("rejected", rejected)):
        (out / name).mkdir(parents=True, exist_ok=True)
        columns = [c for c in ("source_id", "domain", "reason") if c in rows[0]]
        table = pl.DataFrame([{c: row[c] for c in columns} for row in rows])
        table.write_parquet(out / name / "00000.parquet")


def test_the_pipeline_has_every_kind_of_selection() -> None:
    from benchmarks.scale_pipeline import scale

    steps: list[Step] = scale()
    labels = [step.label.partition(":")[0] for step in steps]
    assert set(labels) == {"Samples", "Keep", "Decontaminate", "Dedup", "Mix", "DatasetFolder"}
