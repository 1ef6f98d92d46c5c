"""What is counted of an evaluation: each problem by itself, and what all of them come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.sample import Sample, digest
from curate.scorers.majority import answer_classes
from curate.select.keep import Grade
from curate.sinks.bootstrap import interval
from curate.sinks.pass_at_k import Class, consensus_at_k, pass_at_k
from curate.sinks.statistics import Lengths

Number = dict[str, Any]
"""A mean over problems: `value`, `error`, `low`, `high`, and over how many `problems`."""


@dataclass(frozen=True)
class Problem:
    """One problem's answers: how many there are, are right, cannot be judged."""

    prompt_id: str
    n: int
    right: int
    unjudged: int = 0
    strict: int | None = None
    """Right and in the form that was asked for; None where none was."""
    classes: tuple[Class, ...] | None = None
    """Equal answers and the share of them that is right; None where answers cannot be compared."""
    source_id: str | None = None
    answer: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    """What it is told apart by: its domain, its level."""

    @property
    def share(self) -> float:
        """Right answers among all, in [0, 1]: what cannot be judged is not right."""
        return self.right / self.n

    def to_json(self) -> dict[str, Any]:
        """What is known of it, without what is not."""
        return {k: v for k, v in vars(self).items() if v is not None and v != {}}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Problem:
        """A problem as `to_json` wrote it."""
        classes = said.get("classes")
        return cls(**{**said, "classes": classes and tuple((n, right) for n, right in classes)})


def problem_of(
    samples: Sequence[Sample],
    right: Sequence[Grade],
    strict: Sequence[Grade] | None,
    *,
    votes: bool,
    by: Sequence[str],
) -> Problem:
    """A problem from all its samples and what the rules say of each."""
    first = samples[0]
    good = [grade.is_good is True for grade in right]
    formed = [g and s.is_good is True for g, s in zip(good, strict or (), strict=bool(strict))]
    voting = [one.members for one in answer_classes(samples)] if votes else None
    return Problem(
        prompt_id=first.prompt_id,
        n=len(samples),
        right=sum(good),
        unjudged=sum(grade.is_good is None for grade in right),
        strict=sum(formed) if strict else None,
        classes=None
        if voting is None
        else tuple((len(places), sum(good[i] for i in places) / len(places)) for places in voting),
        source_id=first.source_id,
        answer=first.answer,
        groups={name: group for name in by if (group := group_of(first, name)) is not None},
    )


def group_of(sample: Sample, name: str) -> str | None:
    """What a column of ours, else a further one of the prompt's, says of a sample.

    >>> group_of(Sample(prompt_id="p", problem="?", check='{"level": 2}'), "level")
    '2'
    """
    value = getattr(sample, name, None)
    value = sample.checks.get(name) if value is None else value
    return None if value is None or value == "" else str(value)


