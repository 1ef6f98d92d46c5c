"""Registries, files, the index in the cache, and runs: what is read, and what when it cannot be."""

from __future__ import annotations

import gzip
import itertools
import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RunError, UsageError
from curate.select.alignment import common, telling
from curate.select.benchmarks import benchmarks_of, items_file, read_items, read_registry
from curate.select.contamination_index import open_index
from curate.select.evidence import write_evidence
from filters.benchmarks import BENCHMARKS
from tests.run.conftest import Project
from tests.select.decontaminating import ITEMS, benchmark, context, decontaminated, prompts
from tests.sources.test_hub import hub_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_our_registry_names_what_r1_was_measured_on() -> None:
    known = read_registry(ROOT / BENCHMARKS)
    names = "aime-2024 aime-2025 math-500 gpqa-diamond livecodebench humaneval humaneval-plus mbpp"
    names += " mbpp-plus gsm8k ifeval mmlu mmlu-pro frames simpleqa swe-bench-verified codeforces"
    assert {*known} == {*names.split(), "alpaca-eval", "arena-hard"}
    for found in known.values():
        assert found.question
        assert found.revision == "main" or len(found.revision or "") == 40


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("[a", "is not a registry", id="no TOML"),
        pytest.param("a = 1", "a is no table", id="no table"),
        pytest.param("[a]\ndataste = 'x'", "did you mean dataset", id="a typing error"),
        pytest.param("[a]\ndataset = 'x'", "needs dataset and revision", id="no revision"),
    ],
)
def test_a_wrong_registry_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UsageError, match=says):
        benchmarks_of("mine.toml", context(tmp_path))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param("math-50", "did you mean math-500", id="a name nearly"),
        pytest.param("nothing.jsonl", "no prompt file nothing.jsonl", id="no file"),
        pytest.param(" , ", "name a registry", id="nothing"),
    ],
)
def test_a_wrong_name_is_refused(spec: str, says: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "filters", tmp_path / "filters")
    with pytest.raises(UsageError, match=says):
        benchmarks_of(spec, context(tmp_path))


def test_names_registries_and_files_in_one(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "filters", tmp_path / "filters")
    found = benchmarks_of(f"math-500, {benchmark(tmp_path)},gsm8k", context(tmp_path))
    assert [b.name for b in found] == ["math-500", "bench", "gsm8k"]


@pytest.mark.parametrize("kind", ["jsonl.gz", "jsonl.zst", "parquet"])
def test_every_kind_of_file_is_read(kind: str, tmp_path: Path) -> None:
    import pyarrow as pa
    import zstandard

    path = tmp_path / f"mine.{kind}"
    lines = "".join(json.dumps(row) + "\n" for row in ITEMS).encode()
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ITEMS), path)
    else:
        packed = gzip.compress(lines) if kind == "jsonl.gz" else zstandard.compress(lines)
        path.write_bytes(packed)
    problem = ITEMS[0]["problem"] or ""
    _, dropped = decontaminated(prompts([problem]), tmp_path, str(path))
    assert dropped["0" * 16][0] == "contaminated_by:mine/rosa"


def test_columns_of_a_registry(tmp_path: Path) -> None:
    rows = [
        {"key": 7, "turns": [{"content": "Which is a prime?"}], "choices": ["4", "5"], "x": "s"}
    ]
    benchmark(tmp_path, rows, "rows")
    entry = '[mine]\npath = "rows.jsonl"\nid = "key"\nquestion = "turns"\nchoices = ["choices"]\n'
    (tmp_path / "mine.toml").write_text(entry + 'solution = ["x"]\n')
    [found] = benchmarks_of("mine.toml", context(tmp_path))
    items = list(read_items(found, context(tmp_path)))
    assert [(i.name, i.kind, i.text) for i in items] == [
        ("mine/7", "question", "Which is a prime?"),
        ("mine/7", "choices", "Which is a prime?\nA. 4\nB. 5"),
        ("mine/7", "solution", "s"),
    ]


def test_a_short_question_is_told_by_its_choices(tmp_path: Path) -> None:
    choices = ["a hexagon is regular", "every rhombus is a kite", "a square is no rectangle"]
    rows = [{"id": 1, "question": "Which of these is true?", "choices": choices}]
    benchmark(tmp_path, rows, "rows")
    entry = '[mine]\npath = "rows.jsonl"\nquestion = "question"\nchoices = ["choices"]\n'
    (tmp_path / "mine.toml").write_text(entry)
    texts = [
        "Which of these is true? (A) a hexagon is regular (B) every rhombus is a kite "
        "(C) a square is no rectangle",
        "Which of these is true? (A) 7 is even (B) 9 is a prime (C) 8 is a cube of 2",
    ]
    kept, _ = decontaminated(prompts(texts), tmp_path, "mine.toml")
    assert kept == [f"{1:016x}"]


