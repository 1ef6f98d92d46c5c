"""croissant.json, read by the reference reader."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import polars
import pytest

from tests.sinks.made import samples, write

CONFIGS = {"reasoning": ["math", "code"], "general": ["logic"]}


def test_each_shard_is_named_with_its_hash(tmp_path: Path) -> None:
    write(tmp_path, samples(30), configs=CONFIGS, test=0.3)
    folder = tmp_path / "dataset"
    told = json.loads((folder / "croissant.json").read_text())
    files = {f["@id"]: f for f in told["distribution"] if f["@type"] == "cr:FileObject"}
    assert len(files) == 4
    for path, file in files.items():
        content = (folder / path).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"


@pytest.mark.filterwarnings("ignore")
def test_the_reference_reader_finds_it_valid_and_reads_every_row(tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="needs mlcroissant (pip install)")
    write(tmp_path, samples(12), configs=CONFIGS, test=0.3)
    folder = tmp_path / "dataset"
    # It raises ValidationError for what is not Croissant.
    read = croissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert [r.id for r in read.metadata.record_sets] == list(CONFIGS)
    for config in CONFIGS:
        found = list(read.records(record_set=config))
        frame = polars.read_parquet(folder / config / "*.parquet")
        ids = {record[f"{config}/id"].decode() for record in found}
        assert ids == set(frame["id"]) and len(found) == frame.height
        said = found[0][f"{config}/completion"][0][f"{config}/completion/content"].decode()
        row = frame.filter(polars.col("id") == found[0][f"{config}/id"].decode())
        assert said == row["completion"][0][0]["content"]
