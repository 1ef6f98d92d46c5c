"""The card of a dataset: every number comes from the rows or the run, none is typed.

A template (`cards/*.md`) gets the names of `values()`, and escapes what it writes (see
`curate.sinks.markdown`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import RunError, UsageError
from curate.sample import Sample, schema
from curate.sinks.audits import audits_of
from curate.sinks.provenance import public_manifest
from curate.sinks.shards import Shard
from curate.sinks.statistics import Statistics

if TYPE_CHECKING:
    import pyarrow
    from jinja2 import Template

SHORTENED_HEAD, SHORTENED_TAIL = 900, 300
LONGEST_TABLE = 25

# The names of the Hub's field `license` that prompts and models come with; any other is "other".
# https://huggingface.co/docs/hub/repositories-licenses
HUB_LICENSES = frozenset(
    (
        *("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-2.0"),
        *("cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0"),
        *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0"),
        *("cdla-permissive-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "odc-by", "odbl"),
        *("pddl", "unlicense", "openrail", "llama3", "llama3.1", "llama3.2", "llama3.3", "gemma"),
    )
)


def find_template(path: Path) -> Template:
    """The card's template, compiled; UsageError with the line that is wrong."""
    from jinja2 import TemplateSyntaxError

    from curate.sinks.markdown import card_template

    try:
        return card_template(path)
    except TemplateSyntaxError as error:
        raise UsageError(f"card {path.name}, line {error.lineno}: {error.message}") from None


def files(path: Path) -> list[Path]:
    """The template's file and those that it is made of."""
    from curate.sinks.markdown import card_files

    return card_files(path)


def render(
    template: Template,
    *,
    manifest: Mapping[str, Any],
    funnel: Sequence[Mapping[str, Any]],
    statistics: Statistics,
    shards: Sequence[Shard],
    audits: Sequence[Mapping[str, Any]] = (),
    fields: pyarrow.Schema | None = None,
    pairs: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown; RunError names what a template asks for that is not there."""
    from jinja2 import TemplateError

    try:
        told = values(manifest, funnel, statistics, shards, audits, fields, pairs)
        return template.render(told)
    except TemplateError as error:
        raise RunError(f"card {template.name} cannot be written: {error}") from None


def try_out(template: Template) -> None:
    """Renders the card of no row and of one; UsageError when the template asks for what is not
    there.
    """
    one = Statistics()
    one.add(Sample(prompt_id="0" * 16, problem="").to_row())
    for statistics in (Statistics(), one.end()):
        try:
            render(template, manifest={}, funnel=[], statistics=statistics, shards=[])
        except RunError as error:
            raise UsageError(str(error)) from None


def values(
    manifest: Mapping[str, Any],
    funnel: Sequence[Mapping[str, Any]],
    statistics: Statistics,
    shards: Sequence[Shard],
    audits: Sequence[Mapping[str, Any]] = (),
    fields: pyarrow.Schema | None = None,
    pairs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a template can use. What is not known is None, an empty list or 0, never missing."""
    told = public_manifest(manifest)
    engine = told.get("engine") or {}
    return {
        "metadata": metadata(statistics, shards, fields or schema()),
        "pairs": pairs or {},
        "notes": told.get("notes") or {},
        "pipeline": {"file": None, "name": None, "doc": None} | told["pipeline"],
        "parameters": told["parameters"],
        "command": told["command"],
        "steps": told.get("steps") or [],
        "engine": engine,
        "packages": told.get("packages") or {},
        "version": told.get("curate_version"),
        "toy": toy(statistics, engine),
        "funnel": [funnel_row(row) for row in funnel],
        "made": sum(r["made"] for r in map(funnel_row, funnel) if r["step"].startswith("Generate")),
        "rows": statistics.rows,
        "stats": statistics,
        "audits": audits_of(statistics.verdicts, audits),
        "most": most,
        "shards": shards,
        "example": shortened(statistics.example) if statistics.example else None,
    }


def metadata(
    statistics: Statistics, shards: Sequence[Shard], fields: pyarrow.Schema
) -> dict[str, Any]:
    """The part of the card's YAML that follows from the rows, whose columns are `fields`."""
    rows = sum(shard.rows for shard in shards)
    codes = {c.split("-")[0].lower() for c in statistics.languages if c}
    licenses = sorted({hub_license(name) for name in statistics.licenses})
    found: dict[str, Any] = {
        "language": sorted(c for c in codes if re.fullmatch("[a-z]{2,3}", c)),
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "size_categories": [size_category(rows)],
    }
    size = sum(s.arrow_bytes for s in shards)
    return {k: v for k, v in found.items() if v} | {
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
        "dataset_info": {
            "config_name": "default",
            "features": features(fields),
            "splits": [{"name": "train", "num_bytes": size, "num_examples": rows}],
            "download_size": sum(s.bytes for s in shards),
            "dataset_size": size,
        },
    }


def features(fields: pyarrow.Schema) -> list[dict[str, Any]]:
    """The schema as the card's YAML spells it for `datasets`."""
    return [{"name": field.name} | _feature(field.type) for field in fields]


def _feature(kind: pyarrow.DataType) -> dict[str, Any]:
    import pyarrow as pa

    if not pa.types.is_list(kind):
        return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind))}
    return {"list": [{"name": f.name} | _feature(f.type) for f in kind.value_type]}