def test_choices_in_another_order(tmp_path: Path) -> None:
    question = "Which gas do plants take from the air when they make sugar in sunlight?"
    rows = [{"id": 1, "question": question, "choices": ["oxygen", "nitrogen", "carbon dioxide"]}]
    benchmark(tmp_path, rows, "rows")
    entry = '[mine]\npath = "rows.jsonl"\nquestion = "question"\nchoices = ["choices"]\n'
    (tmp_path / "mine.toml").write_text(entry)
    texts = [f"{question}\n(A) carbon dioxide (B) oxygen (C) nitrogen", question]
    _, dropped = decontaminated(prompts(texts), tmp_path, "mine.toml")
    assert [reason for reason, _ in dropped.values()] == ["contaminated_by:mine/1"] * 2


BROKEN = {
    "torn": b"\x1f\x8b\x08 no gzip",
    "no JSON": gzip.compress(b'{"problem": "What is 3 + 4?"}\n{"probl'),
    "empty": gzip.compress(b""),
    "no question": gzip.compress(b'{"title": "What is 3 + 4?"}\n'),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_benchmark_is_listed_or_stops_the_run(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl.gz").write_bytes(content)
    spec = [benchmark(tmp_path), "broken.jsonl.gz"]
    kept, dropped = decontaminated(prompts(["Hi.", ITEMS[0]["problem"] or ""]), tmp_path, *spec)
    assert (len(kept), len(dropped)) == (1, 1)
    [survey] = (tmp_path / "run/stages").glob(".benchmarks-*.json")
    said = json.loads(survey.read_text())
    assert list(said["checked"]) == ["bench"]
    assert "broken.jsonl.gz" in said["not_checked"]["broken"]
    assert str(tmp_path) not in survey.read_text(), "the card has it, and no path of a machine"
    survey.unlink()
    for required in ("all", ("broken",)):
        with pytest.raises(RunError, match=r"broken is required and cannot be read: .*path="):
            decontaminated(prompts([""]), tmp_path, *spec, require=required)


def test_a_run_reads_the_same_benchmarks_in_every_task(tmp_path: Path) -> None:
    late = tmp_path / "late.jsonl"
    (tmp_path / "mine.toml").write_text('[late]\npath = "late.jsonl"\nquestion = "problem"\n')
    rows = prompts([ITEMS[0]["problem"] or ""])
    assert decontaminated(rows, tmp_path, "mine.toml")[0]
    [survey] = (tmp_path / "run/stages").glob(".benchmarks-*.json")
    said = json.loads(survey.read_text())["not_checked"]
    assert said == {"late": "there is no file late.jsonl that can be read"}
    Path(benchmark(tmp_path)).rename(late)
    assert decontaminated(rows, tmp_path, "mine.toml")[0], "told apart once a run"
    shutil.rmtree(tmp_path / "run")
    assert not decontaminated(rows, tmp_path, "mine.toml")[0]


def test_the_index_is_built_once_and_found_again(tmp_path: Path, cache: Path) -> None:
    [found] = benchmarks_of(benchmark(tmp_path), context(tmp_path))
    first = items_file(found, context(tmp_path))
    index = open_index([first], n=8)
    stamps = {f: f.stat().st_mtime_ns for f in cache.rglob("*") if f.is_file()}
    assert open_index([items_file(found, context(tmp_path))], n=8).folder == index.folder
    assert {f: f.stat().st_mtime_ns for f in cache.rglob("*") if f.is_file()} == stamps
    assert open_index([first], n=10).folder != index.folder
    changed = [{**ITEMS[0], "problem": "Another one."}, *ITEMS[1:]]
    [other] = benchmarks_of(benchmark(tmp_path, changed), context(tmp_path))
    assert items_file(other, context(tmp_path)) != first


def _opened(place: tuple[str, str]) -> int:
    return len(open_index([Path(place[0])], n=8).grams)


def test_several_processes_build_it_at_once(tmp_path: Path, cache: Path) -> None:
    [found] = benchmarks_of(benchmark(tmp_path), context(tmp_path))
    file = items_file(found, context(tmp_path))
    killed = cache / "benchmarks" / ".index-0.killed"  # what a killed one leaves is nobody's
    killed.mkdir()
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(_opened, [(str(file), "")] * 8) == [3] * 8
    folders = [f for f in (cache / "benchmarks").iterdir() if f.is_dir() and f != killed]
    assert [f.name[:6] for f in folders] == ["index-"]


def test_equal_items_of_several_benchmarks_are_looked_for_once(tmp_path: Path) -> None:
    files = [benchmark(tmp_path, name=name) for name in ("one", "two")]
    found = benchmarks_of(files, context(tmp_path))
    index = open_index([items_file(b, context(tmp_path)) for b in found], n=8)
    assert sorted({index.item(i).name.partition("/")[0] for i in range(len(index))}) == ["one"]


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_common_is_a_longest_common_subsequence(a: list[int], b: list[int]) -> None:
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            best = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if x == y else best
    pairs = common(np.array(a, np.uint64), np.array(b, np.uint64)).tolist()
    assert len(pairs) == lengths[-1][-1]
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in itertools.pairwise(pairs))


@given(st.lists(st.text(max_size=30), max_size=6))
def test_a_text_is_read_alike_in_any_company(texts: list[str]) -> None:
    together = telling(texts)
    for i, text in enumerate(texts):
        assert together.of(i).tolist() == telling([text]).of(0).tolist()


PIPELINE = """
    from curate import pipeline
    from curate.select import Decontaminate
    from curate.sources import Prompts

    @pipeline
    def clean(require: str = "", out: str = "runs/clean") -> list:
        '''Prompts without those of a benchmark.'''
        return [Prompts("prompts.jsonl"), Decontaminate("mine.toml", require=require)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project")
    project.write("pipelines/clean.py", PIPELINE)
    benchmark(project.root)
    mine = '[bench]\npath = "bench.jsonl"\nquestion = "problem"\nsolution = "solution"\n'
    hub = '[far]\ndataset = "nobody/nothing"\nrevision = "main"\nquestion = "problem"\n'
    (project.root / "mine.toml").write_text(mine + hub)
    return project


def rejected(out: Path) -> list[dict[str, Any]]:
    files = sorted((out / "rejected").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_a_run_from_end_to_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is there
    rows = [{"problem": f"{lead}: {ITEMS[i % 4]['problem']}"} for i, lead in enumerate("abcdefgh")]
    rows += [{"problem": f"What is {n} times {n + 1}?"} for n in range(24)]
    benchmark(project.root, rows, "prompts")
    done = project.curate("run", "pipelines/clean.py", "--tasks", "3", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "not checked against far" in done.stderr
    out = project.root / "runs/clean"
    funnel = {row["step"]: row for row in json.loads((out / "funnel.json").read_text())}
    assert funnel["Decontaminate"]["out"] == 24
    assert funnel["Decontaminate"]["dropped"] == {"contaminated_by": 8}
    found = {row["reason"] for row in rejected(out)}
    assert found == {f"contaminated_by:bench/{row['id']}" for row in ITEMS}
    page = write_evidence(out)
    assert page is not None
    text = page.read_text()
    assert "| bench | 8 | 4 |" in text
    assert text.count("> benchmark: ") == 8
    again = project.curate("run", "pipelines/clean.py", "require=far", "out=runs/other")
    assert again.returncode == 1
    assert "benchmark far is required and cannot be read" in again.stderr
    assert "Traceback" not in again.stderr


def test_benchmarks_on_the_hub(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ITEMS).encode()
    files = {"test.jsonl": lines, "more/raw.jsonl": lines, "README.md": b"# Sums\n"}
    config = "[{config}]\ndataset = 'org/sums'\nrevision = 'main'\nquestion = 'problem'\n"
    entries = config.format(config="whole") + "config = 'default'\n"
    entries += config.format(config="raw") + "files = ['more/raw.jsonl']\n"
    entries += config.format(config="gone").replace("org/sums", "org/none")
    (project.root / "mine.toml").write_text(entries)
    benchmark(project.root, [{"problem": ITEMS[0]["problem"]}, {"problem": "3 + 4?"}], "prompts")
    with hub_of(project.root, "org/sums", files) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HOME", str(project.root / "home"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        done = project.curate("run", "pipelines/clean.py", timeout_s=240)
        assert done.returncode == 0, done.stderr
    out = project.root / "runs/clean"
    assert {row["reason"] for row in rejected(out)} == {"contaminated_by:raw/rosa"}
    [survey] = (out / "stages").glob(".benchmarks-*.json")
    said = json.loads(survey.read_text())
    assert sorted(said["checked"]) == ["raw", "whole"]
    assert "org/none" in said["not_checked"]["gone"]
    # What was read once stays in the cache: another run needs no Hub, which is gone by now.
    again = project.curate("run", "pipelines/clean.py", "out=runs/again", "require=whole,raw")
    assert again.returncode == 0, again.stderr
    assert {row["reason"] for row in rejected(project.root / "runs/again")} == {
        "contaminated_by:raw/rosa"
    }


def test_no_evidence_without_contamination(tmp_path: Path) -> None:
    assert write_evidence(tmp_path) is None
