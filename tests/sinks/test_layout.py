"""Configs and splits: where each row stands, and that it stays there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars
import pytest

from curate.errors import RunError, UsageError
from curate.sample import Sample
from curate.sinks import DatasetFolder
from curate.sinks.shards import read_rows, shard_paths
from curate.sources import Samples
from tests.sinks.made import context, sample, samples, write

CONFIGS = {"reasoning": ["math", "code"], "general": ["logic"]}


def names(folder: Path) -> list[str]:
    return [p.relative_to(folder).as_posix() for p in shard_paths(folder)]


def test_one_config_is_data(tmp_path: Path) -> None:
    write(tmp_path, samples(4))
    assert names(tmp_path / "dataset") == ["data/train-00000-of-00001.parquet"]


def test_configs_are_folders_in_the_order_they_are_named(tmp_path: Path) -> None:
    given = samples(30)
    got = write(tmp_path, given, configs=CONFIGS, test=0.3)
    folder = tmp_path / "dataset"
    assert names(folder) == [
        f"{config}/{split}-00000-of-00001.parquet"
        for config in CONFIGS
        for split in ("train", "test")
    ]
    assert [row["id"] for row in read_rows(folder, ["id"])] == [s.id for s in got]
    assert {s.id for s in got} == {s.id for s in given}
    for config, domains in CONFIGS.items():
        assert set(polars.read_parquet(folder / config / "*.parquet")["domain"]) == set(domains)


def test_every_config_and_split_loads_with_its_features(tmp_path: Path) -> None:
    import datasets

    write(tmp_path, samples(30), configs=CONFIGS, test=0.3)
    folder, cache = str(tmp_path / "dataset"), str(tmp_path / "cache")
    found = {
        (config, split): datasets.load_dataset(folder, config, split=split, cache_dir=cache)
        for config in CONFIGS
        for split in ("train", "test")
    }
    assert sum(rows.num_rows for rows in found.values()) == 60  # type: ignore[union-attr,misc]
    assert len({str(rows.features) for rows in found.values()}) == 1
    streamed = datasets.load_dataset(folder, "general", split="test", streaming=True)
    assert next(iter(streamed))["domain"] == "logic"


def test_a_shard_limit_counts_for_each_split_alone(tmp_path: Path) -> None:
    given = [s.with_completion("y" * 200_000) for s in samples(12)]
    write(tmp_path, given, configs=CONFIGS, shard_mb=1)
    found = names(tmp_path / "dataset")
    for config in CONFIGS:
        own = [name for name in found if name.startswith(f"{config}/")]
        assert len(own) > 1
        assert own == [f"{config}/train-{n:05d}-of-{len(own):05d}.parquet" for n in range(len(own))]


def test_a_config_without_rows_is_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path, samples(4), configs=CONFIGS | {"chat": ["chat"]})
    assert {p.split("/")[0] for p in names(tmp_path / "dataset")} == set(CONFIGS)
    assert "no config, of `chat`" in (tmp_path / "dataset/README.md").read_text()


def test_a_domain_of_no_config_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"domain 'chat', which is in no config .*math, code, logic"):
        write(tmp_path, [*samples(4), sample(9, domain="chat")], configs=CONFIGS)
    assert not (tmp_path / "dataset").exists()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"configs": {"a": ["math"], "b": ["math"]}}, "domain 'math' is in a and in b"),
    ({"configs": {"a": "math"}}, "a list of domains, not 'math'"),
    ({"configs": {"a": []}}, "a list of domains"),
    ({"configs": {"data": ["math"]}}, "a config is named with small letters"),
    ({"configs": {"unverified": ["math"]}}, "and not data, default, figures or unverified"),
    ({"configs": {"../a": ["math"]}}, "a config is named with small letters"),
    ({"test": 1.0}, "between 0.0 and 1.0, or their number"),
    ({"test": 0}, "between 0.0 and 1.0, or their number"),
    ({"unverified": "nowhere"}, "there is no file nowhere"),
    ({"unverified": "pipelines"}, "run the twin first"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_layout_is_refused_before_anything_runs(
    tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        DatasetFolder(**arguments).prepare(context(tmp_path))


def held_out(out: Path, given: list[Sample], test: float) -> set[str]:
    """The prompts of `test`; none of them is in `train` as well."""
    write(out, given, test=test)
    test_rows = polars.read_parquet(out / "dataset/data/test-*.parquet")
    train_rows = polars.read_parquet(out / "dataset/data/train-*.parquet")
    assert test_rows.height + train_rows.height == len(given)
    found = set(test_rows["prompt_id"])
    assert not found & set(train_rows["prompt_id"])
    return found


def test_a_prompt_keeps_its_split_when_others_come_and_go(tmp_path: Path) -> None:
    given = samples(300, per_prompt=3)
    whole = held_out(tmp_path / "a", given, 0.1)
    assert 15 <= len(whole) <= 45  # 30 of 300, three standard deviations
    part = [s for s in given if int(s.answer or 0) % 3]
    assert held_out(tmp_path / "b", part, 0.1) == whole & {s.prompt_id for s in part}
    assert held_out(tmp_path / "c", given, 0.2) > whole


@pytest.mark.parametrize("number", [1, 7, 40])
def test_so_many_prompts_are_held_out(tmp_path: Path, number: int) -> None:
    given = samples(40 if number < 40 else 41, per_prompt=3)
    assert len(held_out(tmp_path, given, number)) == number


def test_a_twin_is_a_config_of_its_own_that_is_not_yielded(tmp_path: Path) -> None:
    given = samples(30)
    twins = [s.with_completion("unchecked") for s in given]
    write(tmp_path / "twin", twins)
    got = write(tmp_path, given, test=0.3, unverified=str(tmp_path / "twin"))
    folder = tmp_path / "dataset"
    assert sorted(s.id for s in got) == sorted(s.id for s in given)
    for split in ("train", "test"):
        own, twin = (
            polars.read_parquet(folder / f"{config}/{split}-*.parquet")
            for config in ("data", "unverified")
        )
        assert own["prompt_id"].to_list() == twin["prompt_id"].to_list()
    card = (folder / "README.md").read_text()
    assert "**60 samples of 30 prompts**" in card
    assert "Nobody checked the answers of the config `unverified`" in card


def test_a_later_pipeline_reads_what_there_is_to_train_on(tmp_path: Path) -> None:
    given = samples(30)
    write(tmp_path / "twin", given)
    write(tmp_path / "run", given, configs=CONFIGS, test=0.3, unverified=str(tmp_path / "twin"))
    for spec in ("run", "run/dataset"):
        source = Samples(str(tmp_path / spec))
        source.prepare(context(tmp_path / "out"))
        found = [document.id for document in source.run()]
        shards = [tmp_path / f"run/dataset/{config}/train-*.parquet" for config in CONFIGS]
        expected = [name for path in shards for name in polars.read_parquet(path)["id"]]
        assert found == expected and 20 < len(found) < 60
