"""Whether a card tells the truth: every number in it, computed again from Parquet files alone.

    check_card(OUT)                  # a run: OUT/dataset and OUT/rejected
    check_card(OUT, run=False)       # a folder that was written outside of a run

Nothing of `curate` is imported. A line with a digit that no rule here knows is an error, unless it
stands in the template word for word, or in a table of what the run was told.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars

from tests.sinks.truth_files import Truth, close, number, rows_of_table, tenths, unescaped
from tests.sinks.truth_lines import check_lines


def check_card(out: Path, *, run: bool = True) -> Truth:
    """Checks every number of a card, of its head and of its pictures; gives what was checked."""
    refused = [polars.read_parquet(p) for p in sorted((out / "rejected").glob("*.parquet"))]
    columns = ["step", "reason"]
    found = polars.concat([f.select(columns) for f in refused]) if refused else None
    truth = Truth(out / "dataset", found if run else None)
    check_head(truth)
    check_examples(truth)
    check_pictures(truth)
    check_lines(truth)
    return truth


def check_head(truth: Truth) -> None:
    head, rows = truth.head, sum(f.height for f in truth.shards.values())
    infos = (
        head["dataset_info"] if isinstance(head["dataset_info"], list) else [head["dataset_info"]]
    )
    on_disk = {p: (truth.folder / p).stat().st_size for p in truth.shards}
    for config, info in zip(head["configs"], infos, strict=True):
        assert config["config_name"] == info["config_name"]
        files: list[str] = []
        for split, of in zip(info["splits"], config["data_files"], strict=True):
            assert split["name"] == of["split"]
            matching = [p for p in truth.shards if Path(p).match(of["path"])]
            assert split["num_examples"] == sum(truth.shards[p].height for p in matching)
            files += matching
        assert info["download_size"] == sum(on_disk.pop(p) for p in files)
        assert info["dataset_size"] == sum(s["num_bytes"] for s in info["splits"])
        names = [f["name"] for f in info["features"]]
        assert all(truth.shards[p].columns == names for p in files)
    assert not on_disk, f"in no config: {on_disk}"
    edges = [0, *(10**n for n in range(3, 13))]
    place = max(n for n, edge in enumerate(edges) if rows >= edge)
    names = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"]
    assert head["size_categories"] == [names[place]]
    codes = {c.split("-")[0] for c in truth.samples["language"].drop_nulls() if c}
    assert head.get("language", []) == sorted(codes)


def check_examples(truth: Truth) -> None:
    """The first row of each domain, as it stands in the files but for what is left out of it."""
    section = truth.body.partition("## Examples\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^([^\n]*):\n\n(`{3,})json\n(.*?)\n\2$", section, re.M | re.S)
    order = [s["path"] for s in truth.manifest["shards"]]
    rows = polars.concat([truth.shards[p] for p in order if not p.startswith("unverified/")])
    first = rows.unique("domain", keep="first", maintain_order=True)
    assert len(blocks) == min(first.height, 12)
    for domain, _, shown in blocks:
        held = polars.col("domain").fill_null("") == (unescaped(domain) or "")
        row = first.filter(held).to_dicts()[0]
        for name, value in json.loads(shown).items():
            same(value, row[name], name)


def same(shown: Any, found: Any, name: str) -> None:
    if isinstance(shown, dict):
        assert shown.keys() == found.keys()
        for key, value in shown.items():
            same(value, found[key], f"{name}.{key}")
    elif isinstance(shown, list):
        assert len(shown) == len(found)
        for a, b in zip(shown, found, strict=True):
            same(a, b, name)
    elif isinstance(shown, float):
        close(shown, found, name, 6)
    elif cut := re.search(r" \[…([\d,]+) characters…\] ", shown if isinstance(shown, str) else ""):
        start, end = shown[: cut.start()], shown[cut.end() :]
        assert found.startswith(start) and found.endswith(end)
        assert len(start) + len(end) + number(cut[1]) == len(found)  # type: ignore[operator]
    else:
        assert shown == found, f"{name}: {shown!r} is not {found!r}"


def check_pictures(truth: Truth) -> None:
    for picture in re.findall(r"\]\((figures/[^)]+)\)", truth.body):
        svg = (truth.folder / picture).read_text()
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
        if picture.endswith("lengths.svg"):
            bars = re.findall(r"<title>([\d,]+) to ([\d,]+): ([\d,]+)</title>", svg)
            lengths = truth.answered
            for low, high, n in bars:
                inside = [x for x in lengths if number(low) <= x <= number(high)]  # type: ignore
                assert len(inside) == number(n), f"{picture}: {low} to {high}"
            assert sum(number(n) or 0 for *_, n in bars) == len(lengths)
        elif picture.endswith("pass_rates.svg"):
            said = {a: number(b) for a, b in zip(texts[1::2], texts[2::2], strict=True)}
            for tenth in range(11):
                label = "100 %" if tenth == 10 else f"{tenth * 10} to {tenth * 10 + 9} %"
                assert said[label] == tenths(truth)[tenth]
        else:
            table = rows_of_table(truth.body, "| step |")
            said = list(zip(texts[1::2], map(number, texts[2::2]), strict=True))
            assert said == [(f"{r[0]} ({r[1]})"[:36], number(r[4])) for r in table]
        truth.seen.add(picture)
