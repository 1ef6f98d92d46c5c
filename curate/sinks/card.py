"""The card of a dataset: every number comes from the rows or the run, none is typed.

A template (`cards/*.md`) gets the names of `values()`, and escapes what it writes (see
`curate.sinks.markdown`). A release rewrites the marked blocks of a card with `with_release`; what
an author wrote into it is kept by `with_prose`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import RunError, UsageError
from curate.sample import Sample, schema
from curate.sinks.audits import audits_of
from curate.sinks.licences import Terms, terms_of
from curate.sinks.loading import blocks_of, configs_of, with_release
from curate.sinks.metadata import metadata
from curate.sinks.prose import with_prose
from curate.sinks.provenance import public as hidden
from curate.sinks.provenance import public_manifest
from curate.sinks.shards import Shard
from curate.sinks.statistics import Part, Statistics

if TYPE_CHECKING:
    import pyarrow
    from jinja2 import Template

__all__ = ["Told", "files", "find_template", "render", "try_out", "with_prose", "with_release"]

SHORTENED_HEAD, SHORTENED_TAIL = 900, 300
LONGEST_TABLE = 25


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


@dataclass(frozen=True)
class Told:
    """What a card is made of."""

    statistics: Statistics
    shards: Sequence[Shard]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    funnel: Sequence[Mapping[str, Any]] = ()
    audits: Sequence[Mapping[str, Any]] = ()
    fields: pyarrow.Schema | None = None
    """The columns; None for those of samples."""
    pairs: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The rows of every split, by the beginning of its shards' paths: `data/train`."""
    empty: Sequence[str] = ()
    """Configs that were asked for and got no row."""

    @property
    def terms(self) -> Terms:
        return terms_of(self.statistics, list(self.engines.values()))

    @property
    def engines(self) -> dict[str, Mapping[str, Any]]:
        """Who answered, by the label of the step that asked."""
        engine = self.manifest.get("engine")
        return self.manifest.get("engines") or ({"Generate": engine} if engine else {})

    @property
    def name(self) -> str:
        return (self.manifest.get("pipeline") or {}).get("name") or "dataset"


def render(template: Template, told: Told) -> str:
    """The card as Markdown; RunError names what a template asks for that is not there."""
    from jinja2 import TemplateError

    try:
        return template.render(values(told))
    except TemplateError as error:
        raise RunError(f"card {template.name} cannot be written: {error}") from None


def try_out(template: Template) -> None:
    """Renders the card of no row and of one; UsageError when the template asks for what is not
    there.
    """
    one = Statistics()
    one.add(Sample(prompt_id="0" * 16, problem="").to_row())
    shard = Shard("data/train-00000-of-00001.parquet", 1, 0, 0, "")
    for statistics in (Statistics(), one.end()):
        try:
            render(template, Told(statistics, [shard]))
        except RunError as error:
            raise UsageError(str(error)) from None


def values(told: Told) -> dict[str, Any]:
    """What a template can use. What is not known is None, an empty list or 0, never missing."""
    from markupsafe import Markup

    public = public_manifest(told.manifest)
    statistics, notes = told.statistics, public.get("notes") or {}
    engines = hidden(told.engines)
    steps = public.get("steps") or []
    fields = told.fields or schema()
    head = metadata(statistics, told.shards, fields, terms=told.terms, steps=steps)
    funnel = [funnel_row(row) for row in told.funnel]
    return {
        "metadata": head,
        "blocks": {k: Markup(v) for k, v in blocks_of(told.name, configs_of(head)).items()},
        "terms": told.terms,
        "pairs": told.pairs,
        "parts": [(*stem.split("/"), part) for stem, part in told.parts.items()],
        "empty": told.empty,
        "mixes": of_kind(notes, "mix"),
        "decontaminations": of_kind(notes, "decontamination"),
        "left_out": left_out(told.funnel),
        "took": took(told.manifest),
        "spent": told.manifest.get("spent") or {},
        "pipeline": {"file": None, "name": None, "doc": None} | public["pipeline"],
        "parameters": public["parameters"],
        "command": public["command"],
        "steps": steps,
        "engines": engines,
        "packages": public.get("packages") or {},
        "version": public.get("curate_version"),
        "toy": toy(statistics, list(engines.values())),
        "funnel": funnel,
        "made": sum(row["made"] for row in funnel if row["step"].startswith("Generate")),
        "rows": statistics.rows,
        "stats": statistics,
        "audits": audits_of(statistics.verdicts, told.audits),
        "most": most,
        "shards": told.shards,
        "examples": [(domain, shortened(row)) for domain, row in statistics.examples.items()],
    }


def of_kind(notes: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    """The notes of all steps of one kind, with the number of the step where there are several.

    >>> of_kind({"mix": {"seed": 0}, "mix#2": {"seed": 1}, "magpie": {}}, "mix")
    [('', {'seed': 0}), ('2', {'seed': 1})]
    """
    split = ((name.partition("#"), value) for name, value in notes.items())
    return [(number, value) for (name, _, number), value in split if name == kind]


def left_out(funnel: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many documents were left out as duplicates, and for a benchmark: whatever the step.

    >>> left_out([{"step": "Dedup", "dropped": {"duplicate_of": 3, "contaminated_by": 1}}])
    {'duplicates': 3, 'contaminated': 1}
    """
    found = {"duplicates": 0, "contaminated": 0}
    for row in funnel:
        for reason, n in (row.get("dropped") or {}).items():
            found["duplicates"] += n * reason.startswith("duplicate")
            found["contaminated"] += n * reason.startswith("contaminated_by")
    return found


def took(manifest: Mapping[str, Any]) -> dict[str, int]:
    """What all generations of the run took, as the engines reported it; the same when the answers
    come from the store.
    """
    told = [stage.get("numbers") or {} for stage in manifest.get("stages") or ()]
    return {name: sum(of.get(name, 0) for of in told) for name in ("tried", "sample_tokens")}


def parameters_of(model: str) -> float | None:
    """The number of parameters that a model's name tells; None when it tells none.

    >>> parameters_of("SmolLM2-135M-Instruct"), parameters_of("Qwen3-0.6B"), parameters_of("gpt-x")
    (135000000.0, 600000000.0, None)
    """
    told = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([MB])(?![a-z])", model.replace("_", "-"), re.I)
    return float(told[1]) * {"m": 1e6, "b": 1e9}[told[2].lower()] if told else None


def toy(statistics: Statistics, engines: Sequence[Mapping[str, Any]]) -> str | None:
    """The model that is too small to be learnt from (embedded, or below a billion parameters); None
    when none is.
    """
    named = [engine.get("model") or "unknown" for engine in engines] or ["unknown"]
    is_local = any(engine.get("kind") == "local" for engine in engines)
    for model in sorted([m for m, _ in statistics.models if m] or named):
        size = parameters_of(model)
        if (size is not None and size < 1e9) or (size is None and is_local):
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
