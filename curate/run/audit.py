"""`curate audit`: how often a scorer is wrong, on rows whose verdict is known.

    {"answer": "1/2", "completion": "0.5", "expected": 1}     # `note`: disputed, does not count

`--save` keeps the figures in the project's `cards/audits.json`; the card of a dataset then states
them beside the verdicts that it relies on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate import __version__
from curate.errors import UsageError
from curate.run.score import Scored, scores, writing
from curate.scorers.scorer import Scorer
from curate.sinks.audits import AUDITS, read_audits

SHOWN = 20


@dataclass
class Audit:
    """The counts; an error is a score that differs from `expected` by more than `tolerance`."""

    scorer: str
    cases: str
    tolerance: float = 1e-6
    positive: int = 0
    """Rows with an expected score above 0, which can be rejected falsely."""
    negative: int = 0
    """Rows with an expected score below 1, which can be accepted falsely."""
    graded: int = 0
    """Rows with an expected score."""
    abstain: int = 0
    """Rows that are expected not to be judged (`expected` is null)."""
    disputed: int = 0
    unjudged: int = 0
    """Rows with an expected score and none; they are not accepted, so right ones are rejected."""
    false_accepts: list[Scored] = field(default_factory=list)
    false_rejects: list[Scored] = field(default_factory=list)
    wrong_abstentions: list[Scored] = field(default_factory=list)

    def add(self, scored: Scored) -> None:
        if "expected" not in scored.row:
            raise UsageError(
                f"{self.cases}, row {scored.place.number}: no column `expected` with the right "
                "score (1, 0, a number between, or null for what cannot be judged)"
            )
        expected = scored.row["expected"]
        if scored.row.get("note"):
            self.disputed += 1
        elif expected is None:
            self.abstain += 1
            if scored.score is not None:
                self.wrong_abstentions.append(scored)
        elif not isinstance(expected, int | float):
            raise UsageError(
                f"{self.cases}, row {scored.place.number}: expected is {expected!r}, not a number"
            )
        else:
            self._compare(scored, float(expected))

    def _compare(self, scored: Scored, expected: float) -> None:
        self.positive += expected > 0
        self.negative += expected < 1
        self.graded += 1
        self.unjudged += scored.score is None
        score = scored.score or 0.0
        if score > expected + self.tolerance:
            self.false_accepts.append(scored)
        elif score < expected - self.tolerance:
            self.false_rejects.append(scored)

    @property
    def counted(self) -> int:
        return self.graded + self.abstain

    @property
    def wrong(self) -> int:
        return len(self.false_accepts) + len(self.false_rejects) + len(self.wrong_abstentions)

    def figures(self) -> dict[str, Any]:
        """What a card states."""
        return {
            "scorer": self.scorer,
            "cases": self.cases,
            "rows": self.counted,
            "positive": self.positive,
            "negative": self.negative,
            "unjudged": self.unjudged,
            "disputed": self.disputed,
            "accuracy": round(1 - self.wrong / self.counted, 6) if self.counted else None,
            "false_accepts": len(self.false_accepts),
            "false_rejects": len(self.false_rejects),
            "wrong_abstentions": len(self.wrong_abstentions),
        }

    def __str__(self) -> str:
        lines = [f"{self.scorer} on {self.cases}: {self.counted:,} rows"]
        if self.disputed:
            lines[0] += f", {self.disputed:,} more are disputed (`note`) and not counted"
        if self.counted:
            lines.append(f"accuracy {1 - self.wrong / self.counted:.2%}")
        for title, rows, of in (
            ("false accepts", self.false_accepts, self.negative),
            ("false rejects", self.false_rejects, self.positive),
            ("judged, but should not be", self.wrong_abstentions, self.abstain),
        ):
            share = f" ({len(rows) / of:.2%} of {of:,})" if of else ""
            lines.append(f"{len(rows):,} {title}{share}")
            lines += [f"  {line(scored)}" for scored in rows[:SHOWN]]
            if len(rows) > SHOWN:
                lines.append(f"  and {len(rows) - SHOWN:,} more; all of them with --out FILE")
        if self.unjudged:
            lines.append(f"{self.unjudged:,} not judged")
        return "\n".join(lines)


def line(scored: Scored) -> str:
    """One wrong verdict, short."""
    named = scored.row.get("id")
    place = f"row {scored.place.number}" + (f" ({named})" if named else "")
    said = "null" if scored.score is None else f"{scored.score:g}"
    return f"{place}: {said}, expected {scored.row['expected']}: {scored.reason}"


def audit_file(
    scorer: Scorer,
    path: Path,
    *,
    out: Path | None = None,
    workers: int | None = None,
    tolerance: float = 1e-6,
) -> Audit:
    """Compares a scorer's verdicts with the column `expected`; all wrong rows go to `out`."""
    audit = Audit(scorer.name, path.name, tolerance)
    for scored in scores(scorer, path, workers=workers):
        audit.add(scored)
    if out:
        wrong = audit.false_accepts + audit.false_rejects + audit.wrong_abstentions
        with writing(out) as write:
            for scored in sorted(wrong, key=lambda scored: scored.place):
                write({**scored.row, "score": scored.score, "reason": scored.reason})
    return audit


def save(audit: Audit, project: Path, cases: Path) -> Path:
    """Puts the figures into the project's audits, in the place of older ones on the same cases."""
    path = project / AUDITS
    content = hashlib.sha256(cases.read_bytes()).hexdigest()
    new = {**audit.figures(), "sha256": content, "curate_version": __version__}

    def named(figures: dict[str, Any]) -> tuple[str, str]:
        return figures["scorer"], figures["cases"]

    others = [figures for figures in read_audits(project) if named(figures) != named(new)]
    kept = sorted([*others, new], key=named)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
