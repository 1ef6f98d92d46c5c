"""Exports: the files that other trainers read hold every text of the dataset, verbatim."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.errors import RunError, UsageError
from curate.sample import Sample, Turn, schema
from curate.sinks.export import FORMATS, export
from curate.sinks.shards import read_rows
from tests.sinks import test_pairs_folder as pairs
from tests.sinks.made import sample, write

ODD = "  <think>\r\n\u2028a \\boxed{½}\t\x00</think>\n\n“7” 🙂 \\n\n "
TURNS = (
    Turn(role="system", content="Be brief."),
    Turn(role="user", content="Hi\n"),
    Turn(role="assistant", content="<think>…</think>Hello."),
    Turn(role="user", content="What is 3 + 4?"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with samples of three domains, odd texts, and a prompt that nothing judges."""
    out = tmp_path_factory.mktemp("run")
    made = [sample(n, k, domain=("math", "code", "logic")[n % 3]) for n in range(6) for k in (0, 1)]
    odd = replace(sample(50, domain="math"), prompt=TURNS).with_completion(ODD)
    unjudged = sample(60, answer=None, domain="general")
    write(out, [*made, odd, unjudged])
    return out


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs")
    pairs.write(out, [half for n in (5, 1, 9) for half in pairs.pair(n)])
    return out


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, as its reader finds them."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def unsaid(said: dict[str, str]) -> dict[str, str]:
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    return {"role": roles[said["from"]], "content": said["value"]}


def by_sharegpt(row: dict[str, Any]) -> list[dict[str, str]]:
    return [unsaid(turn) for turn in row["conversations"]]


WHOLE: dict[str, Callable[[dict[str, Any]], list[dict[str, str]]]] = {
    "trl": lambda row: row["prompt"] + row["completion"],
    "sharegpt": by_sharegpt,
    "llama-factory": by_sharegpt,
    "verl": lambda row: row["messages"],
    "openrlhf": lambda row: row["input"] + row["output"],
}
"""How a format says prompt and completion."""


@pytest.mark.parametrize("form", FORMATS)
def test_every_text_comes_back_as_it_was(form: str, run: Path, tmp_path: Path) -> None:
    files = {path.name: rows for path, rows in export(run, form, tmp_path / "out")}
    (name,) = (name for name in files if "sft" in name)
    rows = list(read_rows(run / "dataset"))
    found = read(tmp_path / "out" / name)
    assert [WHOLE[form](row) for row in found] == [r["prompt"] + r["completion"] for r in rows]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert files[name] == len(rows) == 14


PROMPT = {"trl": "prompt", "verl": "prompt", "openrlhf": "input"}
GOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "trl": lambda row: row["answer"],
    "verl": lambda row: row["reward_model"]["ground_truth"],
    "openrlhf": lambda row: row["label"],
}


@pytest.mark.parametrize("form", GOLD)
def test_prompts_come_once_with_what_judges_them(form: str, run: Path, tmp_path: Path) -> None:
    (path,) = (p for p, _ in export(run, form, tmp_path / "out") if "rl" in p.stem)
    rows = {row["prompt_id"]: row for row in reversed(list(read_rows(run / "dataset")))}
    judged = [row for row in reversed(rows.values()) if row["answer"]]
    found = read(path)
    assert [row[PROMPT[form]] for row in found] == [row["prompt"] for row in judged]
    assert [GOLD[form](row) for row in found] == [row["answer"] for row in judged]
    assert len(found) == len(rows) - 1


@pytest.mark.parametrize("form", FORMATS)
def test_pairs_keep_both_halves(form: str, paired: Path, tmp_path: Path) -> None:
    ((path, count),) = export(paired, form, tmp_path / "out")
    expected = [
        [row["prompt"][0]["content"], row["chosen"][0]["content"], row["rejected"][0]["content"]]
        for row in read_rows(paired / "dataset")
    ]
    assert path.stem == "train-dpo" and count == 3

    def text(value: Any) -> str:
        value = value[0] if isinstance(value, list) else value
        return value if isinstance(value, str) else value.get("content", value.get("value"))

    asked = "conversations" if form in ("sharegpt", "llama-factory") else "prompt"
    found = [[text(row[name]) for name in (asked, "chosen", "rejected")] for row in read(path)]
    assert found == expected


def test_a_config_and_a_split_have_files_of_their_own(tmp_path: Path) -> None:
    rows = [sample(n).to_row() for n in range(4)]
    for name in ("math/train", "math/test", "chat/train"):
        path = tmp_path / f"set/{name}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema()), path)
    files = export(tmp_path / "set", "sharegpt", tmp_path / "out")
    assert {path.name: n for path, n in files} == {
        "chat-train-sft.jsonl": 4,
        "math-test-sft.jsonl": 4,
        "math-train-sft.jsonl": 4,
    }


def test_what_cannot_be_exported(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no format 'axolotl'; there are trl, sharegpt"):
        export(run, "axolotl", tmp_path / "out")
    with pytest.raises(UsageError, match="is no dataset"):
        export(tmp_path, "trl", tmp_path / "out")
    write(tmp_path / "empty", [])
    with pytest.raises(RunError, match="has no rows"):
        export(tmp_path / "empty", "trl", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(UsageError, match="is there already"):
        export(run, "trl", tmp_path / "full")
    odd = replace(sample(1), prompt=(Turn(role="judge", content="?"),))
    write(tmp_path / "odd", [odd])
    with pytest.raises(RunError, match="ShareGPT has no role 'judge'"):
        export(tmp_path / "odd", "sharegpt", tmp_path / "out")


def test_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "llama-factory", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out/train-sft.jsonl: 14 rows\n"
    about = json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert about["train-sft"]["columns"] == {"messages": "conversations"}
    assert main(["export", str(run), "axolotl", str(tmp_path / "other")]) == 2


def test_memory_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    """400 MB of text pass; what is held are 8 MB of it, and one of the shard's row groups."""
    (tmp_path / "set").mkdir()
    with pq.ParquetWriter(tmp_path / "set/train-00000.parquet", schema()) as writer:
        for n in range(10):
            asked = Sample(prompt_id=f"{n}", problem="?", prompt=TURNS[:2])
            said = f"<think>{f'{n} and ' * 9_000}</think>7"
            rows = [asked.with_completion(f"{k}{said}").to_row() for k in range(800)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema()))
    code = (
        "import resource, sys; from pathlib import Path; from curate.sinks.export import export\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "export(Path(sys.argv[1]), 'sharegpt', Path(sys.argv[2]))\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "set"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert size > 400e6 and int(done.stdout) < 250
