"""What came of a run: the numbers that its directory holds, for reports of any form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.errors import UsageError
from curate.run.prices import Prices, prices_near, spent
from curate.sinks.card import funnel_row, kind_of, of_kind
from curate.sinks.markdown import number, percent
from curate.sinks.provenance import read_json
from curate.sinks.shards import read_rows
from curate.sinks.statistics import COLUMNS, Statistics

PERCENTILES = (50, 95, 99, 100)


@dataclass
class Refused:
    """What rejected/ holds: rows by step and kind of reason, one id of each, and tokens spent on
    refused samples.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    tokens: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        reason = (row["step"] or "", kind_of(row["reason"] or ""))
        self.counts[reason] += 1
        name = row.get("id") or row.get("prompt_id")
        if name:
            self.examples.setdefault(reason, name)
        self.tokens += row.get("completion_tokens") or 0


@dataclass
class Outcome:
    """A run in numbers, as far as it has come."""

    out: Path
    manifest: Mapping[str, Any]
    funnel: list[dict[str, Any]]
    statistics: Statistics | None
    """Of the dataset; None while there is none."""
    refused: Refused
    prices: Prices | str = field(default_factory=Prices)
    """Or what is wrong with them, which is no reason to show nothing else."""

    @property
    def name(self) -> str:
        return self.manifest.get("pipeline", {}).get("name") or self.out.name

    @property
    def made(self) -> int:
        """Samples that were asked for."""
        return sum(r["made"] for r in self.funnel if r["step"].startswith("Generate"))

    @property
    def kept_tokens(self) -> int:
        return self.statistics.completion_tokens.sum if self.statistics else 0

    def facts(self) -> list[tuple[str, str]]:
        """Yields and costs as (what, how much); only what is known."""
        rows = self.statistics.rows if self.statistics else 0
        found = []
        if self.made:
            found.append(("samples asked for", number(self.made)))
        if self.statistics:
            found.append(("samples in the dataset", number(rows)))
            found.append(("prompts in the dataset", number(self.statistics.prompts)))
        if self.made and rows:
            found.append(("asked for each kept one", number(self.made / rows)))
        tokens = self.kept_tokens + self.refused.tokens
        if tokens:
            found.append(("completion tokens, kept", number(self.kept_tokens)))
            found.append(("completion tokens, refused", number(self.refused.tokens)))
        if tokens and rows:
            found.append(("tokens for each kept sample", number(round(tokens / rows))))
        if self.statistics and self.statistics.tried:
            tried = self.statistics.tried.sum
            good = percent(self.statistics.correct, tried)
            found.append(("accepted of tried, prompts in the dataset", good))
        return [(what, str(much)) for what, much in (*found, *self.costs())]

    def costs(self) -> list[tuple[str, str]]:
        """What this run itself asked for took and cost, where the project has prices."""
        stages = self.manifest.get("stages", ())
        if isinstance(self.prices, str):
            has_asked = any(stage.get("numbers") for stage in stages)
            return [("cost", f"unknown: {self.prices}")] if has_asked else []
        return list(spent(stages, self.prices).items())

    def selection(self) -> list[tuple[str, str]]:
        """What a mix took, and which benchmarks the rows were compared with."""
        notes = self.manifest.get("notes") or {}
        found = [
            (f"mix, {of['target']}", f"{of['taken']:,} of {of['wanted']:,} {mix['unit']}")
            for _, mix in of_kind(notes, "mix")
            for of in mix["targets"]
        ]
        for _, compared in of_kind(notes, "decontamination"):
            checked = ", ".join(sorted(compared["checked"])) or "none"
            found.append(("benchmarks checked", checked))
            if missing := compared.get("not_checked"):
                found.append(("benchmarks not checked", ", ".join(sorted(missing))))
        return found

    def lengths(self) -> list[tuple[str, list[str]]]:
        """Percentiles of tokens, as text."""
        if not self.statistics:
            return []
        both = {
            "completion": self.statistics.completion_tokens,
            "prompt": self.statistics.prompt_tokens,
        }
        return [
            (name, [str(number(lengths.percentile(p))) for p in PERCENTILES])
            for name, lengths in both.items()
            if lengths
        ]

    def own_reports(self) -> list[tuple[str, Path]]:
        """What steps have written of their own work: evaluations and trainings."""
        named = {"Evaluation": self.out / "evaluation.md"}
        trained = sorted(path.parent for path in self.out.glob("*/training.json"))
        named |= {f"Training of {folder.name}": folder / "report.txt" for folder in trained}
        return [(title, path) for title, path in named.items() if path.exists()]

    def places(self) -> list[tuple[str, Path]]:
        """What is where, of what is there."""
        named = {
            "dataset": self.out / "dataset",
            "card": self.out / "dataset/README.md",
            "refused rows": self.out / "rejected",
            "page": self.out / "report.html",
            "evaluation": self.out / "evaluation.md",
            "contamination": self.out / "contamination.md",
        }
        return [(name, path) for name, path in named.items() if path.exists()]


def read_run(out: Path) -> Outcome:
    """Reads a run directory; UsageError when it is none."""
    manifest = read_manifest(out)
    refused = Refused()
    columns = ("id", "prompt_id", "step", "reason", "completion_tokens")
    for row in read_rows(out / "rejected", columns):
        refused.add(row)
    statistics = None
    if (out / "dataset").is_dir():
        statistics = Statistics()
        for row in read_rows(out / "dataset", COLUMNS):
            statistics.add(row)
        statistics.end()
    funnel = [funnel_row(row) for row in read_json(out / "funnel.json", [])]
    try:
        prices: Prices | str = prices_near(out)
    except UsageError as error:
        file = "pyproject.toml"
        prices = file + str(error).partition(file)[2]
    return Outcome(out, manifest, funnel, statistics, refused, prices)


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a run directory; UsageError says what the folder is instead."""
    if not out.is_dir():
        raise UsageError(f"there is no folder {out}; a run is in the folder that its out=... named")
    manifest = read_json(out / "manifest.json", None)
    if manifest is not None:
        return manifest
    if (out.parent / "manifest.json").exists():
        raise UsageError(f"{out} is inside of a run; did you mean {out.parent}?")
    runs = sorted(str(p.parent) for p in out.glob("*/manifest.json"))
    if runs:
        raise UsageError(
            f"{out} is not a run but holds some; did you mean {' or '.join(runs[:3])}?"
        )
    there = ", ".join(sorted(p.name for p in out.iterdir())[:5]) or "nothing"
    raise UsageError(
        f"{out} is not a run: it has no manifest.json (there is {there}); "
        f"curate run FILE out={out} makes one"
    )
