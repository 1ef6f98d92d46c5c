"""What `compare` says, against plain Python on the same rows."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.errors import UsageError
from curate.sample import Sample, Verdict, schema, sort_key
from curate.sinks.difference import Changed, Difference, compare
from curate.sinks.shards import write_shards
from tests.sinks.made import sample, samples

Rows = Sequence[Mapping[str, Any]]


def dataset(folder: Path, given: Sequence[Sample], **files: str) -> Path:
    """A dataset folder of samples, with further files."""
    rows = sorted((one.to_row() for one in given), key=sort_key)
    write_shards(rows, folder, shard_bytes=10_000)
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_md", ".md").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def table(folder: Path, rows: list[dict[str, Any]], fields: pa.Schema | None = None) -> Path:
    """A dataset of any columns."""
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, fields), folder / "data/train-00000-of-00001.parquet")
    return folder


def by_hand(a: Sequence[Sample], b: Sequence[Sample]) -> dict[str, Any]:
    """The same figures, straight from the samples."""
    old, new = ({s.id: s.to_row() for s in side} for side in (a, b))
    changed = [i for i in old.keys() & new.keys() if old[i] != new[i]]
    columns = Counter(c for i in changed for c in old[i] if old[i][c] != new[i][c])
    return {
        "added": Counter(new[i]["domain"] for i in new.keys() - old.keys()),
        "removed": Counter(old[i]["domain"] for i in old.keys() - new.keys()),
        "changed": Counter(new[i]["domain"] for i in changed),
        "columns": columns,
        "ids": {
            *(("+", i) for i in new.keys() - old.keys()),
            *(("-", i) for i in old.keys() - new.keys()),
            *(("~", i) for i in changed),
        },
    }


def told(found: Difference) -> dict[str, Any]:
    tallies = {name: getattr(found, name).of("domain") for name in ("added", "removed", "changed")}
    return tallies | {"columns": found.columns}


CHANGES: list[Callable[[Sample], Sample]] = [
    lambda s: replace(s, answer=None),
    lambda s: replace(s, completion_tokens=(s.completion_tokens or 0) + 1),
    lambda s: s.with_verdicts({"MathAnswer": Verdict(0.0, "no")}),
    lambda s: s.with_completion("<think>other</think>7"),
    lambda s: replace(s, domain="stem"),
    lambda s: replace(s, pass_rate=0.5, source_id="x"),
]


@pytest.mark.parametrize("seed", range(6))
def test_figures_are_those_of_plain_python(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    a = samples(60, per_prompt=3)
    b = [
        draw.choice(CHANGES)(s) if draw.random() < 0.2 else s
        for s in samples(80, per_prompt=3)
        if draw.random() < 0.8
    ]
    listed: list[Changed] = []
    found = compare(dataset(tmp_path / "a", a), dataset(tmp_path / "b", b), each=listed.append)
    expected = by_hand(a, b)
    assert told(found) | {"ids": {(row.sign, row.id) for row in listed}} == expected
    assert len(listed) == len(expected["ids"])
    rows = {s.id: s.to_row() for s in a}, {s.id: s.to_row() for s in b}
    for row in listed:
        before, after = (side.get(row.id) for side in rows)
        assert row.sign != "~" or (before is not None and after is not None)
        if before and after:
            assert {*row.columns} == {c for c in before if before[c] != after[c]}
    assert found.bump() == "minor"
    lengths = sorted(s.completion_tokens or 0 for s in b)
    assert f"median {lengths[-(-len(lengths) // 2) - 1]:,}, 95 % up to" in found.text()


def test_order_and_shards_do_not_matter(tmp_path: Path) -> None:
    rows = [s.to_row() for s in samples(40)]
    a = table(tmp_path / "a", rows, schema())
    b = table(tmp_path / "b", random.Random(1).sample(rows, len(rows)), schema())
    (b / "data/train-00000-of-00001.parquet").rename(b / "data/train-7.parquet")
    found = compare(a, b)
    assert not found.has_other_rows
    assert found.bump() == "patch"  # other files with the same rows


def test_equal_files_beside_others_count_as_they_are(tmp_path: Path) -> None:
    a = samples(90)
    b = [replace(s, answer="other") if s.id == a[0].id else s for s in a]
    folders = dataset(tmp_path / "a", a), dataset(tmp_path / "b", b)
    contents = [{p.read_bytes() for p in folder.rglob("*.parquet")} for folder in folders]
    assert contents[0] & contents[1]  # or nothing is tested
    found = compare(*folders)
    assert told(found) == {k: v for k, v in by_hand(a, b).items() if k != "ids"}
    assert found.totals[0].by == found.totals[1].by
    assert (found.totals[1].rows, found.totals[1].prompts) == (180, 90)


def test_equal_datasets_are_equal(tmp_path: Path) -> None:
    a, b = (dataset(tmp_path / n, samples(9), README_md="x") for n in "ab")
    found = compare(a, b)
    assert (found.bump(), found.json()["equal"]) == (None, True)
    assert "are equal: 18 rows, all as before" in found.text()
    assert compare(a, dataset(tmp_path / "c", samples(9), README_md="y")).bump() == "patch"


def without(rows: Rows, name: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != name} for row in rows]


@pytest.mark.parametrize(
    ("change", "bump", "said"),
    [
        (lambda rows: without(rows, "note"), "major", "Column `note` is gone"),
        (
            lambda rows: [{**without([r], "note")[0], "remark": r["note"]} for r in rows],
            "major",
            "New column `remark` (string)",
        ),
        (lambda rows: [{**r, "n": float(r["n"])} for r in rows], "major", "is now double, it was"),
        (lambda rows: [{**r, "more": 1} for r in rows], "minor", "New column `more` (int64)"),
        (lambda rows: [{**r, "n": r["n"] + 1} for r in rows], "minor", "Changed values in `n` (5)"),
        (
            lambda rows: [{**r, "id": f"x{r['n']}", "prompt_id": f"q{r['n']}"} for r in rows],
            "major",
            "5 unchanged prompts have another prompt_id",
        ),
        (lambda rows: rows[:4], "minor", "4 rows (5 before): 1 removed"),
    ],
    ids=["removed", "renamed", "retyped", "added", "values", "prompt ids", "rows"],
)
def test_the_version_follows_from_what_changed(
    tmp_path: Path, change: Callable[[Any], list[dict[str, Any]]], bump: str, said: str
) -> None:
    rows = [
        {"id": f"r{n}", "prompt_id": f"p{n}", "problem": f"What is {n}?", "n": n, "note": "a"}
        for n in range(5)
    ]
    found = compare(table(tmp_path / "a", rows), table(tmp_path / "b", change(rows)))
    assert found.bump() == bump
    assert said in found.text()


def test_other_samples_of_a_prompt_do_not_rename_it(tmp_path: Path) -> None:
    a = [sample(n) for n in range(5)]
    b = [replace(one, id=f"{one.prompt_id}-ffffffff") for one in a]
    found = compare(dataset(tmp_path / "a", a), dataset(tmp_path / "b", b))
    assert (found.renamed_prompts, found.added.rows, found.bump()) == (0, 5, "minor")


def test_a_config_that_is_gone_breaks_its_readers(tmp_path: Path) -> None:
    for name, configs in (("a", ("math", "code")), ("b", ("math",))):
        for n, config in enumerate(configs):
            rows = [s.to_row() for s in samples(4) if s.id][n::2]
            path = tmp_path / name / config / "train-00000-of-00001.parquet"
            path.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(rows, schema()), path)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found.bump() == "major"
    assert "Config `code` is gone" in found.text()
    assert found.removed.of("config") == {"code": 4}


def test_a_row_that_moves_to_the_test_split_has_changed(tmp_path: Path) -> None:
    rows = sorted((s.to_row() for s in samples(4)), key=sort_key)
    for name, held in (("a", 2), ("b", 3)):
        (tmp_path / name / "data").mkdir(parents=True)
        for split, part in (("test", rows[:held]), ("train", rows[held:])):
            path = tmp_path / name / f"data/{split}-00000-of-00001.parquet"
            pq.write_table(pa.Table.from_pylist(part, schema()), path)
    listed: list[Changed] = []
    found = compare(tmp_path / "a", tmp_path / "b", each=listed.append)
    assert listed == [Changed("~", rows[2]["id"], ("(config)",))]
    assert found.changed.of("config") == {"default/test": 1}


def run_of(folder: Path, kept: Sequence[Sample], refused: list[dict[str, Any]]) -> Path:
    """A run directory with its dataset and what it left out."""
    manifest = {"shards": [], "parameters": {"limit": len(kept)}, "packages": {"pyarrow": "26"}}
    dataset(folder / "dataset", kept, **{".curate__manifest_json": json.dumps(manifest)})
    (folder / "manifest.json").write_text("{}")
    (folder / "rejected").mkdir()
    fields = pa.schema([(n, pa.string()) for n in ("id", "prompt_id", "step", "reason")])
    pq.write_table(pa.Table.from_pylist(refused, fields), folder / "rejected/01-x-00000.parquet")
    return folder


def test_runs_say_why_rows_came_and_went(tmp_path: Path) -> None:
    all_of_them = samples(10)
    gone, asked_no_more, unknown = all_of_them[0], all_of_them[1], all_of_them[2]
    lost = {gone.id, unknown.id} | {
        s.id for s in all_of_them if s.prompt_id == asked_no_more.prompt_id
    }
    kept = [s for s in all_of_them if s.id not in lost]
    refused = [
        {
            "id": gone.id,
            "prompt_id": gone.prompt_id,
            "step": "Dedup",
            "reason": "duplicate_of:ab-1",
        },
        {"id": None, "prompt_id": asked_no_more.prompt_id, "step": "Decontaminate"}
        | {"reason": "contaminated_by:math-500/3"},
        {"id": "somebody-else", "prompt_id": "none", "step": "Keep", "reason": "MathAnswer"},
    ]
    a, b = run_of(tmp_path / "a", all_of_them, []), run_of(tmp_path / "b", kept, refused)
    found = compare(a, b)
    assert found.left_out == {
        "Dedup: duplicate_of": 1,
        "Decontaminate: contaminated_by": len(lost - {gone.id, unknown.id}),
        "not made there": 1,
    }
    back = compare(b / "dataset", a)
    assert back.let_in == found.left_out
    assert "Removed because of `Decontaminate: contaminated_by`" in found.text()
    assert "Parameter limit: 20 -> " in found.text()


def test_rules_and_parameters_are_told(tmp_path: Path) -> None:
    def made(name: str, rule: str, samples_: int) -> Path:
        manifest = {
            "parameters": {"samples": samples_},
            "packages": {"pyarrow": "26"},
            "steps": [{"step": "Generate", "samples": samples_}],
            "engine": {"model": "m", "revision": str(samples_)},
        }
        files = {".curate__manifest_json": json.dumps(manifest), ".curate__files__rules_md": rule}
        return dataset(tmp_path / name, samples(5), README_md="card", **files)

    found = compare(made("a", "one", 8), made("b", "two", 16))
    for said in (
        "Changed: `rules.md`",
        "Parameter samples: 8 -> 16",
        "Engine revision: 8 -> 16",
        "Step + Generate(samples=16)",
    ):
        assert said in found.text()
    assert found.bump() == "patch"
    section = found.changelog("1.0.1", "2026-11-22")
    assert section.startswith("## 1.0.1 (2026-11-22)\n\n10 rows, all as before.\n")
    assert "- Changed: `rules.md`\n" in section


def test_a_changelog_entry_reads_like_one(tmp_path: Path) -> None:
    a = samples(12)
    b = [s for s in samples(15) if s.id != a[0].id]
    found = compare(dataset(tmp_path / "a", a), dataset(tmp_path / "b", b))
    lines = found.changelog("1.1.0", "2026-11-22").splitlines()
    assert lines[:3] == ["## 1.1.0 (2026-11-22)", "", "29 rows (24 before): 6 added, 1 removed."]
    domain = a[0].domain
    assert f"- domain `{domain}`: 2 added, 1 removed (9 now)" in lines


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"text": "a"}], "cannot be told apart: both need a text column named id or uuid"),
        ([{"id": "a"}, {"id": "a"}], "`id` does not name rows: 1 of 2 repeat an id"),
        ([{"id": 1}], "both need a text column named id or uuid"),
    ],
    ids=["no id", "twice", "a number"],
)
def test_rows_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    folder = table(tmp_path / "a", rows)
    with pytest.raises(UsageError, match=said):
        compare(folder, folder)


def test_datasets_of_others_are_compared_by_their_ids(tmp_path: Path) -> None:
    rows = [{"uuid": f"u{n}", "verdicts": [n], "completion_tokens": "many"} for n in range(3)]
    a, b = table(tmp_path / "a", rows), table(tmp_path / "b", rows[1:])
    found = compare(a, b)
    assert (found.id_column, found.removed.rows, found.added.rows) == ("uuid", 1, 0)


def test_the_command_lists_ids_and_gives_json(tmp_path: Path, capsys: Any) -> None:
    a, b = samples(4), samples(5)[:-1]
    places = [str(dataset(tmp_path / n, s)) for n, s in (("a", a), ("b", b))]
    assert main(["diff", *places, "--ids", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {(row["sign"], row["id"]) for row in found["ids"]} == by_hand(a, b)["ids"]
    assert main(["diff", *places, "--ids"]) == 0
    text = capsys.readouterr().out
    assert all(f"{sign} {id}" in text for sign, id in by_hand(a, b)["ids"])
    assert main(["diff", places[0], places[0]]) == 0
    assert "are equal" in capsys.readouterr().out


@pytest.mark.parametrize("there", [None, "empty", "run"], ids=["nothing", "no rows", "unfinished"])
def test_what_is_no_dataset_is_refused(tmp_path: Path, capsys: Any, there: str | None) -> None:
    good, bad = dataset(tmp_path / "a", samples(2)), tmp_path / "b"
    if there:
        bad.mkdir()
    if there == "run":
        (bad / "manifest.json").write_text("{}")
    assert main(["diff", str(good), str(bad)]) == 2
    assert str(bad) in capsys.readouterr().err
