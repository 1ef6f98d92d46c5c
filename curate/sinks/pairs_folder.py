"""Pairs on disk as TRL's DPO and reward trainers take them: `prompt`, `chosen`, `rejected`.

{"id": "0a1b…-5f3c9d21-77aa01fe", "domain": "helpful", "problem": "What is a young duck called?",
 "prompt": [{"role": "user", "content": "What is a young duck called?"}],
 "chosen": [{"role": "assistant", "content": "A young duck is called a duckling."}],
 "rejected": [{"role": "assistant", "content": "A young duck is called a drake."}],
 "gap": 2.0, "judge": "Gap(TextAnswer)", "rejected_id": "0a1b…-77aa01fe", …}

All other columns are those of a sample, the chosen one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from math import exp, log
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datatrove.data import Document

from curate.errors import RunError
from curate.sample import Sample, schema
from curate.select.pairs import MOST, NOTE, PREFIX
from curate.sinks.card import Told
from curate.sinks.dataset_folder import DatasetFolder
from curate.sinks.layout import Configs, Layout
from curate.sinks.provenance import read_json

if TYPE_CHECKING:
    import pyarrow

CARD = "cards/preferences.md"
Half = Literal["chosen", "rejected"]
OF_REJECTED = ("id", "k", "finish_reason", "completion_tokens", "seed", "verdicts")
"""Columns of a sample that the rejected one has of its own, as `rejected_id` and so on."""


class PairsFolder(DatasetFolder):
    """Writes OUT/dataset from the pairs that `Pairs` made, a row for each, and yields them again.

    As `DatasetFolder` in all else: sorted, byte-identical, with a card. Raises RunError for a
    sample without its other half.
    """

    def __init__(
        self,
        card: str = CARD,
        *,
        shard_mb: int = 500,
        configs: Configs | None = None,
        test: float | int | None = None,
    ) -> None:
        super().__init__(card, shard_mb=shard_mb, configs=configs, test=test)

    def _sorted(
        self, data: Iterable[Document], scratch: Path, layout: Layout
    ) -> Iterator[dict[str, Any]]:
        """The halves as they will stand in the rows: one pair has one prompt, model, language."""
        for better, worse in paired(super()._sorted(data, scratch, layout)):
            yield better
            yield better | {name: worse[name] for name in ("completion", *OF_REJECTED)}

    def _rows(self, samples: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        self._numbers = PairNumbers()
        return self._numbers.watch(map(pair_row, paired(samples)))

    def _fields(self) -> pyarrow.Schema:
        return pair_schema()

    def _told(self, told: Told) -> Told:
        told.statistics.examples = self._numbers.examples
        pairs = {"domains": self._numbers.told(), "judging": self._judging()}
        return replace(told, fields=pair_schema(), pairs=pairs)

    def _documents(self, row: Mapping[str, Any]) -> Iterator[Document]:
        for half in ("chosen", "rejected"):
            yield half_of(row, half).to_document()

    def _judging(self) -> dict[str, int]:
        """How the pairs of all tasks were judged, as `Pairs` noted it; nothing outside of a run."""
        notes = read_json(self._context.out / "manifest.json", {}).get("notes", {})
        total: Counter[str] = Counter()
        for name, said in notes.items():
            if name.startswith(NOTE):
                total.update(said)
        return dict(total)


@cache
def pair_schema() -> pyarrow.Schema:
    """The one Arrow schema of pairs: the chosen sample's columns, with its completion as `chosen`,
    and what the rejected one has of its own.
    """
    import pyarrow as pa

    of, turns = schema(), schema().field("completion").type
    texts = [pa.field("chosen", turns), pa.field("rejected", turns)]
    fields = [f for field in of for f in (texts if field.name == "completion" else [field])]
    judged = [pa.field("gap", pa.float32()), pa.field("judge", pa.string())]
    rejected = [of.field(name).with_name(f"rejected_{name}") for name in OF_REJECTED]
    return pa.schema([*fields, *judged, *rejected])


def paired(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The better and the worse sample of each prompt, from sorted rows."""
    for prompt_id, members in groupby(rows, itemgetter("prompt_id")):
        halves = sorted(members, key=score_in, reverse=True)
        if len(halves) != 2 or not score_in(halves[0]) > 0.5 > score_in(halves[1]):
            raise RunError(
                f"PairsFolder: prompt {prompt_id} has {len(halves)} samples that are no pair of a"
                " better and a worse one; put Pairs(…) before it, and no step between that leaves"
                " out one half"
            )
        yield halves[0], halves[1]


def score_in(row: Mapping[str, Any]) -> float:
    """What `Pairs` said of a row; 0.5 when nothing."""
    said = (v["score"] for v in row["verdicts"] if v["name"].startswith(PREFIX))
    return next(said, 0.5)


def pair_row(pair: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    """The row of a pair, from its better and its worse sample."""
    better, worse = pair
    names = (v["name"] for v in better["verdicts"] if v["name"].startswith(PREFIX))
    row = {name: value for name, value in better.items() if name != "completion"}
    row |= {"chosen": better["completion"], "rejected": worse["completion"]}
    row |= {"gap": 2 * MOST * (score_in(better) - 0.5), "judge": next(names).removeprefix(PREFIX)}
    return row | {f"rejected_{name}": worse[name] for name in OF_REJECTED}


def half_of(row: Mapping[str, Any], half: Half) -> Sample:
    """One sample of a pair's row."""
    own = {name: row[f"rejected_{name}"] for name in OF_REJECTED} if half == "rejected" else {}
    return Sample.from_row({**row, **own, "completion": row[half]})


@dataclass
class Of:
    """Sums over the pairs of a domain."""

    pairs: int = 0
    gap: float = 0.0
    log_ratio: float = 0.0
    longer: int = 0


@dataclass
class PairNumbers:
    """What a card says of pairs, domain by domain."""

    domains: dict[str, Of] = field(default_factory=dict)
    examples: dict[str | None, dict[str, Any]] = field(default_factory=dict)
    """The first row of each domain."""

    def watch(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The same rows, counted as they pass."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: Mapping[str, Any]) -> None:
        self.examples.setdefault(row["domain"] or None, dict(row))
        of = self.domains.setdefault(row["domain"] or "", Of())
        chosen, rejected = (sum(len(t["content"]) for t in row[h]) for h in ("chosen", "rejected"))
        of.pairs += 1
        of.gap += row["gap"]
        of.log_ratio += log((1 + chosen) / (1 + rejected))
        of.longer += chosen > rejected

    def told(self) -> dict[str, dict[str, float]]:
        """By domain: pairs, mean gap, mean ratio of lengths, share whose chosen one is longer."""
        return {
            name: {
                "pairs": of.pairs,
                "gap": of.gap / of.pairs,
                "ratio": exp(of.log_ratio / of.pairs),
                "longer": of.longer,
            }
            for name, of in sorted(self.domains.items())
        }
