"""OUT/dataset: complete or absent, loadable everywhere, the same from the same samples."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars
import pytest
import yaml

from curate.errors import RunError, UsageError
from curate.sample import COLUMNS, sort_key
from curate.sinks import DatasetFolder
from curate.sinks.atomic import replacing
from tests.sinks import made
from tests.sinks.made import ROOT, content, samples, write


def test_rows_are_the_samples_in_the_order_of_the_contract(tmp_path: Path) -> None:
    given = samples(20)
    got = write(tmp_path, given)
    expected = sorted((s.to_row() for s in given), key=sort_key)
    assert [s.to_row() for s in got] == expected
    frame = polars.read_parquet(tmp_path / "dataset/data/*.parquet")
    assert frame.columns == list(COLUMNS)
    assert frame["id"].to_list() == [row["id"] for row in expected]


def test_the_order_of_arrival_does_not_matter(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        write(tmp_path / name, samples(20, seed=seed))
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_datasets_loads_the_folder_and_the_files(tmp_path: Path) -> None:
    import datasets

    write(tmp_path, samples(20))
    folder = tmp_path / "dataset"
    cache = str(tmp_path / "cache")
    one = datasets.load_dataset(str(folder), split="train", cache_dir=cache)
    files = str(folder / "data/*.parquet")
    two = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert one.num_rows == two.num_rows == 40  # type: ignore[union-attr]
    assert one.features == two.features  # type: ignore[union-attr]
    assert one[0]["completion"][0]["role"] == "assistant"  # type: ignore[index]


def test_the_card_names_the_features_as_datasets_does(tmp_path: Path) -> None:
    from datasets import Features

    from curate.sample import schema

    write(tmp_path, samples(3))
    info = front_matter(tmp_path)["dataset_info"]
    assert info["features"] == Features.from_arrow_schema(schema())._to_yaml_list()
    shard = tmp_path / "dataset/data/train-00000-of-00001.parquet"
    assert info["download_size"] == shard.stat().st_size
    assert info["splits"] == [
        {"name": "train", "num_bytes": info["dataset_size"], "num_examples": 6}
    ]


def test_many_shards_load_too(tmp_path: Path) -> None:
    given = [s.with_completion("y" * 200_000) for s in samples(12)]
    write(tmp_path, given, shard_mb=1)
    names = sorted(p.name for p in (tmp_path / "dataset/data").iterdir())
    assert len(names) >= 4
    assert names == [f"train-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
    assert polars.scan_parquet(tmp_path / "dataset/data/*.parquet").collect().height == 24


def test_no_sample_gives_an_empty_shard_and_says_so(tmp_path: Path) -> None:
    assert write(tmp_path, []) == []
    frame = polars.read_parquet(tmp_path / "dataset/data/train-00000-of-00001.parquet")
    assert (frame.height, frame.columns) == (0, list(COLUMNS))
    assert "This dataset is empty" in (tmp_path / "dataset/README.md").read_text()


def test_two_samples_of_one_id_are_refused_by_name(tmp_path: Path) -> None:
    given = samples(5)
    with pytest.raises(RunError, match=given[3].id):
        write(tmp_path, [*given, given[3]])
    assert not list(tmp_path.glob("dataset*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"card": "cards/no_such.md"}, "no file cards/no_such.md"),
        ({"shard_mb": 0}, "at least 1, not 0"),
    ],
    ids=["card that is not there", "no size"],
)
def test_wrong_arguments_are_refused_before_anything_runs(
    tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        DatasetFolder(**arguments).prepare(made.context(tmp_path))


def test_it_pickles_and_its_identity_is_its_arguments() -> None:
    step = pickle.loads(pickle.dumps(DatasetFolder(shard_mb=7, unverified="runs/a/twin")))
    assert step.identity() == {
        **{"step": "DatasetFolder", "card": "cards/cold_start.md", "shard_mb": 7},
        **{"configs": None, "test": None, "unverified": "twin"},
    }


def test_an_older_dataset_is_replaced_and_leftovers_go(tmp_path: Path) -> None:
    write(tmp_path, samples(9))
    for leftover in ("dataset.part-0", "dataset.old-0"):
        (tmp_path / leftover).mkdir()
    write(tmp_path, samples(3))
    assert [p.name for p in tmp_path.iterdir()] == ["dataset"]
    assert polars.read_parquet(tmp_path / "dataset/data/*.parquet").height == 6


def test_a_failure_leaves_the_older_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    with replacing(folder) as part:
        (part / "a").write_text("old")
    with pytest.raises(OSError, match="no space"), replacing(folder) as part:
        (part / "a").write_text("new")
        raise OSError(28, "no space")
    assert content(tmp_path) == {"dataset/a": b"old"}


def test_what_the_run_was_is_kept_beside_the_rows(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(made.manifest()))
    (tmp_path / "funnel.json").write_text(json.dumps(made.funnel()))
    write(tmp_path, samples(3))
    about = tmp_path / "dataset/.curate"
    kept = json.loads((about / "manifest.json").read_text())
    assert kept["fingerprint"] == "f" * 64
    assert [s["rows"] for s in kept["shards"]] == [6]
    assert json.loads((about / "funnel.json").read_text()) == made.funnel()
    for name in ("cards/cold_start.md", "pipelines/cold_start.py"):
        assert (about / "files" / name).read_bytes() == (ROOT / name).read_bytes()


def test_a_replay_elsewhere_gives_the_same_folder(tmp_path: Path) -> None:
    for name, seconds in (("a", 1.5), ("b", 99.0)):
        said = made.manifest()
        said["stages"][0]["seconds"] = seconds
        said["parameters"] |= {"out": str(tmp_path / name), "concurrency": int(seconds)}
        said["command"] += f" out={tmp_path / name} --workers {int(seconds)}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps(said))
        write(tmp_path / name, samples(4))
    assert content(tmp_path / "a/dataset") == content(tmp_path / "b/dataset")
    text = b"".join(content(tmp_path / "a/dataset").values())
    for private in (b"/home/ann", b"10.0.0.7", b"/scratch", str(tmp_path).encode()):
        assert private not in text


KILLED = """
import sys
from pathlib import Path
from tests.sinks.made import samples, write
print("ready", flush=True)
write(Path(sys.argv[1]), [s.with_completion("y" * 20_000) for s in samples(120)], shard_mb=1)
"""


def test_killed_at_any_instant_the_folder_is_absent_or_complete(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def start() -> subprocess.Popen[str]:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout and child.stdout.readline() == "ready\n"
        return child

    with start() as child:
        began = time.monotonic()
        assert child.wait(120) == 0
        whole = time.monotonic() - began
    complete = content(out)
    assert len(complete) > 6
    killed = 0
    for attempt in range(8):
        with start() as child:
            time.sleep(random.Random(attempt).uniform(0, whole))
            child.send_signal(signal.SIGKILL)
            killed += child.wait(60) != 0
        found = {k: v for k, v in content(out).items() if k.startswith("dataset/")}
        assert found in ({}, complete), f"attempt {attempt} left a half folder"
    assert killed > 3
    with start() as child:
        assert child.wait(120) == 0
    assert content(out) == complete


def front_matter(out: Path) -> dict[str, Any]:
    return yaml.safe_load((out / "dataset/README.md").read_text().split("---\n")[1])
