"""Evaluations side by side, as Markdown: one table for each benchmark, models as rows.

table(Path("runs/evaluate/evaluation").glob("*.json"))       # of one run, or of several
card_section(Path("runs/evaluate"))                          # the same for a card, or ""
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from curate.errors import RunError
from curate.sinks.bootstrap import Interval, interval
from curate.sinks.evaluation_numbers import Number, Problem, number, values
from curate.sinks.markdown import escape
from curate.sinks.provenance import read_json

NEEDED = ("name", "benchmark", "problem_set", "answers", "scores", "per_problem")
MOST_COMPARED = 8
"""Rows whose differences are shown each to each; more would be a table of 50 cells."""
PERCENT = "Percent, in brackets the interval of 95 % (bootstrap over problems)."


@dataclass(frozen=True)
class Row:
    """What is evaluated, once or with several seeds."""

    said: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        return self.said[0]["name"]

    @property
    def k(self) -> int:
        return self.said[0]["answers"]["k"]

    @cached_property
    def values(self) -> dict[str, dict[str, float]]:
        """Each score by problem, the mean over the seeds; of problems that all seeds have."""
        of = [values(list(map(Problem.from_json, s["per_problem"])), self.k) for s in self.said]
        return {
            name: {p: sum(one[name][p] for one in of) / len(of) for p in problems}
            for name in of[0]
            if all(name in one for one in of)
            and (problems := sorted(set.intersection(*(set(one[name]) for one in of))))
        }

    def score(self, name: str) -> Number | None:
        """A score with its interval; None where it has none."""
        if len(self.said) == 1:
            return self.said[0]["scores"].get(name)
        return number([*self.values[name].values()]) if self.values.get(name) else None

    def sum(self, name: str) -> int:
        """Answers of a kind, of all seeds."""
        return sum(one["answers"].get(name, 0) for one in self.said)

    @property
    def seeds(self) -> str:
        """How many there are, and from where to where their pass@1 goes."""
        means = [100 * one["scores"]["pass@1"]["value"] for one in self.said]
        return f"{len(means)} ({min(means):.1f} to {max(means):.1f})" if len(means) > 1 else "1"


def read(paths: Iterable[Path]) -> list[Mapping[str, Any]]:
    """Evaluations in the order of their numbers, then files; RunError for what is none."""
    found = []
    for path in paths:
        said = read_json(path, None)
        if not isinstance(said, dict) or any(name not in said for name in NEEDED):
            raise RunError(f"{path} is no evaluation; `Evaluation` writes them")
        found.append(said)
    return sorted(found, key=lambda said: said.get("number", 0))


def table(paths: Iterable[Path]) -> str:
    """All evaluations as Markdown, each benchmark with a heading of its own."""
    return "# Evaluation\n\n" + "\n".join(sections(read(paths), "##"))


def card_section(run: Path) -> str:
    """What a card says of the evaluations of a run; empty where there are none."""
    found = read(sorted((run / "evaluation").glob("*.json")))
    return "\n".join(sections(found, "###")) if found else ""


def difference(one: Mapping[str, Any], other: Mapping[str, Any], score: str = "pass@1") -> Interval:
    """How much higher a score of `one` is, paired over the problems that both have.

    Takes evaluations as `read` gives them. Raises RunError when they have no problem in common.
    """
    return _difference(Row((one,)), Row((other,)), score)


def sections(found: Sequence[Mapping[str, Any]], heading: str) -> list[str]:
    """A piece of Markdown for each benchmark, in the order of their first evaluation."""
    benchmarks: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for said in found:
        benchmarks.setdefault(said["benchmark"], {}).setdefault(said["name"], []).append(said)
    return [
        f"{heading} {escape(name)}\n\n{_section([Row(tuple(r)) for r in rows.values()])}"
        for name, rows in benchmarks.items()
    ]


def _section(rows: Sequence[Row]) -> str:
    references = list(dict.fromkeys(name for row in rows for name in row.said[0]["reference"]))
    columns = {name: [_score(row, name) for row in rows] for name in _scores(rows)}
    columns |= {
        "tokens p50 / p95": [_tokens(row) for row in rows],
        "cut off": [_share(row.sum("cut"), row.sum("all")) for row in rows],
        "unjudged": [_share(row.sum("unjudged"), row.sum("all")) for row in rows],
        "problems x k": [f"{_problems(row)} x {row.k}" for row in rows],
        "seeds": [row.seeds for row in rows],
    }
    columns |= {
        str(escape(name)): [_figure(row.said[0]["reference"].get(name)) for row in rows]
        for name in references
    }
    if not any(row.sum("unjudged") for row in rows):
        del columns["unjudged"]
    if not any(len(row.said) > 1 for row in rows):
        del columns["seeds"]
    lines = [_line(["", *columns]), _line(["---"] + ["---:"] * len(columns))]
    for i, row in enumerate(rows):
        lines.append(_line([str(escape(row.name)), *(cells[i] for cells in columns.values())]))
    return "\n".join([*lines, "", PERCENT, *_remarks(rows), "", *_by(rows), *_differences(rows)])


def _scores(rows: Sequence[Row]) -> list[str]:
    """The scores that the table shows: pass@1 in all forms, pass@k and cons@k of the largest k."""
    k = max(row.k for row in rows)
    names = ("pass@1", "pass@1 of judged", "strict pass@1", f"pass@{k}", f"cons@{k}")
    return [n for n in dict.fromkeys(names) if any(row.score(n) is not None for row in rows)]


def _remarks(rows: Sequence[Row]) -> list[str]:
    """What a reader must know before comparing."""
    remarks: list[str] = []
    if len({one["problem_set"]["sha256"] for row in rows for one in row.said}) > 1:
        remarks.append("Not all rows have answered the same problems.")
    for row in rows:
        for one in row.said:
            of = one["problem_set"]
            told = {
                "with fewer answers than k": of["fewer_answers_than_k"],
                "left out, as their gold answer cannot be read": of["gold_unusable"],
                **{f"not asked ({why})": n for why, n in of["not_asked"].items()},
            }
            what = ", ".join(f"{n} {how}" for how, n in told.items() if n)
            remarks += [f"{escape(row.name)}: problems {what}."] if what else []
    return list(dict.fromkeys(remarks))


def _by(rows: Sequence[Row]) -> list[str]:
    """pass@1 by domain, level, …, of rows without seeds of their own."""
    lines: list[str] = []
    for name in dict.fromkeys(name for row in rows for name in row.said[0]["by"]):
        groups = sorted({g for row in rows for g in row.said[0]["by"].get(name, {})})
        lines += [
            _line([f"pass@1 by {escape(name)}", *(str(escape(group)) for group in groups)]),
            _line(["---"] + ["---:"] * len(groups)),
        ]
        for row in rows:
            cells = [_mean([s["by"].get(name, {}).get(g) for s in row.said]) for g in groups]
            lines.append(_line([str(escape(row.name)), *cells]))
        lines.append("")
    return lines


def _differences(rows: Sequence[Row]) -> list[str]:
    """How much better a row is than a column, paired over their common problems."""
    if len(rows) < 2:
        return []
    others = rows if len(rows) <= MOST_COMPARED else rows[:1]
    lines = [
        _line(["pass@1: row minus column", *(str(escape(row.name)) for row in others)]),
        _line(["---"] + ["---:"] * len(others)),
    ]
    for row in rows:
        cells = [
            "" if row is other else _points(_difference_or_none(row, other)) for other in others
        ]
        lines.append(_line([str(escape(row.name)), *cells]))
    said = "Percentage points, paired over problems; bold where the interval has no zero in it."
    return [*lines, "", said, ""]


def _difference_or_none(one: Row, other: Row) -> Interval | None:
    try:
        return _difference(one, other, "pass@1")
    except RunError:
        return None


def _difference(one: Row, other: Row, score: str) -> Interval:
    a, b = one.values.get(score, {}), other.values.get(score, {})
    if not (both := sorted(a.keys() & b.keys())):
        raise RunError(f"{one.name} and {other.name} have no problem with {score} in common")
    return interval([a[p] - b[p] for p in both], -1.0, 1.0)


def _points(said: Interval | None) -> str:
    if said is None:
        return "-"
    text = f"{100 * said.value:+.1f} [{100 * said.low:+.1f}, {100 * said.high:+.1f}]"
    return f"**{text}**" if said.low > 0 or said.high < 0 else text


def _score(row: Row, name: str) -> str:
    said = row.score(name)
    if said is None or said["value"] is None:
        return "-"
    return f"{100 * said['value']:.1f} [{100 * said['low']:.1f}, {100 * said['high']:.1f}]"


def _mean(said: Sequence[Number | None]) -> str:
    there = [one["value"] for one in said if one and one["value"] is not None]
    return f"{100 * sum(there) / len(there):.1f}" if there else "-"


def _tokens(row: Row) -> str:
    said = [one["tokens"]["all"] for one in row.said if one.get("tokens")]
    return ", ".join(dict.fromkeys(f"{of['p50']:,} / {of['p95']:,}" for of in said)) or "-"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _problems(row: Row) -> int:
    return row.said[0]["problem_set"]["problems"]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
