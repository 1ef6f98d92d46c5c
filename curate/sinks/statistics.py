"""What can be said of a dataset's rows in one pass: counts, lengths, yields, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Row = TypeVar("Row", bound=Mapping[str, Any])

# What `Statistics.add` reads; a report need not load the texts.
COLUMNS = (
    *("prompt_id", "domain", "source", "license", "language", "model", "model_revision"),
    *("finish_reason", "prompt_tokens", "completion_tokens", "verdicts"),
    *("samples_tried", "samples_correct", "pass_rate", "k"),
)
MOST_EXAMPLES = 12
"""Domains that are shown by a row each; R1's mix has five."""


class Lengths(Counter[int]):
    """How often each length occurs: exact percentiles in memory that grows with the distinct
    lengths only.

    >>> [Lengths([1, 2, 2, 9]).percentile(p) for p in (50, 95)], Lengths().percentile(50)
    ([2, 9], None)
    """

    def percentile(self, percent: float) -> int | None:
        """The smallest length that at least `percent` % do not exceed; None without any."""
        rank = percent / 100 * self.total()
        seen = 0
        for length in sorted(self):
            seen += self[length]
            if seen >= rank:
                return length
        return None

    @property
    def sum(self) -> int:
        return sum(length * n for length, n in self.items())

    def histogram(self, bars: int = 20) -> list[tuple[int, int, int]]:
        """(from, to, count) of up to `bars` equal intervals over all lengths.

        >>> Lengths([1, 2, 2, 10]).histogram(2)
        [(1, 5, 3), (6, 10, 1)]
        """
        if not self:
            return []
        low, high = min(self), max(self)
        width = -(-(high - low + 1) // bars)
        counts: Counter[int] = Counter()
        for length, n in self.items():
            counts[(length - low) // width] += n
        return [
            (low + i * width, low + (i + 1) * width - 1, counts[i]) for i in range(max(counts) + 1)
        ]


@dataclass
class Judged:
    """One scorer's verdicts: how many samples it judged, their mean, and how many it could not
    judge.
    """

    judged: int = 0
    unjudged: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.total / self.judged if self.judged else None


@dataclass
class Part:
    """The rows of a config's split, or of a domain."""

    rows: int = 0
    prompts: int = 0
    completion_tokens: Lengths = field(default_factory=Lengths)
    domains: Counter[str | None] = field(default_factory=Counter)
    last: str | None = None
    """The prompt whose row came last."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Counts one row; the rows of a prompt come one after the other."""
        self.rows += 1
        self.prompts += row["prompt_id"] != self.last
        self.last = row["prompt_id"]
        self.domains[row.get("domain") or None] += 1
        if row.get("completion_tokens") is not None:
            self.completion_tokens[row["completion_tokens"]] += 1


@dataclass
class Statistics:
    """Sums over rows that come prompt by prompt; empty strings and nulls count under None."""

    rows: int = 0
    domains: Counter[str | None] = field(default_factory=Counter)
    sources: Counter[str | None] = field(default_factory=Counter)
    licenses: Counter[str | None] = field(default_factory=Counter)
    languages: Counter[str | None] = field(default_factory=Counter)
    models: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    """By model and revision."""
    origins: Counter[tuple[str | None, ...]] = field(default_factory=Counter)
    """By source, its license, model and revision: whose terms a row is under."""
    finish_reasons: Counter[str | None] = field(default_factory=Counter)
    completion_tokens: Lengths = field(default_factory=Lengths)
    prompt_tokens: Lengths = field(default_factory=Lengths)
    per_prompt: Counter[int] = field(default_factory=Counter)
    """How many prompts have so many samples."""
    tried: Lengths = field(default_factory=Lengths)
    """Samples tried for a prompt, over the prompts that say so."""
    correct: int = 0
    pass_rates: Counter[int] = field(default_factory=Counter)
    """Prompts by pass rate in tenths, rounded down; only where the number tried was fixed in
    advance.
    """
    verdicts: dict[str, Judged] = field(default_factory=dict)
    examples: dict[str | None, dict[str, Any]] = field(default_factory=dict)
    """The first row of each domain."""
    answers: int = 0
    """Rows that are more than a prompt."""
    of_domain: dict[str | None, Part] = field(default_factory=dict)
    _prompt_id: str | None = None
    _of_prompt: int = 0

    @property
    def prompts(self) -> int:
        return self.per_prompt.total()

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, counted as they pass."""
        for row in rows:
            self.add(row)
            yield row
        self.end()

    def add(self, row: Mapping[str, Any]) -> None:
        """Counts one row; the rows of a prompt come one after the other."""
        if row["prompt_id"] != self._prompt_id:
            self.end()
            self._prompt_id = row["prompt_id"]
            self._add_prompt(row)
        self._of_prompt += 1
        self.rows += 1
        self.answers += (row.get("k") or 0) >= 0
        domain, source, license, language, model, revision = (
            row.get(name) or None
            for name in ("domain", "source", "license", "language", "model", "model_revision")
        )
        self.domains[domain] += 1
        self.of_domain.setdefault(domain, Part()).add(row)
        if domain not in self.examples and len(self.examples) < MOST_EXAMPLES:
            self.examples[domain] = dict(row)
        self.sources[source] += 1
        self.licenses[license] += 1
        self.languages[language] += 1
        self.models[model, revision] += 1
        self.origins[source, license, model, revision] += 1
        self.finish_reasons[row.get("finish_reason") or None] += 1
        for name, lengths in (
            ("completion_tokens", self.completion_tokens),
            ("prompt_tokens", self.prompt_tokens),
        ):
            if row.get(name) is not None:
                lengths[row[name]] += 1
        for verdict in row.get("verdicts") or ():
            self._add_verdict(verdict["name"], verdict["score"])

    def end(self) -> Statistics:
        """Counts the last prompt; itself."""
        if self._of_prompt:
            self.per_prompt[self._of_prompt] += 1
        self._of_prompt, self._prompt_id = 0, None
        return self

    def _add_prompt(self, row: Mapping[str, Any]) -> None:
        if row.get("samples_tried") is not None:
            self.tried[row["samples_tried"]] += 1
            self.correct += row.get("samples_correct") or 0
        if row.get("pass_rate") is not None:
            # Stored as float32: 0.7 reads back as 0.69999999.
            self.pass_rates[int(row["pass_rate"] * 10 + 1e-6)] += 1

    def _add_verdict(self, name: str, score: float | None) -> None:
        judged = self.verdicts.setdefault(name, Judged())
        if score is None:
            judged.unjudged += 1
        else:
            judged.judged += 1
            judged.total += score