def hub_license(name: str | None) -> str:
    """A licence as the Hub's field knows it.

    >>> [hub_license(name) for name in ("CC-BY-4.0", "MIT License", "My own", None)]
    ['cc-by-4.0', 'mit', 'other', 'unknown']
    """
    if not name:
        return "unknown"
    slug = re.sub(r"[\s_]+", "-", name.strip().lower()).removesuffix("-license")
    return slug if slug in HUB_LICENSES else "other"


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


def parameters_of(model: str) -> float | None:
    """The number of parameters that a model's name tells; None when it tells none.

    >>> parameters_of("SmolLM2-135M-Instruct"), parameters_of("Qwen3-0.6B"), parameters_of("gpt-x")
    (135000000.0, 600000000.0, None)
    """
    told = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([MB])(?![a-z])", model.replace("_", "-"), re.I)
    return float(told[1]) * {"m": 1e6, "b": 1e9}[told[2].lower()] if told else None


def toy(statistics: Statistics, engine: Mapping[str, Any]) -> str | None:
    """The model that is too small to be learnt from (embedded, or below a billion parameters); None
    when none is.
    """
    models = [m for m, _ in statistics.models if m] or [engine.get("model") or "unknown"]
    for model in sorted(models):
        size = parameters_of(model)
        if (size is not None and size < 1e9) or (size is None and engine.get("kind") == "local"):
            return model
    return None


def funnel_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the funnel with every number, and its reasons with the most frequent first."""
    filled = {"step": "", "unit": "samples", "in": 0, "made": 0, "out": 0, "failed": 0} | dict(row)
    reasons: Counter[str] = Counter()
    for reason, n in (row.get("dropped") or {}).items():
        reasons[kind_of(reason)] += n
    return filled | {"dropped": reasons.total(), "reasons": most(reasons)}


def kind_of(reason: str) -> str:
    """A reason without what is particular to one row.

    >>> kind_of("duplicate_of:0a1b")
    'duplicate_of'
    """
    return reason.partition(":")[0]


def most(counts: Mapping[Any, int], limit: int = LONGEST_TABLE) -> list[tuple[Any, int]]:
    """The most frequent keys with their counts, in an order that depends on nothing else."""
    return sorted(counts.items(), key=lambda item: (-item[1], repr(item[0])))[:limit]


def shortened(value: Any) -> Any:
    """The value with long texts cut in their middle."""
    if isinstance(value, Mapping):
        return {k: shortened(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(v) for v in value]
    if not isinstance(value, str) or len(value) <= SHORTENED_HEAD + SHORTENED_TAIL + 50:
        return value
    left_out = len(value) - SHORTENED_HEAD - SHORTENED_TAIL
    return f"{value[:SHORTENED_HEAD]} […{left_out:,} characters…] {value[-SHORTENED_TAIL:]}"
