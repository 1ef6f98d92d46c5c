"""The head of a card: what the Hub, `datasets` and the viewer read, all from shards and rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from curate.sinks.layout import config_of, split_of
from curate.sinks.licences import Terms
from curate.sinks.shards import Shard
from curate.sinks.statistics import Statistics

if TYPE_CHECKING:
    import pyarrow

_HUB_NAME = re.compile(r"hub:([\w.-]+(?:/[\w.-]+)?)@")
SOURCES = frozenset({"Prompts", "Samples"})
"""Steps whose `hub:` names are where rows come from; of others they are benchmarks and the like."""


def metadata(
    statistics: Statistics,
    shards: Sequence[Shard],
    fields: pyarrow.Schema,
    *,
    terms: Terms,
    steps: Sequence[Any] = (),
) -> dict[str, Any]:
    """The part of the card's YAML that follows from the rows, whose columns are `fields`."""
    codes = {c.split("-")[0].lower() for c in statistics.languages if c}
    found: dict[str, Any] = {
        "language": sorted(c for c in codes if re.fullmatch("[a-z]{2,3}", c)),
        **terms.head(),
        "size_categories": [size_category(sum(shard.rows for shard in shards))],
        "source_datasets": source_datasets(steps),
    }
    configs = by_config(shards)
    infos = [_info(name, of, fields) for name, of in configs.items()]
    return {k: v for k, v in found.items() if v} | {
        "configs": [
            {
                "config_name": name,
                "data_files": [
                    {"split": split, "path": split_glob(members)} for split, members in of.items()
                ],
            }
            for name, of in configs.items()
        ],
        "dataset_info": infos[0] if len(infos) == 1 else infos,
    }


def by_config(shards: Sequence[Shard]) -> dict[str, dict[str, list[Shard]]]:
    """The shards of every split of every config, in order."""
    found: dict[str, dict[str, list[Shard]]] = {}
    for shard in shards:
        of = found.setdefault(config_of(shard.path), {})
        of.setdefault(split_of(shard.path), []).append(shard)
    return found


def split_glob(shards: Sequence[Shard]) -> str:
    """What names the files of a split, however many there are.

    >>> split_glob([Shard("code/test-00000-of-00001.parquet", 1, 1, 1, "")])
    'code/test-*.parquet'
    """
    return re.sub(r"-\d{5}-of-\d{5}\.parquet$", "-*.parquet", shards[0].path)


def _info(
    name: str, splits: Mapping[str, Sequence[Shard]], fields: pyarrow.Schema
) -> dict[str, Any]:
    of = [
        {
            "name": split,
            "num_bytes": sum(s.arrow_bytes for s in shards),
            "num_examples": sum(s.rows for s in shards),
        }
        for split, shards in splits.items()
    ]
    return {
        "config_name": name,
        "features": features(fields),
        "splits": of,
        "download_size": sum(s.bytes for shards in splits.values() for s in shards),
        "dataset_size": sum(split["num_bytes"] for split in of),
    }


def features(fields: pyarrow.Schema) -> list[dict[str, Any]]:
    """The schema as the card's YAML spells it for `datasets`."""
    return [{"name": field.name} | _feature(field.type) for field in fields]


def _feature(kind: pyarrow.DataType) -> dict[str, Any]:
    import pyarrow as pa

    if not pa.types.is_list(kind):
        return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind))}
    return {"list": [{"name": f.name} | _feature(f.type) for f in kind.value_type]}


def source_datasets(steps: Sequence[Any]) -> list[str]:
    """The datasets on the Hub that the rows come from.

    >>> source_datasets([{"step": "Prompts", "spec": "hub:openai/gsm8k@main;a.jsonl"}, "other"])
    ['openai/gsm8k']
    """
    taken = [s for s in steps if isinstance(s, Mapping) and s.get("step") in SOURCES]
    return sorted({name for step in taken for name in _HUB_NAME.findall(json.dumps(step))})


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows.

    >>> size_category(0), size_category(1000), size_category(600_000), size_category(10**12)
    ('n<1K', '1K<n<10K', '100K<n<1M', 'n>1T')
    """
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    below = "n"
    for power, name in enumerate(names, 3):
        if rows < 10**power:
            return f"{below}<{name}" if below == "n" else f"{below}<n<{name}"
        below = name
    return "n>1T"
