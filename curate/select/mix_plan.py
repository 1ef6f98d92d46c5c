"""What a mix is short of, and what it would take: in words, and as numbers for the card."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.select.draw import place
from curate.select.mix_choice import Filling, Target, Unit
from curate.select.mix_facts import Facts

Kind = tuple[str, str]
"""A domain and a language."""


class Asked(NamedTuple):
    """What a run has left out before the mix: samples, and the places of all prompts, by kind."""

    samples: Counter[Kind]
    prompts: dict[Kind, NDArray[np.uint64]]


NOTHING = Asked(Counter(), {})


def asked_in_vain(out: Path, seed: int) -> Asked:
    """Reads `rejected/` of the run so far, and what its stages did not put there yet."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    samples: Counter[Kind] = Counter()
    prompts: dict[Kind, list[NDArray[np.uint64]]] = {}
    columns = ["domain", "language", "prompt_id", "id"]
    for file in sorted((*out.glob("rejected/*.parquet"), *out.glob("stages/*/rejected/*.parquet"))):
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(1 << 16, columns=columns):
                kinds = zip(
                    pc.fill_null(batch["domain"], "").to_pylist(),
                    pc.fill_null(batch["language"], "unknown").to_pylist(),
                    strict=True,
                )
                told = list(
                    zip(kinds, batch["prompt_id"].to_pylist(), batch["id"].to_pylist(), strict=True)
                )
                samples.update(kind for kind, _, sample in told if sample is not None)
                ids: dict[Kind, set[str]] = {}
                for kind, prompt, _ in told:
                    ids.setdefault(kind, set()).add(prompt or "")
                for kind, names in ids.items():
                    places = np.array([place(seed, name) for name in names], np.uint64)
                    prompts.setdefault(kind, []).append(places)
    return Asked(samples, {k: np.unique(np.concatenate(parts)) for k, parts in prompts.items()})


class Yield(NamedTuple):
    """What became of the prompts of a target before the mix."""

    prompts: int
    samples: int | None
    """Samples asked for; None where prompts are mixed."""
    rows: int
    """Documents that reached the mix."""


def yield_of(facts: Facts, target: Target, rows: NDArray[np.integer], asked: Asked) -> Yield:
    """Samples that reached the mix and those left out before, and their prompts."""
    kinds = {
        kind
        for kind in (*asked.prompts, *((c.domain, c.language) for c in facts.named))
        if kind[0] == target.domain and target.language in (None, kind[1])
    }
    left_out = [asked.prompts[kind] for kind in sorted(kinds) if kind in asked.prompts]
    prompts = len(np.unique(np.concatenate([facts.prompts[rows], *left_out])))
    samples = len(rows) + sum(asked.samples[kind] for kind in kinds)
    return Yield(prompts, None if facts.are_prompts else samples, len(rows))


def told(filling: Filling, measured: Yield) -> dict[str, Any]:
    """One target as the manifest and the card have it; what cannot be known is None."""
    # So many more for each one that came: all that came was taken as often as it may be.
    more = filling.missing / filling.taken if filling.taken else None
    samples = measured.samples
    asked = measured.prompts if samples is None else samples
    return {
        "target": str(filling.target),
        "domain": filling.target.domain,
        "language": filling.target.language,
        "wanted": filling.target.wanted,
        "here": filling.here,
        "taken": filling.taken,
        "copied": filling.copied,
        "missing": filling.missing,
        "rows": measured.rows,
        "asked_samples": samples,
        "asked_prompts": measured.prompts,
        "yield": measured.rows / asked if asked else None,
        "more_samples": None if more is None or samples is None else math.ceil(more * samples),
        "more_prompts": None if more is None else math.ceil(more * measured.prompts),
    }


def lines(
    targets: Sequence[Mapping[str, Any]], unit: Unit, changes: Sequence[str]
) -> Iterator[str]:
    """The plan: what is short and by how much, and what it would take."""
    short = [t for t in targets if t["missing"]]
    if not short:
        return
    yield f"Mix is short in {len(short)} of {len(targets)} targets:"
    for t in short:
        what = "prompts" if unit == "samples" and t["asked_samples"] is None else unit
        text = (
            f"  {t['target']}: {t['taken']:,} of {t['wanted']:,} {what}, {t['missing']:,} missing"
        )
        prompts, rows = f"{t['asked_prompts']:,} prompts", f"{t['rows']:,} came"
        if t["more_prompts"] is None:
            yield f"{text}; none came, so no yield is known: see what became of its prompts"
        elif t["more_samples"] is None:
            yield f"{text}; of {prompts} {rows}: it takes about {t['more_prompts']:,} more"
        else:
            yield (
                f"{text}; of {t['asked_samples']:,} samples of {prompts} {rows}: it takes about "
                f"{t['more_samples']:,} more samples, of {t['more_prompts']:,} more prompts or of "
                "the same"
            )
    if changes:
        yield f"  to change that, those of these that it depends on: {', or '.join(changes)}"


def changes(targets: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> list[str]:
    """The words of the command line that would fill the targets, of those the pipeline takes.

    >>> short = {"wanted": 100, "taken": 50, "missing": 50}
    >>> changes([short], {"limit": 60, "chat_limit": 9, "samples": 4, "keep": 1, "scale": 0.1})
    ['limit=120', 'chat_limit=18', 'samples=8 keep=2', 'scale=0.05']
    """
    short = [t for t in targets if t["missing"]]
    if not short or not all(t["taken"] for t in short):
        return []
    factor = max(t["wanted"] / t["taken"] for t in short)
    found = []
    for name, value in parameters.items():
        if isinstance(value, int) and (name == "limit" or name.endswith("_limit")):
            found.append(f"{name}={math.ceil(value * factor)}")
    samples, keep = parameters.get("samples"), parameters.get("keep")
    if isinstance(samples, int):
        more = f" keep={math.ceil(keep * factor)}" if isinstance(keep, int) else ""
        found.append(f"samples={math.ceil(samples * factor)}{more}")
    if isinstance(scale := parameters.get("scale"), int | float):
        found.append(f"scale={math.floor(scale / factor * 1e6) / 1e6:g}")
    return found


def parameters_of(out: Path) -> dict[str, Any]:
    """The parameters that the run's pipeline was called with; none where there is no run."""
    manifest = out / "manifest.json"
    return json.loads(manifest.read_text()).get("parameters", {}) if manifest.exists() else {}