@dataclass
class Tally:
    """Sums over all answers of an evaluation, and its problems one by one."""

    problems: list[Problem] = field(default_factory=list)
    models: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    """By model and revision."""
    sources: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    """Answers that the limit of tokens ended."""
    formed: int = 0
    tokens: dict[str, Lengths] = field(
        default_factory=lambda: {name: Lengths() for name in ("all", "right", "wrong")}
    )

    def add(
        self,
        problem: Problem,
        samples: Sequence[Sample],
        right: Sequence[Grade],
        strict: Sequence[Grade] | None,
    ) -> None:
        """Counts one problem with its samples."""
        self.problems.append(problem)
        self.sources[samples[0].source] += 1
        self.formed += sum(grade.is_good is True for grade in strict or ())
        for sample, grade in zip(samples, right, strict=True):
            self.models[sample.model, sample.model_revision] += 1
            self.cut += sample.finish_reason == "length"
            if sample.completion_tokens is not None:
                for name in ("all", "right" if grade.is_good else "wrong"):
                    self.tokens[name][sample.completion_tokens] += 1

    @property
    def samples(self) -> int:
        return sum(problem.n for problem in self.problems)

    def problem_set(self) -> str:
        """What names the problems that were asked: a hash of their ids and gold answers."""
        return digest(sorted([p.prompt_id, p.answer or ""] for p in self.problems))

    def to_json(self, k: int, *, has_form: bool) -> dict[str, Any]:
        """Everything that was counted, of `k` answers to each problem, whatever their order."""
        self.problems.sort(key=lambda problem: problem.prompt_id)
        unjudged = sum(problem.unjudged for problem in self.problems)
        right = sum(problem.right for problem in self.problems)
        return {
            "problem_set": {
                "problems": len(self.problems),
                "sha256": self.problem_set(),
                "sources": dict(sorted(self.sources.items())),
                "fewer_answers_than_k": sum(p.n < k for p in self.problems),
            },
            "answers": {
                **{"k": k, "all": self.samples, "right": right, "unjudged": unjudged},
                **{"wrong": self.samples - right - unjudged, "cut": self.cut},
                **({"in_form": self.formed} if has_form else {}),
            },
            "scores": scores(self.problems, k),
            "tokens": {name: lengths_json(of) for name, of in self.tokens.items() if of},
            "by": self._by(),
        }

    def _by(self) -> dict[str, dict[str, Number]]:
        """pass@1 of each domain, level, …, where there are several."""
        found: dict[str, dict[str, list[float]]] = {}
        for problem in self.problems:
            for name, group in problem.groups.items():
                found.setdefault(name, {}).setdefault(group, []).append(problem.share)
        return {
            name: {group: number(shares) for group, shares in sorted(groups.items())}
            for name, groups in found.items()
            if len(groups) > 1
        }


def scores(problems: Sequence[Problem], k: int) -> dict[str, Number]:
    """The mean of each score over the problems that have it, with its interval."""
    found = {name: number([*of.values()]) for name, of in values(problems, k).items()}
    return {name: said for name, said in found.items() if said["problems"]}


def values(problems: Sequence[Problem], k: int) -> dict[str, dict[str, float]]:
    """Each problem's pass@1, pass@j and cons@j for j = 2, 4, … up to k, and pass@1 in form.

    pass@j and cons@j are of problems that have so many answers. `pass@1 of judged` is there when
    some answers could not be judged, which count as wrong in all others.
    """
    ks = sorted({2**i for i in range(1, k.bit_length())} | {k} - {1})
    found: dict[str, dict[str, float]] = {"pass@1": {p.prompt_id: p.share for p in problems}}
    found["strict pass@1"] = {p.prompt_id: p.strict / p.n for p in problems if p.strict is not None}
    if any(p.unjudged for p in problems):
        judged = {p.prompt_id: p.right / (p.n - p.unjudged) for p in problems if p.unjudged < p.n}
        found["pass@1 of judged"] = judged
    for j in ks:
        enough = [p for p in problems if p.n >= j]
        found[f"pass@{j}"] = {p.prompt_id: pass_at_k(p.n, p.right, j) for p in enough}
    for j in ks:
        found[f"cons@{j}"] = {
            p.prompt_id: consensus_at_k(p.classes, p.n, [j])[j]
            for p in problems
            if p.n >= j and p.classes is not None
        }
    return found


def number(values: Sequence[float]) -> Number:
    """A mean over problems with its interval, rounded to what 5,000 resamples tell."""
    if not values:
        return {"value": None, "error": None, "low": None, "high": None, "problems": 0}
    said = interval(values)._asdict()
    return {k: None if v is None else round(v, 6) for k, v in said.items()} | {
        "problems": len(values)
    }


def lengths_json(lengths: Lengths) -> dict[str, float | int | None]:
    """Tokens of answers: the median, the 95th percentile, the mean, the longest."""
    return {
        "p50": lengths.percentile(50),
        "p95": lengths.percentile(95),
        "mean": round(lengths.sum / lengths.total(), 1),
        "longest": max(lengths),
    }
